"""Files other than DICOM: masks and dose of imaging tools, tables that people keep."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
