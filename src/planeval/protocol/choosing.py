"""Which protocol fits a plan: every known set with the reason why it does or does not.

A disease set is chosen by itself where it is the only one that applies: its fractions, dose and
liver function fit, and at least one structure that it judges is in the plan. A site's own sets come
before the shipped ones. Organ tables are named and never chosen; sets that nobody has checked are
neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from planeval.case import Case
from planeval.model import Outcome, Status
from planeval.model.record import Proposal
from planeval.protocol.applicability import Facts, applies, facts_of
from planeval.protocol.library import available, load
from planeval.protocol.naming import Matcher
from planeval.protocol.reading import Protocol
from planeval.protocol.rules import group_of, rows_of
from planeval.protocol.schema import Item, RowSpec

__all__ = ["chosen", "propose"]


def propose(
    case: Case, *, child_pugh: str | None = None, folder: Path | None = None
) -> tuple[Proposal, ...]:
    """Return every shipped and site protocol with what becomes of it here, the chosen one marked.

    Raises ValueError where ``child_pugh`` is no class or score.
    """
    facts = facts_of(case.prescriptions, case.data.dose, child_pugh)
    protocols = [load(entry.id, folder) for entry in available(folder)]
    looked_at = [_proposal(protocol, case, facts) for protocol in protocols]
    origins = {protocol.id: protocol.origin for protocol in protocols}
    fitting = [each for each in looked_at if _fits(each)]
    own = [each for each in fitting if origins[each.id] != "shipped"]
    candidates = own or fitting
    if len(candidates) != 1:
        return tuple(looked_at)
    return tuple(replace(each, is_chosen=each is candidates[0]) for each in looked_at)


def chosen(proposals: Sequence[Proposal]) -> Proposal | None:
    """Return the protocol that was chosen, None where none or several apply."""
    return next((each for each in proposals if each.is_chosen), None)


def _fits(proposal: Proposal) -> bool:
    return proposal.purpose == "disease" and proposal.outcome.status is Status.PASS


def _proposal(protocol: Protocol, case: Case, facts: Facts) -> Proposal:
    file = protocol.file
    return Proposal(
        file.id, file.title, file.purpose, file.review.status, _outcome(protocol, case, facts)
    )


def _outcome(protocol: Protocol, case: Case, facts: Facts) -> Outcome:
    """Return PASS where a set applies to a plan, else why not."""
    file = protocol.file
    if file.review.status == "needs-check":
        return Outcome(
            Status.NOT_EVALUABLE,
            "its numbers were recalled and nobody has read them in their source "
            "(--allow-unverified)",
        )
    scope = applies(file.applies, facts)
    if scope.status is not Status.PASS or file.purpose == "organs":
        return scope
    judged = dict.fromkeys(
        row.structure
        for item in file.constraints
        if _is_counted(item)
        for row in rows_of(item)
        if row.structure
    )
    matcher = Matcher(file, case.data)
    if not judged or any(matcher.find(name).match.is_found for name in judged):
        return scope
    return Outcome(
        Status.NOT_APPLICABLE, f"none of its structures is in the plan: {', '.join(judged)}"
    )


def _is_counted(item: Item) -> bool:
    kind = item.kind if isinstance(item, RowSpec) else group_of(item).kind
    return kind is not None and kind.is_counted
