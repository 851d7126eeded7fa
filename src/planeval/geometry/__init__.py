"""Grids, planar stacks and what is exact about them. No DICOM and no dose here."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
