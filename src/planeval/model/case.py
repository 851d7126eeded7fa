"""The data of a case: everything read from a folder that belongs to one plan, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from planeval.model.dose import Dose
from planeval.model.finding import Finding
from planeval.model.image import Image
from planeval.model.plan import Plan, Prescription
from planeval.model.registration import Registration
from planeval.model.structure import PointOfInterest, Structure, UnusableStructure

__all__ = ["CaseData", "Identity", "ObjectHeader", "Source", "StructureSet", "TpsDvh", "UnreadDvh"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the case is about, as the files say (untrusted text)."""

    patient_id: str = ""
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    study_uid: str = ""
    study_date: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A file (or series) that the case was read from: kind, label, name in its folder, uid, digest."""

    kind: str
    file: str
    uid: str
    digest: str
    label: str = ""
    date: str = ""
    manufacturer: str = ""


@dataclass(frozen=True, slots=True)
class ObjectHeader:
    """What an object says of itself and its relations, for checks of consistency.

    ``date`` (DICOM DA) is when it was last changed: StructureSetDate, RTPlanDate, and for a dose
    ContentDate or InstanceCreationDate; for images it is StudyDate. ``references`` are (role, uid)
    pairs with the roles ``plan``, ``structures``, ``dose``, ``series`` and ``frame``.
    """

    kind: str
    file: str
    uid: str
    label: str = ""
    frame_uid: str = ""
    date: str = ""
    approval: str = ""
    review_date: str = ""
    references: tuple[tuple[str, str], ...] = ()

    def referenced(self, role: str) -> tuple[str, ...]:
        """Return the UIDs that the object refers to in a role."""
        return tuple(uid for name, uid in self.references if name == role)


@dataclass(frozen=True, slots=True, eq=False)
class TpsDvh:
    """A cumulative DVH that came with the dose (DVHSequence) or a planning system's export.

    ``scale_note`` says how its dose axis was read where the file contradicts itself. ``includes`` and
    ``excludes`` are the structures that it is of where it is a combination of several.
    ``volume_is_ours`` says that its volumes were percent of a volume that planeval gave;
    ``rounding_cc`` is by how much the stated volume may be rounded.
    """

    structure: str
    dose_gy: NDArray[np.float64]
    volume_cc: NDArray[np.float64]
    minimum_gy: float | None = None
    maximum_gy: float | None = None
    mean_gy: float | None = None
    origin: str = ""
    scale_note: str = ""
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    volume_is_ours: bool = False
    rounding_cc: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class StructureSet:
    """The structures of one RTSTRUCT: usable ones by unique name, the rest with reasons."""

    uid: str
    label: str = ""
    date: str = ""
    frame_uid: str = ""
    image_series_uids: tuple[str, ...] = ()
    structures: tuple[Structure, ...] = ()
    unusable: tuple[UnusableStructure, ...] = ()
    points: tuple[PointOfInterest, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class UnreadDvh:
    """A DVH of the planning system that cannot be compared: of what, where it stands, and why."""

    structure: str
    origin: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class CaseData:
    """Image, structures, dose, plans and what was found on the way; one patient, one frame.

    ``structures`` maps unique names to structures in file order. Every link between the objects is
    verified, or named in ``findings``. ``registrations`` are those that moved a dose into this frame,
    each right to ``registration_mm``. ``headers`` are of the objects used; a sum of plans has none.
    """

    identity: Identity
    structures: Mapping[str, Structure]
    dose: Dose | None = None
    image: Image | None = None
    plans: tuple[Plan, ...] = ()
    prescriptions: tuple[Prescription, ...] = ()
    unusable: Mapping[str, UnusableStructure] = field(default_factory=dict)
    points: tuple[PointOfInterest, ...] = ()
    tps_dvhs: tuple[TpsDvh, ...] = ()
    tps_unread: tuple[UnreadDvh, ...] = ()
    sources: tuple[Source, ...] = ()
    findings: tuple[Finding, ...] = ()
    frame_uid: str = ""
    structure_set_label: str = ""
    structure_set_date: str = ""
    registrations: tuple[Registration, ...] = ()
    registration_mm: float = 0.0
    headers: tuple[ObjectHeader, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "structures", MappingProxyType(dict(self.structures)))
        object.__setattr__(self, "unusable", MappingProxyType(dict(self.unusable)))

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild through the constructor (a mapping proxy does not pickle)."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["structures"] = dict(self.structures)
        values["unusable"] = dict(self.unusable)
        return _rebuild, (values,)


def _rebuild(values: dict[str, object]) -> CaseData:
    """Rebuild an unpickled case."""
    return CaseData(**values)  # type: ignore[arg-type]
