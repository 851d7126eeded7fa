"""What a check returns, and how it becomes a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from planeval.model import Finding
from planeval.model.checks import CheckRow, CheckState

__all__ = ["Check", "Seen", "listed"]

Subject = TypeVar("Subject")

_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check looked at, in words with numbers, and what it found."""

    text: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Check(Generic[Subject]):
    """A check: a stable id, a title, and the function that looks.

    The function returns what it saw, or in words why it could not look. ``readers`` are codes of
    findings that the readers of the files make on the same matter.
    """

    id: str
    title: str
    look: Callable[[Subject], Seen | str]
    readers: tuple[str, ...] = ()

    def run(
        self, subject: Subject, known: Sequence[Finding] = ()
    ) -> tuple[CheckRow, tuple[Finding, ...]]:
        """Return the row of this check and its findings."""
        seen = self.look(subject)
        before = [each.code for each in known if each.code in self.readers]
        if isinstance(seen, str):
            state = CheckState.FOUND if before else CheckState.UNCHECKED
            return CheckRow(self.id, self.title, state, seen, tuple(dict.fromkeys(before))), ()
        codes = dict.fromkeys([*before, *(each.code for each in seen.findings)])
        state = CheckState.FOUND if codes else CheckState.CLEAN
        return CheckRow(self.id, self.title, state, seen.text, tuple(codes)), seen.findings


def listed(items: Iterable[object]) -> str:
    """Return items as a list in words, the first six in full.

    >>> listed(range(8))
    '0, 1, 2, 3, 4, 5 and 2 more'
    """
    texts = [str(item) for item in items]
    more = len(texts) - _SHOWN
    shown = ", ".join(texts[:_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown
