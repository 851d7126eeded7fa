"""The tables of a cohort: every column with its type and with what it may hold.

The role of a column decides what pseudonymisation does to it, so no column is without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["TABLES", "Column", "Role", "Table"]


class Role(StrEnum):
    """What a column holds, and what a pseudonymised table has in its place."""

    OWN = "own"
    """Numbers, and words of planeval and of the protocol: kept."""
    TERM = "term"
    """A DICOM term from a file: kept where it looks like one."""
    PATIENT = "patient"
    """PatientID: a keyed pseudonym."""
    KEY = "key"
    """An id made from identities: a keyed pseudonym."""
    UID = "uid"
    """A DICOM UID: another UID, the same everywhere."""
    DATE = "date"
    """A date: days since the patient's first date."""
    FREE = "free"
    """Text from files: names, ids, dates and UIDs in it are replaced."""
    LABEL = "label"
    """A label somebody typed, of no use without the patient: dropped."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: name, SQL type, role."""

    name: str
    type: str
    role: Role


@dataclass(frozen=True, slots=True)
class Table:
    """A table. ``order`` are the columns that sort it; with ``case_id`` they are unique."""

    name: str
    columns: tuple[Column, ...]
    order: tuple[str, ...] = ("case_id", "seq")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)


_TYPES = {"t": "VARCHAR", "n": "DOUBLE", "i": "INTEGER", "b": "BOOLEAN", "l": "DOUBLE[]"}
_ROLES = {
    "": Role.OWN, "term": Role.TERM, "patient": Role.PATIENT, "key": Role.KEY, "uid": Role.UID,
    "date": Role.DATE, "free": Role.FREE, "label": Role.LABEL,
}  # fmt: skip


def _table(name: str, spec: str, order: tuple[str, ...] = ("case_id", "seq")) -> Table:
    """Read ``column:type[:role]`` words."""
    columns = []
    for word in spec.split():
        column, kind, role = (*word.split(":"), "")[:3]
        columns.append(Column(column, _TYPES[kind], _ROLES[role]))
    return Table(name, tuple(columns), order)


_WHO = "case_id:t:key patient_id:t:patient "
_VALUE = "value:n unit:t low:n high:n possible_low:n possible_high:n reason:t:free "
_OUTCOME = "outcome:t near_limit:b outcome_reason:t:free "
_SOLID = (
    "seq:i {name}:t:free type:t:term matched:t:free origin:t volume_cc:n volume_low_cc:n "
    "volume_high_cc:n outside_cc:n min_gy:n mean_gy:n mean_low_gy:n mean_high_gy:n max_gy:n "
    "max_low_gy:n max_high_gy:n reason:t:free "
)

_ALL = (
    _table(
        "cases",
        _WHO + "course_id:t:key plan_uid:t:uid dose_uids:t:uid structure_set_uid:t:uid "
        "study_uid:t:uid frame_uid:t:uid plan_label:t:label plan_name:t:label plan_date:t:date "
        "study_date:t:date structure_set_label:t:label structure_set_date:t:date approval:t:term "
        "intent:t:term sex:t:term age_years:i dose_origin:t dose_type:t:term "
        "dose_summation:t:term dose_terms:i dose_max_gy:n dose_spacing_k_mm:n dose_spacing_j_mm:n "
        "dose_spacing_i_mm:n is_ion:b patient_position:t:term manufacturer:t:free "
        "treatment_beams:i image_slices:i prescriptions:i rx_gy:n rx_fractions:i "
        "rx_fraction_gy:n protocol:t protocol_version:t protocol_sha256:t protocol_applies:t "
        "protocol_applies_reason:t:free verdict:t summary:t counted_pass:i counted_acceptable:i "
        "counted_fail:i counted_not_evaluable:i counted_not_applicable:i near_limits:i "
        "structures:i findings_error:i findings_warning:i method:t planeval:t inputs_sha256:t",
        ("case_id",),
    ),
    _table(
        "prescriptions",
        _WHO + "seq:i target:t:free kind:t origin:t:free total_gy:n fractions:i fraction_gy:n "
        "bed_gy:n bed_alpha_beta_gy:n eqd2_gy:n eqd2_alpha_beta_gy:n target_d50_gy:n "
        "d50_percent:n reason:t:free",
    ),
    _table(
        "targets",
        _WHO + _SOLID.format(name="target") + "rx_gy:n rx_fractions:i liver_percent:n "
        "liver_reason:t:free method:t",
    ),
    _table("structures", _WHO + _SOLID.format(name="plan_name") + "is_target:b method:t"),
    _table(
        "metrics",
        _WHO + "seq:i protocol:t row_id:t:free group_id:t:free kind:t structure:t:free plan_name:t:free "
        "match:t metric:t " + _VALUE + _OUTCOME + "rx_gy:n beside:t source:t notes:t:free method:t",
    ),
    _table(
        "constraints",
        _WHO + "seq:i protocol:t row_id:t:free group_id:t:free mode:t kind:t is_counted:b "
        "structure:t:free plan_name:t:free metric:t:free per_protocol:t acceptable:t "
        + _VALUE + _OUTCOME + "margin:n margin_percent:n margin_acceptable:n source:t method:t",
    ),
    _table(
        "margins",
        _WHO + "seq:i protocol:t row_id:t:free kind:t outer_name:t:free outer_plan_name:t:free "
        "inner_name:t:free inner_plan_name:t:free rule:t axis:t rule_low_mm:n rule_high_mm:n "
        "tolerance_mm:n minimum_mm:n p5_mm:n median_mm:n p95_mm:n maximum_mm:n extent_mm:n "
        "end_less_mm:n end_more_mm:n short_percent:n clipped_percent:n long_percent:n "
        "outside_percent:n outside_mm:n " + _OUTCOME + "method:t",
    ),
    _table(
        "dvh",
        "case_id:t:key seq:i structure:t:free plan_name:t:free type:t:term total_cc:n "
        "outside_cc:n step_gy:n volume_percent:l method:t",
    ),
    _table(
        "matches",
        "case_id:t:key seq:i protocol_name:t:free kind:t plan_name:t:free evidence:t:free "
        "candidates:t:free",
    ),
    _table(
        "plans",
        _WHO + "seq:i course_id:t:key is_taken:b code:t reason:t:free plan_uid:t:uid "
        "plan_label:t:label plan_date:t:date approval:t:term intent:t:term fractions:i "
        "targets:t:free doses:i image_slices:i",
    ),
    _table("findings", _WHO + "seq:i code:t severity:t place:t:free message:t:free"),
    _table(
        "errors",
        _WHO + "stage:t code:t message:t:free traceback_id:t",
        ("case_id", "stage", "code"),
    ),
)  # fmt: skip

TABLES: Mapping[str, Table] = MappingProxyType({table.name: table for table in _ALL})
"""The tables by name, in the order in which they are read."""
