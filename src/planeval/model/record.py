"""The evaluation record: everything that evaluation.json holds and every report is made from.

A report formats what is here and computes no number of its own. Nothing in a record depends on the
clock, the machine or the place of the files: same input, version and options, same bytes.

Conventions: a number that may not exist is a :class:`~planeval.model.Value` (number or reason);
text from DICOM is kept as it was read and is untrusted; an empty text means "not stated".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from planeval.model.agreement import AgreementRow
from planeval.model.case import Identity, Source
from planeval.model.checks import CheckRow, CheckState
from planeval.model.finding import Finding, Severity
from planeval.model.margins import MarginRow
from planeval.model.method import Method
from planeval.model.outcome import Outcome, Status, Verdict
from planeval.model.plain import json_text, plain
from planeval.model.rows import (
    Companion,
    GroupMode,
    LimitMark,
    LimitText,
    Margin,
    MatchKind,
    Row,
    RowGroup,
    RowKind,
    StructureMatch,
    flat_rows,
)
from planeval.model.spots import Beyond, SpotRow
from planeval.model.targets import Spill, TargetRow, TargetValue
from planeval.model.value import Value

__all__ = [
    "SCHEMA",
    "AgreementRow",
    "Attention",
    "Beyond",
    "CheckItem",
    "CheckRow",
    "CheckState",
    "Companion",
    "Conversion",
    "DoseSummary",
    "EvaluationRecord",
    "GroupMode",
    "KindCount",
    "LimitMark",
    "LimitText",
    "Margin",
    "MarginRow",
    "MatchKind",
    "PlanSummary",
    "PointRow",
    "PrescriptionRow",
    "Proposal",
    "ProtocolSummary",
    "Provenance",
    "Row",
    "RowGroup",
    "RowKind",
    "SourceNote",
    "Spill",
    "SpotRow",
    "StructureMatch",
    "StructureRow",
    "TargetRow",
    "TargetValue",
    "TpsRow",
    "UnjudgedOrgan",
]

SCHEMA = "planeval.evaluation/1"


@dataclass(frozen=True, slots=True)
class Conversion:
    """A prescription as BED or EQD2: plain LQ on total dose and fractions, alpha/beta stated."""

    quantity: str
    alpha_beta_gy: float
    gy: float


@dataclass(frozen=True, slots=True)
class PrescriptionRow:
    """A prescription, its origin, its conversions, and the D50% of its target beside it.

    ``target_d50`` is in Gy, undefined with a reason where the target is unknown; ``d50_percent`` is
    its share of the prescription.
    """

    target: str
    total_gy: float
    fractions: int | None
    fraction_gy: float | None
    kind: str
    origin: str
    conversions: tuple[Conversion, ...]
    target_d50: Value
    d50_percent: float | None = None


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """A plan in the identity strip."""

    uid: str
    label: str
    name: str
    date: str
    approval: str
    intent: str
    is_ion: bool
    patient_position: str
    manufacturer: str
    fractions: int | None
    treatment_beams: int


@dataclass(frozen=True, slots=True)
class DoseSummary:
    """The dose that was evaluated: what the file says, its grid, and its largest voxel.

    ``spacing_mm`` and ``shape`` are (k, j, i) of the first term; ``spacing_mm`` k is the largest
    plane distance.
    """

    type: str
    summation: str
    uids: tuple[str, ...]
    comment: str
    terms: int
    term_fractions: tuple[int | None, ...]
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    maximum: Value


@dataclass(frozen=True, slots=True)
class SourceNote:
    """Where a protocol's numbers come from: reference, place in it, words quoted, evidence."""

    key: str
    citation: str
    doi: str
    locator: str
    quote: str
    evidence: str


