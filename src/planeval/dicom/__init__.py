"""The only DICOM readers and writers: index a folder, link its objects, read a case.

``scan_folder`` reads headers, ``list_plans`` says what could be evaluated, ``read_case`` reads one
case. What had to be decided on the way is a finding; :data:`CODES` lists them all. The writers are
imported from their own modules (``write``, ``write_dose``): they load pydicom, which a plain case
is read without.
"""

from planeval.dicom.codes import CODES
from planeval.dicom.index import Entry, FolderIndex, SliceGeometry, scan_folder
from planeval.dicom.inventory import PlanEntry, list_plans, read_headers
from planeval.dicom.link import read_case
from planeval.dicom.registration import read_registrations

__all__ = [
    "CODES",
    "Entry",
    "FolderIndex",
    "PlanEntry",
    "SliceGeometry",
    "list_plans",
    "read_case",
    "read_headers",
    "read_registrations",
    "scan_folder",
]
