"""Files other than DICOM: masks and dose of imaging tools, tables that people keep."""

from planeval.files.masks import mask_of, write_mask

__all__ = ["mask_of", "write_mask"]
