"""Reports: one record as HTML, CSV and terminal tables, with the same numbers in all of them."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
