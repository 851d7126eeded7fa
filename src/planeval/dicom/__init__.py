"""The only DICOM readers and writers: index a folder, link its objects, read a case, write structures.

``scan_folder`` reads headers, ``list_plans`` says what could be evaluated, ``read_case`` reads one
case, ``write_structures`` makes an RTSTRUCT. What had to be decided on the way is a finding;
:data:`CODES` lists them all.
"""

from planeval.dicom.codes import CODES
from planeval.dicom.index import Entry, FolderIndex, SliceGeometry, scan_folder
from planeval.dicom.inventory import PlanEntry, list_plans
from planeval.dicom.link import read_case
from planeval.dicom.plan_header import (
    PlanHeader,
    identifying_texts,
    read_plan_header,
    read_roi_names,
)
from planeval.dicom.registration import read_registrations
from planeval.dicom.same_content import same_content
from planeval.dicom.write import WrittenSet, WrittenStructure, write_structures
from planeval.dicom.write_dose import write_dose_file

__all__ = [
    "CODES",
    "Entry",
    "FolderIndex",
    "PlanEntry",
    "PlanHeader",
    "SliceGeometry",
    "WrittenSet",
    "WrittenStructure",
    "identifying_texts",
    "list_plans",
    "read_case",
    "read_plan_header",
    "read_registrations",
    "read_roi_names",
    "same_content",
    "scan_folder",
    "write_dose_file",
    "write_structures",
]
