"""Whether two files of one SOPInstanceUID hold the same object: a re-export, or another version.

A re-export differs in its preamble, file meta information and encoding, and in elements that say when
and by what it was written; everything else is the object.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from planeval.dicom.pydicom_datasets import PYDICOM_FAILURES, parse_by_pydicom, quiet_pydicom

__all__ = ["same_content"]

_OF_THE_EXPORT = frozenset(
    {
        0x00080005,  # SpecificCharacterSet: the text itself is compared
        0x00080012,  # InstanceCreationDate
        0x00080013,  # InstanceCreationTime
        0x00080014,  # InstanceCreatorUID
        0x00080054,  # RetrieveAETitle
        0x00080056,  # InstanceAvailability
        0x00080201,  # TimezoneOffsetFromUTC
        0xFFFCFFFC,  # DataSetTrailingPadding
    }
)


def same_content(one: Path, other: Path) -> bool:
    """Return whether two DICOM files hold the same object; False where either cannot be read.

    Public elements are compared by value, sequences item by item; private elements, group lengths
    and what an export adds are left aside.
    """
    try:
        with quiet_pydicom():
            return _equal(_dataset(one), _dataset(other))
    except PYDICOM_FAILURES:
        return False


def _dataset(path: Path) -> Dataset:
    content = path.read_bytes()
    return parse_by_pydicom(content, has_mark=content[128:132] == b"DICM")


def _equal(first: Dataset, second: Dataset) -> bool:
    tags = [_compared(first), _compared(second)]
    return tags[0] == tags[1] and all(
        _same_value(first[tag].value, second[tag].value) for tag in tags[0]
    )


def _compared(dataset: Dataset) -> list[int]:
    return sorted(
        int(tag)
        for tag in dataset.keys()  # noqa: SIM118 - iterating a dataset parses its elements
        if not tag.is_private and tag.element != 0 and int(tag) not in _OF_THE_EXPORT
    )


def _same_value(first: Any, second: Any) -> bool:
    if isinstance(first, Dataset):
        return isinstance(second, Dataset) and _equal(first, second)
    if hasattr(first, "__iter__") and not isinstance(first, str | bytes):
        pairs = (list(first), list(second) if hasattr(second, "__iter__") else [])
        if len(pairs[0]) != len(pairs[1]):
            return False
        return all(_same_value(a, b) for a, b in zip(*pairs, strict=True))
    return bool(first == second)
