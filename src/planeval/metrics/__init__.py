"""Metrics: the text grammar, and what each metric measures on sampled dose."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
