"""What an object says of itself and its relations: dates, approval, frame, references."""

from __future__ import annotations

from planeval.dicom.elements import Item
from planeval.dicom.index import Entry
from planeval.model import ObjectHeader

__all__ = ["listed_header", "object_header"]

_DATES = {
    "RTSTRUCT": ("StructureSetDate",),
    "RTPLAN": ("RTPlanDate",),
    "RTDOSE": ("ContentDate", "InstanceCreationDate"),
}
"""When an object was last changed. InstanceCreationDate is often the date of the export: only a dose,
which has no other, falls back to it."""


def object_header(root: Item, entry: Entry) -> ObjectHeader:
    """Return the header of an RTSTRUCT, RTPLAN or RTDOSE that was read."""
    dates = (root.text(keyword) for keyword in _DATES.get(entry.kind, ()))
    return ObjectHeader(
        kind=entry.kind,
        file=entry.file,
        uid=entry.sop_uid,
        label=entry.label,
        frame_uid=root.text("FrameOfReferenceUID"),
        date=next(filter(None, dates), ""),
        approval=root.text("ApprovalStatus"),
        review_date=root.text("ReviewDate"),
        references=entry.references,
    )


def listed_header(entry: Entry) -> ObjectHeader:
    """Return what an index knows of a structure set, or of an image series from one of its slices."""
    return ObjectHeader(
        kind=entry.kind,
        file=entry.file,
        uid=entry.series_uid if entry.kind == "CT" else entry.sop_uid,
        label=entry.label,
        frame_uid=entry.frame_uid,
        date=entry.date,
        references=entry.references,
    )
