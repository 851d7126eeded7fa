"""From a case and a protocol to an evaluation: the one use case of every front door."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from planeval.case import Case
from planeval.checks import plan_checks
from planeval.errors import GeometryError, InconsistentCase, UndecidedProtocol
from planeval.model import Finding, Outcome, Verdict
from planeval.model.record import EvaluationRecord, Proposal
from planeval.model.rows import Row, RowGroup
from planeval.protocol.anatomy import named_organs
from planeval.protocol.choosing import chosen, propose
from planeval.protocol.evaluate import evaluate as judge
from planeval.protocol.library import load as load_protocol
from planeval.protocol.naming import candidates_of, protocol_names
from planeval.protocol.reading import Protocol
from planeval.report import html, junit, pdf, tables
from planeval.report.curves import curves_of, dvh_csv

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Evaluation",
    "applicable_protocols",
    "evaluate",
    "known_aliases",
    "only_protocol",
    "protocol_for",
]

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
        return dvh_csv(curves_of(self._case, self._record))

    def csv_files(self) -> dict[str, str]:
        """Return the tables by file name; margins.csv only where the protocol asks for margins."""
        files = {"metrics.csv": self.metrics_csv(), "dvh.csv": self.dvh_csv()}
        return files | ({"margins.csv": self.margins_csv()} if self._record.margins else {})

    def to_frame(self) -> pd.DataFrame:
        """Return one tidy row per judged or information row (the columns of metrics.csv)."""
        import pandas as pd  # noqa: PLC0415 - heavy

        return pd.read_csv(io.StringIO(self.metrics_csv()))

    def publish_html(
        self,
        path: str | Path,
        *,
        language: str = "en",
        reference: Case | None = None,
        slices: str = "key",
    ) -> None:
        """Write the report as one self-contained file; labels in English (en) or Chinese (zh).

        The curves of a ``reference`` plan of the same patient are drawn dashed over those of the case.
        ``slices`` is key (three pictures, below 1 MB) or all (every slice to scroll through).

        Raises:
            ReportError: the file cannot be written.
            InconsistentCase: the reference belongs to another patient, or has no dose.
        """
        html.write_html(
            Path(path),
            self._record,
            self._case,
            language=language,
            reference=reference,
            slices=slices,
        )

    def publish_pdf(
        self,
        path: str | Path,
        *,
        paper: str = "a4",
        language: str = "en",
        font_paths: Sequence[Path] = (),
    ) -> None:
        """Write the report as PDF/A-3b with evaluation.json attached; paper is a4 or letter.

        Raises :class:`~planeval.errors.ReportError` where typst (the extra ``pdf``) or a font is
        missing, or the file cannot be written.
        """
        content = pdf.render_pdf(
            self._record, self._case, paper=paper, language=language, font_paths=font_paths
        )
        pdf.write_pdf(Path(path), content)

    def to_junit(self) -> str:
        """Return JUnit XML: one test case per counted row or group."""
        return junit.junit_xml(self._record)

    def __repr__(self) -> str:
        return f"Evaluation({self._record.protocol.id!r}, {self.verdict}: {self._record.summary})"


def evaluate(
    case: Case,
    protocol: str | Path | Protocol | None = None,
    *,
    mapping: Mapping[str, str] | None = None,
    aliases: Mapping[str, str] | None = None,
    child_pugh: str | None = None,
    dose_is_complete: bool = False,
    allow_unverified: bool = False,
    protocol_dir: Path | None = None,
    check_hu: bool = False,
) -> Evaluation:
    """Judge a case by a protocol: an id, a YAML file, a loaded protocol, or the only one that fits.

    ``mapping`` names structures by hand, plan name to protocol name; ``aliases`` does the same for
    those of them that both the plan and the protocol have (a site's list); ``child_pugh`` such as ``A5``
    states liver function for protocols that ask for it. BEAM or FRACTION doses without an RTPLAN may
    be a part of the treatment: they are judged only where the caller says ``dose_is_complete``.
    ``allow_unverified`` shows what limits come to that nobody has read in their source, outside the
    verdict. ``protocol_dir`` is the folder of the site's own protocols. ``check_hu`` reads the HU of
    the images, which takes time, to look for air in targets.

    Raises:
        ProtocolSyntax: the protocol is not valid.
        ProtocolError: there is no such protocol, none or several fit where none is named, or it is
            needs-check and ``allow_unverified`` is not given.
        InconsistentCase: nobody knows whether the dose is complete.
    """
    loaded, proposals = protocol_for(
        case,
        protocol,
        child_pugh=child_pugh,
        dose_is_complete=dose_is_complete,
        protocol_dir=protocol_dir,
    )
    if case.dose is not None:
        with suppress(GeometryError):  # whoever asks for the DVH is told the reason
            case.dvhs(case.structures.values())
    record = judge(
        case,
        loaded,
        mapping=known_aliases(aliases or {}, case, loaded) | dict(mapping or {}),
        child_pugh=child_pugh,
        allow_unverified=allow_unverified,
        proposals=proposals,
        sanity=lambda: plan_checks(case, named_organs(case.structures), read_hu=check_hu),
    )
    return Evaluation(record, case)


def protocol_for(
    case: Case,
    protocol: str | Path | Protocol | None,
    *,
    child_pugh: str | None = None,
    dose_is_complete: bool = False,
    protocol_dir: Path | None = None,
) -> tuple[Protocol, tuple[Proposal, ...]]:
    """Return the protocol that a case is judged by, and those looked at where none is named.

    Raises:
        ProtocolSyntax, ProtocolError, InconsistentCase: as :func:`evaluate` says.
    """
    if not dose_is_complete and any(f.code == INCOMPLETE_CODE for f in case.findings):
        raise InconsistentCase(
            "without an RTPLAN nobody knows whether these beam or fraction doses are the whole "
            "treatment; export the plan, or name the dose to judge with --dose UID"
        )
    proposals: tuple[Proposal, ...] = ()
    if protocol is None:
        proposals = propose(case, child_pugh=child_pugh, folder=protocol_dir)
        protocol = only_protocol(proposals)
    loaded = protocol if isinstance(protocol, Protocol) else load_protocol(protocol, protocol_dir)
    return loaded, proposals


def known_aliases(aliases: Mapping[str, str], case: Case, protocol: Protocol) -> dict[str, str]:
    """Return the aliases of which both the plan and the protocol have the name."""
    names = set(protocol_names(protocol.file))
    rois = {roi.name for roi in candidates_of(case.data)}
    return {plan: name for plan, name in aliases.items() if plan in rois and name in names}


def only_protocol(proposals: Sequence[Proposal]) -> str:
    """Return the id of the one disease set that applies.

    Raises :class:`~planeval.errors.UndecidedProtocol` where none or several do.
    """
    found = chosen(proposals)
    if found is None:
        raise UndecidedProtocol(
            "no single disease set applies to this plan; choose a protocol (an id or a YAML "
            f"file):{proposal_lines(proposals)}"
        )
    return found.id


def proposal_lines(proposals: Sequence[Proposal]) -> str:
    """Return one line for every protocol that was looked at, each with its reason."""
    return "".join(
        f"\n  {each.id} ({'disease set' if each.purpose == 'disease' else 'organ table'}): "
        f"{each.outcome.reason or 'applies'}"
        for each in proposals
    )


def applicable_protocols(
    case: Case, *, child_pugh: str | None = None, protocol_dir: Path | None = None
) -> dict[str, Outcome]:
    """Say of every disease set whether it applies to a case, and why not where it does not.

    PASS where its fractions, dose, liver function and structures fit; otherwise the outcome has the
    reason. Organ tables are not in it: they are never chosen by themselves.
    """
    proposals = propose(case, child_pugh=child_pugh, folder=protocol_dir)
    return {each.id: each.outcome for each in proposals if each.purpose == "disease"}
