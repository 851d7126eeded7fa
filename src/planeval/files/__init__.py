"""Files other than DICOM."""

from planeval.files.masks import mask_of, write_mask

__all__ = ["mask_of", "write_mask"]
