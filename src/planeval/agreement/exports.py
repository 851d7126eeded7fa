"""Add the DVHs of a planning system's text export to a case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from planeval.agreement.codes import finding
from planeval.case import Case
from planeval.errors import AmbiguousSelection, InconsistentCase
from planeval.files.eclipse_dvh import EclipseDvhs, read_eclipse_dvhs
from planeval.model import Finding, Source, TpsDvh

__all__ = ["with_tps_dvhs"]


def with_tps_dvhs(
    case: Case, *paths: str | Path, plan: str | None = None, accept_mismatch: bool = False
) -> Case:
    """Return the case with the DVHs of Eclipse text exports beside those it has.

    Of an export of several plans the one that is named like the case's plan is taken, or ``plan``.
    Structures are matched by name; case, blanks and underscores may differ where that leaves one.

    Raises:
        InconsistentCase: an export of another patient, unless ``accept_mismatch``.
        AmbiguousSelection: several plans, none of which is the case's.
        DataError: a file that cannot be read.
    """
    data = case.data
    dvhs, sources, findings = list(data.tps_dvhs), list(data.sources), list(data.findings)
    for path in paths:
        export = read_eclipse_dvhs(Path(path))
        findings += _patient(case, export, accept_mismatch=accept_mismatch)
        chosen = _plan(case, export, plan)
        findings += _other_plan(case, export, chosen)
        names = _names(case)
        dvhs += [_named(dvh, names) for own, dvh in export.dvhs if own == chosen]
        if export.skipped:
            message = "; ".join(export.skipped[:3])
            findings.append(finding("tps-export-skipped", message, export.file))
        sources.append(Source("TPS-DVH", export.file, "", export.digest, chosen))
    return Case(
        replace(data, tps_dvhs=tuple(dvhs), sources=tuple(sources), findings=tuple(findings)),
        case.method,
    )


def _patient(case: Case, export: EclipseDvhs, *, accept_mismatch: bool) -> Iterable[Finding]:
    """Refuse an export of another patient; without an ID on one side nothing can be said."""
    mine, theirs = case.patient_id, export.patient_id
    if not mine or not theirs or mine == theirs:
        return
    message = f"{export.file} is of patient {theirs!r}, the case of {mine!r}"
    if not accept_mismatch:
        raise InconsistentCase(
            f"{message}; give the export of this patient, or use --accept-mismatch"
        )
    yield finding("tps-export-other-patient", message, export.file)


def _plan(case: Case, export: EclipseDvhs, wanted: str | None) -> str:
    """Return the plan of an export to take: the wanted one, the case's, or the only one."""
    own = {wanted} if wanted is not None else {n for p in case.plans for n in (p.label, p.name)}
    matches = [name for name in export.plans if name in own]
    if len(matches) == 1:
        return matches[0]
    if len(export.plans) == 1 and wanted is None:
        return export.plans[0]
    raise AmbiguousSelection(
        f"{export.file} holds DVHs of {len(export.plans)} plans: {', '.join(export.plans)}; "
        f"{'none' if not matches else 'more than one'} of them is "
        f"{wanted or ', '.join(p.label for p in case.plans) or 'known here'}; export one plan"
    )


def _other_plan(case: Case, export: EclipseDvhs, chosen: str) -> Iterable[Finding]:
    labels = [name for plan in case.plans for name in (plan.label, plan.name) if name]
    if labels and chosen and chosen not in labels:
        message = f"the DVHs are of plan {chosen!r}, the case is of {labels[0]!r}"
        yield finding("tps-export-other-plan", message, export.file)


def _names(case: Case) -> dict[str, Sequence[str]]:
    """Return folded name -> the structures of that name."""
    found: dict[str, list[str]] = {}
    for name in (*case.structures, *case.data.unusable):
        found.setdefault(_folded(name), []).append(name)
    return {key: tuple(names) for key, names in found.items()}


def _named(dvh: TpsDvh, names: Mapping[str, Sequence[str]]) -> TpsDvh:
    """Return a curve under the name that the case has for its structure."""
    same = names.get(_folded(dvh.structure), ())
    if dvh.structure in same or len(same) != 1:
        return dvh
    return replace(dvh, structure=same[0], includes=(same[0],))


def _folded(name: str) -> str:
    return "".join(name.replace("_", "").split()).casefold()
