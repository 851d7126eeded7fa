"""From outcomes to a verdict: OR, AND and the whole.

The four statuses that take part form a chain, FAIL < NOT_EVALUABLE < ACCEPTABLE < PASS. AND is the
lowest of its members and OR the highest, so that what is missing never turns into a pass and never
hides a failure of an AND. NOT_APPLICABLE members take no part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from planeval.model import Outcome, Status, Verdict
from planeval.model.rows import GroupMode
from planeval.protocol.judge import Judgement

__all__ = ["combine", "verdict"]

_CHAIN = (Status.FAIL, Status.NOT_EVALUABLE, Status.ACCEPTABLE, Status.PASS)


def combine(mode: GroupMode, members: Sequence[Judgement]) -> Judgement:
    """Return the judgement of a group.

    OR is the first present of PASS, ACCEPTABLE, NOT_EVALUABLE, FAIL; AND the first present of FAIL,
    NOT_EVALUABLE, ACCEPTABLE, PASS; with no member left it is NOT_APPLICABLE. Near the limit is
    said of the group only where the group's own outcome changes within the members' bands.
    """
    taking_part = [part for part in members if part.outcome.status is not Status.NOT_APPLICABLE]
    if not taking_part:
        reasons = _reasons(members, Status.NOT_APPLICABLE) or "the group has no member"
        return Judgement.settled(Status.NOT_APPLICABLE, reasons)
    pick = max if mode is GroupMode.ANY else min
    status = _pick(pick, (part.outcome.status for part in taking_part))
    worst = _pick(pick, (part.worst for part in taking_part))
    best = _pick(pick, (part.best for part in taking_part))
    reason = _reasons(taking_part, status) if status is Status.NOT_EVALUABLE else ""
    return Judgement(Outcome(status, reason, near_limit=worst is not best), worst, best)


def _pick(pick: Callable[..., int], statuses: Iterable[Status]) -> Status:
    """Return the highest or lowest status of the chain."""
    return _CHAIN[pick(_CHAIN.index(status) for status in statuses)]


def _reasons(members: Iterable[Judgement], status: Status) -> str:
    """Return the different reasons of the members of one status."""
    reasons = [part.outcome.reason for part in members if part.outcome.status is status]
    return "; ".join(dict.fromkeys(reasons))


def verdict(counted: Iterable[Status]) -> Verdict:
    """Return the verdict over the counted rows and groups.

    Any FAIL is FAIL; else any NOT_EVALUABLE is INCOMPLETE; else, where no row was evaluated (there
    are none, or all are NOT_APPLICABLE), NOT_ASSESSED; else ACCEPTABLE or PASS.

    >>> verdict([Status.NOT_APPLICABLE])
    <Verdict.NOT_ASSESSED: 'NOT_ASSESSED'>
    """
    present = set(counted)
    if Status.FAIL in present:
        return Verdict.FAIL
    if Status.NOT_EVALUABLE in present:
        return Verdict.INCOMPLETE
    if Status.ACCEPTABLE in present:
        return Verdict.ACCEPTABLE
    return Verdict.PASS if Status.PASS in present else Verdict.NOT_ASSESSED
