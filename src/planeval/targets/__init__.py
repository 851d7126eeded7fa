"""Targets: from GTV to CTV to PTV by rules that are data, and the motion between phases."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
