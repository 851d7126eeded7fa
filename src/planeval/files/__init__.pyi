from . import documents as documents
from .masks import mask_of as mask_of
from .masks import write_mask as write_mask
