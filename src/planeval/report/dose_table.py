"""The dose table: DVHs and metrics of structures without a protocol, for terminal, JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from planeval import agreement as tps
from planeval import report
from planeval.case import Case
from planeval.dose.dvh import Dvh
from planeval.metrics import grammar
from planeval.model import Finding, Metric, Structure, Value
from planeval.model.plain import json_text, plain
from planeval.report.cells import plain_number
from planeval.report.curves import Curve, dvh_csv
from planeval.report.terminal import dvh_table, finding_lines, value_table
from planeval.report.text import csv_text, person_name, visible

if TYPE_CHECKING:
    from planeval.model.agreement import AgreementRow

__all__ = ["DoseTable", "dose_table"]

STANDARD_METRICS = (
    "Volume[cc]", "OutsideDoseGrid[cc]", "Min[Gy]", "Mean[Gy]", "Max[Gy]", "D98%[Gy]", "D95%[Gy]",
    "D50%[Gy]", "D5%[Gy]", "D2%[Gy]", "D0.03cc[Gy]",
)  # fmt: skip

SCHEMA = "planeval.dvh/1"


@dataclass(frozen=True, slots=True, eq=False)
class DoseTable:
    """DVHs of some structures, the metrics asked for, and what the case's readers found."""

    patient_id: str
    patient_name: str
    plans: tuple[str, ...]
    structures: tuple[Structure, ...]
    dvhs: tuple[Dvh, ...]
    asked: tuple[Metric, ...]
    values: tuple[tuple[Value, ...], ...]
    findings: tuple[Finding, ...]
    unusable: tuple[tuple[str, str], ...]
    agreement: tuple[AgreementRow, ...] = ()

    def terminal(self) -> RenderableType:
        """Return the table for a terminal."""
        plans = ", ".join(visible(label, 64) for label in self.plans) or "no plan"
        who = f"{person_name(self.patient_name)}  {visible(self.patient_id, 64)}  {plans}"
        rows = {
            dvh.name: dict(zip(map(str, self.asked), values, strict=True))
            for dvh, values in zip(self.dvhs, self.values, strict=True)
        }
        parts: list[RenderableType] = [Text(who, style="bold"), dvh_table(rows)]
        extra = [metric for metric in map(str, self.asked) if metric not in STANDARD_METRICS]
        if extra:
            further = {name: [values[each] for each in extra] for name, values in rows.items()}
            parts.append(value_table(extra, further))
        for name, reason in self.unusable:
            parts.append(Text(f"{visible(name, 64)}: no DVH: {visible(reason)}", style="dim"))
        if self.agreement:
            parts.append(report.agreement.agreement_table(self.agreement))
        parts.append(finding_lines(self.findings))
        return Group(*parts)

    def curves_csv(self) -> str:
        """Return dvh.csv: structure, dose_gy, volume_cc, volume_percent."""
        return dvh_csv(
            Curve(
                dvh.name, structure.type, structure.colour, dvh.dose_gy, dvh.volume_cc,
                dvh.total_cc, dvh.outside_cc,
            )
            for structure, dvh in zip(self.structures, self.dvhs, strict=True)
            if len(dvh.dose_gy)
        )  # fmt: skip

    def metrics_csv(self) -> str:
        """Return one line per structure and metric; an undefined value has no number but a reason."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["structure", "metric", "value", "unit", "low", "high", "reason"])
        for dvh, values in zip(self.dvhs, self.values, strict=True):
            for metric, value in zip(self.asked, values, strict=True):
                numbers = (value.number, value.low, value.high) if value.is_defined else (None,) * 3
                number, low, high = map(plain_number, numbers)
                writer.writerow(
                    [csv_text(dvh.name), metric, number, value.unit, low, high,
                     csv_text(value.reason)]
                )  # fmt: skip
        return stream.getvalue()

    def to_json(self) -> str:
        """Return one JSON document with metrics, reasons and findings."""
        return json_text(
            {
                "schema": SCHEMA,
                "patient_id": self.patient_id,
                "plans": self.plans,
                "structures": [
                    {
                        "name": dvh.name,
                        "expression": structure.expression,
                        "metrics": {
                            str(metric): plain(value)
                            for metric, value in zip(self.asked, values, strict=True)
                        },
                    }
                    for structure, dvh, values in zip(
                        self.structures, self.dvhs, self.values, strict=True
                    )
                ],
                "without_dvh": dict(self.unusable),
                "findings": self.findings,
                "agreement": self.agreement,
            }
        )


def dose_table(case: Case, names: Sequence[str] = (), metrics: Sequence[str] = ()) -> DoseTable:
    """Return the DVHs of named structures or expressions (all of the case without names).

    Raises the errors of :meth:`Case.structure`, :meth:`Case.dvh` and the metric grammar.
    """
    asked = tuple(grammar.parse(text) for text in dict.fromkeys([*STANDARD_METRICS, *metrics]))
    structures = tuple(case.structure(name) for name in names) or tuple(case.structures.values())
    values = case.values(structures, asked)
    dvhs = case.dvhs(structures)
    compared = (
        tps.agreement_rows(case, names={one.name for one in structures} if names else None)
        if case.data.tps_dvhs or case.data.tps_unread
        else ()
    )
    return DoseTable(
        case.patient_id,
        case.data.identity.patient_name,
        tuple(plan.label for plan in case.plans),
        structures,
        dvhs,
        asked,
        values,
        (*case.findings, *(tps.agreement_findings(compared) if compared else ())),
        () if names else tuple((one.name, one.reason) for one in case.data.unusable.values()),
        compared,
    )
