from . import aliases as aliases
from . import difference as difference
from . import importing as importing
from . import library as library
from . import scorecards as scorecards
from . import tables as tables
