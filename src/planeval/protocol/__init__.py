"""Protocols: constraint files, name matching, and the judgement of a case."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