@dataclass(frozen=True, slots=True)
class CheckItem:
    """A question of the protocol that a person answers with yes or no; never in the verdict."""

    id: str
    question: str
    notes: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A protocol that was looked at when planeval chose by itself, and what became of it.

    ``outcome`` is PASS where it applies; ``is_chosen`` marks the one that was applied.
    """

    id: str
    title: str
    purpose: str
    review_status: str
    outcome: Outcome
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class ProtocolSummary:
    """The protocol that was applied.

    ``opening`` are statements that must head every report of this protocol; ``readings`` are
    the choices its author made where the source leaves room. ``applicability`` is the condition in
    words, ``applies`` what became of it here (PASS where it applies). ``origin`` is shipped, site,
    site-override or file; ``includes`` are the sets that became part of it, with their digests.
    """

    id: str
    title: str
    version: str
    review_status: str
    reviewed_by: str
    reviewed_on: str
    sha256: str
    dose_basis: str
    applicability: str
    applies: Outcome
    opening: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()
    sources: tuple[SourceNote, ...] = ()
    purpose: str = "disease"
    origin: str = "file"
    includes: tuple[str, ...] = ()
    checklist: tuple[CheckItem, ...] = ()


@dataclass(frozen=True, slots=True)
class KindCount:
    """How many rows (a group counts once) of one kind came to each status."""

    kind: RowKind
    statuses: tuple[tuple[Status, int], ...]
    not_judged: int = 0

    def count(self, status: Status) -> int:
        """Return the number of rows with a status."""
        return dict(self.statuses).get(status, 0)


@dataclass(frozen=True, slots=True)
class Attention:
    """One line of the needs-attention list, ready to print; ``row_id`` links to its row, or ''.

    ``code`` is ``fail``, ``not-evaluable``, ``near-limit``, ``applicability``, ``prescription``,
    ``match``, or the code of a finding.
    """

    severity: Severity
    code: str
    text: str
    row_id: str = ""


@dataclass(frozen=True, slots=True)
class UnjudgedOrgan:
    """A drawn organ that no counted row of this protocol judges, and why."""

    name: str
    type: str
    reason: str


@dataclass(frozen=True, slots=True)
class StructureRow:
    """A structure of the inventory, with its dose in Gy; unusable ones carry ``reason``.

    ``matched`` are the protocol names it serves (with how), ``outside`` is the volume outside the
    dose grid. ``grid_mean_gy`` and ``grid_maximum_gy`` estimate, apart from the bands, what the linear
    interpolation of the dose grid changes: the true mean less ours, and the maximum to plus or minus.
    """

    name: str
    name_in_file: str
    number: int | None
    type: str
    origin: str
    expression: str
    colour: tuple[int, int, int]
    volume: Value
    outside: Value
    minimum: Value
    mean: Value
    maximum: Value
    matched: tuple[str, ...] = ()
    reason: str = ""
    grid_mean_gy: float | None = None
    grid_maximum_gy: float | None = None


@dataclass(frozen=True, slots=True)
class PointRow:
    """A point of the case with its dose."""

    name: str
    kind: str
    position_mm: tuple[float, float, float]
    dose: Value


@dataclass(frozen=True, slots=True)
class TpsRow:
    """What the planning system says of a structure's dose, beside what planeval finds.

    ``volume_cc`` is the volume of the planning system's curve. ``structure`` is the plan's name.
    """

    structure: str
    origin: str
    scale_note: str
    volume_cc: float | None
    minimum_gy: float | None
    mean_gy: float | None
    maximum_gy: float | None
    volume: Value
    minimum: Value
    mean: Value
    maximum: Value


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the numbers depend on. ``options`` are the user's choices as (name, text) pairs."""

    planeval_version: str
    protocol_sha256: str
    method: Method
    plan_uids: tuple[str, ...]
    dose_uids: tuple[str, ...]
    structure_set_uid: str
    image_series_uid: str
    study_uid: str
    frame_uid: str
    sources: tuple[Source, ...]
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationRecord:
    """One plan judged by one protocol.

    ``summary`` is the verdict in one sentence of counts. ``rows`` are the judged and reference rows
    and groups in protocol order, ``information`` the rows that only inform; ``attention`` is
    ordered, most urgent first. ``margins`` are the margin audits in protocol order; ``targets`` the
    targets' coverage and indices, for information. ``spots`` are the hot and cold spots of rows on
    near-extremes. ``proposals`` are the protocols that were looked at where planeval chose by itself.
    ``checks`` are what the plan was checked for, ``agreement`` the planning system's DVHs beside ours.
    """

    identity: Identity
    plans: tuple[PlanSummary, ...]
    structure_set_label: str
    structure_set_date: str
    dose: DoseSummary | None
    prescriptions: tuple[PrescriptionRow, ...]
    protocol: ProtocolSummary
    verdict: Verdict
    summary: str
    counts: tuple[KindCount, ...]
    attention: tuple[Attention, ...]
    rows: tuple[Row | RowGroup, ...]
    information: tuple[Row | RowGroup, ...]
    not_judged: tuple[UnjudgedOrgan, ...]
    structures: tuple[StructureRow, ...]
    points: tuple[PointRow, ...]
    tps: tuple[TpsRow, ...]
    matches: tuple[StructureMatch, ...]
    findings: tuple[Finding, ...]
    provenance: Provenance
    margins: tuple[MarginRow, ...] = ()
    targets: tuple[TargetRow, ...] = ()
    spots: tuple[SpotRow, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    checks: tuple[CheckRow, ...] = ()
    agreement: tuple[AgreementRow, ...] = ()
    schema: str = SCHEMA

    def flat_rows(self) -> tuple[Row, ...]:
        """Return every row in reading order, groups opened, information last."""
        return tuple(flat_rows(self.rows + self.information))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data: numbers to 9 significant digits, enums as text, no NaN."""
        data: dict[str, Any] = plain(self)
        return data

    def to_json(self) -> str:
        """Return evaluation.json: sorted keys, LF, the same text for the same record."""
        return json_text(self)
