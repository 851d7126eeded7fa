"""Plan checks that need the protocol's names: prescription, plausible volumes, sides of the body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from planeval.model import Finding
from planeval.model.checks import CheckRow, CheckState
from planeval.model.record import Attention, PrescriptionRow
from planeval.protocol.anatomy import VOLUMES_CC, is_paired

__all__ = ["check_rows"]


def check_rows(
    named: Mapping[str, str],
    findings: Sequence[Finding],
    *,
    prescriptions: Sequence[PrescriptionRow],
    lines: Sequence[Attention],
) -> Iterator[CheckRow]:
    """Yield the rows. ``named`` is plan name -> TG-263 name, ``lines`` compare D50% with doses."""
    yield _prescription(prescriptions, lines)
    sized = [name for name, standard in named.items() if standard in VOLUMES_CC]
    yield _anatomy(
        "volumes", "Plausible volumes", sized, findings, code="implausible-volume",
        what="organs whose usual volume is known",
    )  # fmt: skip
    sided = [name for name, standard in named.items() if is_paired(standard)]
    yield _anatomy(
        "sides", "Side of the body", sided, findings, code="wrong-side",
        what="organs of one side",
    )  # fmt: skip


def _prescription(prescriptions: Sequence[PrescriptionRow], lines: Sequence[Attention]) -> CheckRow:
    title = "Prescription against target dose"
    if not prescriptions:
        text = "no prescription is known"
        return CheckRow("prescription", title, CheckState.UNCHECKED, text)
    shares = [
        f"{row.target or 'plan'} {row.d50_percent:.1f} %"
        for row in prescriptions
        if row.d50_percent is not None
    ]
    text = f"D50% of the prescription: {', '.join(shares) or 'no target of that name'}"
    if lines:
        return CheckRow("prescription", title, CheckState.FOUND, text, ("prescription",))
    state = CheckState.CLEAN if shares else CheckState.UNCHECKED
    return CheckRow("prescription", title, state, text)


def _anatomy(
    check: str,
    title: str,
    names: Sequence[str],
    findings: Sequence[Finding],
    *,
    code: str,
    what: str,
) -> CheckRow:
    if any(each.code == code for each in findings):
        return CheckRow(check, title, CheckState.FOUND, f"{len(names)} {what}", (code,))
    if not names:
        return CheckRow(check, title, CheckState.UNCHECKED, f"there are no {what}")
    return CheckRow(check, title, CheckState.CLEAN, f"{len(names)} {what}")
