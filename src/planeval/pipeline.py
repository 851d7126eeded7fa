"""From a case and a protocol to an evaluation: the one use case of every front door."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from planeval.case import Case
from planeval.errors import InconsistentCase
from planeval.model import Finding, Outcome, Verdict
from planeval.model.record import EvaluationRecord
from planeval.model.rows import Row, RowGroup
from planeval.protocol.applicability import applies, facts_of
from planeval.protocol.evaluate import evaluate as judge
from planeval.protocol.library import available
from planeval.protocol.library import load as load_protocol
from planeval.protocol.reading import Protocol
from planeval.report import html, tables
from planeval.report.curves import curves_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "applicable_protocols", "evaluate"]

INCOMPLETE_CODE = "dose-completeness-unknown"
"""The readers' finding for doses that may be a part of the treatment."""


class Evaluation:
    """A plan judged by a protocol: the record, and the case it was made from."""

    def __init__(self, record: EvaluationRecord, case: Case) -> None:
        self._record = record
        self._case = case

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle record and case data."""
        return Evaluation, (self._record, self._case)

    @property
    def record(self) -> EvaluationRecord:
        """Everything that evaluation.json holds."""
        return self._record

    @property
    def case(self) -> Case:
        """The case that was judged."""
        return self._case

    @property
    def verdict(self) -> Verdict:
        """The whole: FAIL, INCOMPLETE, NOT_ASSESSED, ACCEPTABLE or PASS."""
        return self._record.verdict

    @property
    def rows(self) -> tuple[Row | RowGroup, ...]:
        """Judged rows and groups in protocol order; information rows are in ``record``."""
        return self._record.rows

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the reader of this evaluation must know."""
        return self._record.findings

    def to_json(self) -> str:
        """Return evaluation.json: the same bytes for the same input, version and options."""
        return self._record.to_json()

    def metrics_csv(self) -> str:
        """Return metrics.csv: one line per row and companion value."""
        return tables.metrics_csv(self._record)

    def margins_csv(self) -> str:
        """Return margins.csv: one line per margin audit and axis."""
        return tables.margins_csv(self._record)

    def dvh_csv(self) -> str:
        """Return dvh.csv: the cumulative DVH of every structure."""
        return tables.dvh_csv(curves_of(self._case, self._record))

    def csv_files(self) -> dict[str, str]:
        """Return the tables by file name; margins.csv only where the protocol asks for margins."""
        files = {"metrics.csv": self.metrics_csv(), "dvh.csv": self.dvh_csv()}
        return files | ({"margins.csv": self.margins_csv()} if self._record.margins else {})

    def to_frame(self) -> pd.DataFrame:
        """Return one tidy row per judged or information row (the columns of metrics.csv)."""
        import pandas as pd  # noqa: PLC0415 - heavy

        return pd.read_csv(io.StringIO(self.metrics_csv()))

    def publish_html(self, path: str | Path) -> None:
        """Write the report as one self-contained file.

        Raises :class:`~planeval.errors.ReportError` where it cannot be written.
        """
        html.write_html(Path(path), self._record, self._case)

    def __repr__(self) -> str:
        return f"Evaluation({self._record.protocol.id!r}, {self.verdict}: {self._record.summary})"


def evaluate(
    case: Case,
    protocol: str | Path | Protocol,
    *,
    mapping: Mapping[str, str] | None = None,
    child_pugh: str | None = None,
    dose_is_complete: bool = False,
) -> Evaluation:
    """Judge a case by a protocol: a shipped id, a YAML file, or a loaded protocol.

    ``mapping`` names structures by hand, plan name to protocol name; ``child_pugh`` such as ``A5``
    states liver function for protocols that ask for it. BEAM or FRACTION doses without an RTPLAN may
    be a part of the treatment: they are judged only where the caller says ``dose_is_complete``.

    Raises:
        ProtocolSyntax: the protocol is not valid.
        InconsistentCase: nobody knows whether the dose is complete.
    """
    if not dose_is_complete and any(f.code == INCOMPLETE_CODE for f in case.findings):
        raise InconsistentCase(
            "without an RTPLAN nobody knows whether these beam or fraction doses are the whole "
            "treatment; export the plan, or name the dose to judge with --dose UID"
        )
    loaded = protocol if isinstance(protocol, Protocol) else load_protocol(protocol)
    record = judge(case, loaded, mapping=mapping, child_pugh=child_pugh)
    return Evaluation(record, case)


def applicable_protocols(case: Case, *, child_pugh: str | None = None) -> dict[str, Outcome]:
    """Say of every shipped protocol whether it applies to a case, and why not where it does not.

    PASS where its fractions, dose and liver function fit; otherwise the outcome has the reason.
    """
    facts = facts_of(case.prescriptions, case.dose, child_pugh)
    shipped = (load_protocol(entry.id) for entry in available())
    return {protocol.id: applies(protocol.file.applies, facts) for protocol in shipped}
