"""Agreement with the planning system: its DVHs beside ours, and which rule explains a difference."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
