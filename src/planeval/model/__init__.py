"""Frozen values: what planeval knows, without behaviour from above."""

from planeval.model.case import (
    CaseData,
    Identity,
    ObjectHeader,
    Source,
    StructureSet,
    TpsDvh,
    UnreadDvh,
)
from planeval.model.dose import Dose, DoseTerm, Outside
from planeval.model.finding import Finding, Severity
from planeval.model.image import Image
from planeval.model.method import Method
from planeval.model.metric import Biology, Metric, MetricKind
from planeval.model.outcome import Outcome, Status, Verdict
from planeval.model.plan import Beam, BeamDose, FractionGroup, Plan, Prescription, Rx
from planeval.model.registration import Registration
from planeval.model.structure import PointOfInterest, Structure, UnusableStructure
from planeval.model.value import Value

__all__ = [
    "Beam",
    "BeamDose",
    "Biology",
    "CaseData",
    "Dose",
    "DoseTerm",
    "Finding",
    "FractionGroup",
    "Identity",
    "Image",
    "Method",
    "Metric",
    "MetricKind",
    "ObjectHeader",
    "Outcome",
    "Outside",
    "Plan",
    "PointOfInterest",
    "Prescription",
    "Registration",
    "Rx",
    "Severity",
    "Source",
    "Status",
    "Structure",
    "StructureSet",
    "TpsDvh",
    "UnreadDvh",
    "UnusableStructure",
    "Value",
    "Verdict",
]
