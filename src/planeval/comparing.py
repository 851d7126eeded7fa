"""Several plans of one patient against one protocol, side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from planeval.model.comparison import ComparedRow, ComparisonRecord
from planeval.pipeline import Evaluation
from planeval.protocol.comparison import compare_records
from planeval.report.comparison_html import write_comparison
from planeval.report.comparison_table import comparison_csv

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "compare"]


class Comparison:
    """Evaluations of one patient's plans, compared row by row with the first."""

    def __init__(self, record: ComparisonRecord, evaluations: Sequence[Evaluation]) -> None:
        self._record = record
        self._evaluations = tuple(evaluations)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the record and the evaluations."""
        return Comparison, (self._record, self._evaluations)

    @property
    def record(self) -> ComparisonRecord:
        """Everything that comparison.json holds."""
        return self._record

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """What was compared, the first plan first."""
        return self._evaluations

    @property
    def changes(self) -> tuple[ComparedRow, ...]:
        """The rows and groups whose outcome is not the same in all plans."""
        return self._record.changes

    def to_json(self) -> str:
        """Return comparison.json: the same bytes for the same input, version and options."""
        return self._record.to_json()

    def to_csv(self) -> str:
        """Return comparison.csv: one line per row and plan."""
        return comparison_csv(self._record)

    def to_frame(self) -> pd.DataFrame:
        """Return one tidy row per protocol row and plan (the columns of comparison.csv)."""
        import pandas as pd  # noqa: PLC0415 - heavy

        return pd.read_csv(io.StringIO(self.to_csv()))

    def publish_html(self, path: str | Path, *, language: str = "en") -> None:
        """Write the comparison as one self-contained file; labels in English (en) or Chinese (zh).

        Raises :class:`~planeval.errors.ReportError` where it cannot be written.
        """
        write_comparison(
            Path(path),
            self._record,
            [each.record for each in self._evaluations],
            [each.case for each in self._evaluations],
            language=language,
        )

    def __repr__(self) -> str:
        plans = ", ".join(f"{plan.letter} {plan.label}" for plan in self._record.plans)
        return f"Comparison({plans}: {len(self.changes)} rows change outcome)"


def compare(evaluations: Sequence[Evaluation]) -> Comparison:
    """Compare two or more evaluations of one patient with the first of them.

    Every row of the protocol has its value in each plan, the difference to the first plan and what
    became of its outcome. Other structure sets, frames and prescriptions are findings of the record.

    Raises:
        ValueError: fewer than two evaluations, or more than eight.
        InconsistentCase: different patients, or cases loaded with different methods.
        UndecidedProtocol: the evaluations are of different protocols.
    """
    return Comparison(compare_records([each.record for each in evaluations]), evaluations)
