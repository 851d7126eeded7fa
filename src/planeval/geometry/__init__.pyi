from . import margin as margin
