from . import biology as biology
from . import edge as edge
from . import interpolation as interpolation
from . import isodose as isodose
from . import parts as parts
from . import summation as summation
