"""Plan sanity checks: what is wrong with a plan as exported, whatever any protocol says.

:func:`plan_checks` runs them all on a case; :data:`CODES` lists every finding they can make.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
