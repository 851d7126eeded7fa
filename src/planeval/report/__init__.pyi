from . import curves as curves
from . import dose_table as dose_table
from . import folder_table as folder_table
from . import html as html
from . import tables as tables
from . import terminal as terminal
from . import text as text
