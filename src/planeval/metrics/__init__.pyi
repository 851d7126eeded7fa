from . import far_body as far_body
from . import grammar as grammar
from . import indices as indices
from . import ntcp as ntcp
from . import recognition as recognition
from . import tcp as tcp
from .grammar import parse as parse
