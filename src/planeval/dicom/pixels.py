"""Stored pixel integers: straight from the bytes where they are uncompressed, else by pydicom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planeval.dicom.files import DicomFile
from planeval.dicom.pydicom_datasets import PYDICOM_FAILURES, PydicomDataset, quiet_pydicom
from planeval.errors import UnreadableFile, UnsupportedData

__all__ = ["stored_pixels"]

_UNCOMPRESSED = {
    "1.2.840.10008.1.2": "<",
    "1.2.840.10008.1.2.1": "<",
    "1.2.840.10008.1.2.1.99": "<",
    "1.2.840.10008.1.2.2": ">",
}
_PAD_BYTES = 3
"""Longest padding that exporters put behind pixel data."""


def stored_pixels(file: DicomFile, shape: tuple[int, ...]) -> NDArray[np.integer]:
    """Return the stored integers of PixelData in a shape, decoding compressed syntaxes by pydicom.

    The size is checked against the data before anything is allocated.
    """
    root = file.root
    if root.required_integer("SamplesPerPixel") != 1:
        raise UnsupportedData(f"{root.place}: SamplesPerPixel is not 1; grey values are needed")
    bits = root.required_integer("BitsAllocated")
    if bits not in (16, 32):
        raise UnsupportedData(f"{root.place}: BitsAllocated is {bits}; 16 and 32 are supported")
    if not root.has("PixelData"):
        raise root.missing("PixelData")
    order = _UNCOMPRESSED.get(file.syntax)
    if order is None:
        return _decoded(file, shape)
    kind = "i" if root.integer("PixelRepresentation") else "u"
    content = root.raw("PixelData")
    expected = int(np.prod(shape, dtype=object)) * (bits // 8)
    if not 0 <= len(content) - expected <= _PAD_BYTES:
        size = " x ".join(map(str, shape))
        raise root.invalid(
            "PixelData", f"{len(content)} bytes where {size} voxels of {bits} bits take {expected}"
        )
    values = np.frombuffer(
        content, dtype=f"{order}{kind}{bits // 8}", count=expected // (bits // 8)
    )
    return values.reshape(shape)


def _decoded(file: DicomFile, shape: tuple[int, ...]) -> NDArray[np.integer]:
    """Decode compressed pixel data with the decoders that pydicom finds."""
    dataset = file.root.dataset
    try:
        if not isinstance(dataset, PydicomDataset):
            raise UnreadableFile(f"{file.name}: its PixelData is not encapsulated")
        with quiet_pydicom():
            values = np.asarray(dataset.dataset.pixel_array)
    except PYDICOM_FAILURES as error:
        raise UnreadableFile(
            f"{file.name}: PixelData in transfer syntax {file.syntax} cannot be decoded here "
            f"({error}); export it uncompressed"
        ) from error
    if values.size != int(np.prod(shape, dtype=object)):
        raise file.root.invalid("PixelData", f"{values.shape} decoded where {shape} is expected")
    return values.reshape(shape)
