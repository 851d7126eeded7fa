"""Cohorts: the dose metrics of many plans as tidy tables, unattended and resumable."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
