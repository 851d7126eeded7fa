"""The words of a status, with its sign, shape and colour: the same in every report."""

from __future__ import annotations

from typing import NamedTuple

from planeval.model import Status

__all__ = ["NOT_JUDGED", "STATUS_WORDS", "StatusWord"]


class StatusWord(NamedTuple):
    """A status in words, with the sign beside it, the name of its shape and colour, and its rank.

    ``rank`` orders by severity: 0 comes first.
    """

    word: str
    sign: str
    style: str
    rank: int


STATUS_WORDS: dict[Status, StatusWord] = {
    Status.FAIL: StatusWord("Fail", "✘", "fail", 0),
    Status.NOT_EVALUABLE: StatusWord("Not evaluable", "?", "unknown", 1),
    Status.ACCEPTABLE: StatusWord("Acceptable", "▲", "acceptable", 2),
    Status.PASS: StatusWord("Pass", "✔", "pass", 3),
    Status.NOT_APPLICABLE: StatusWord("Not applicable", "–", "none", 4),
}

NOT_JUDGED = StatusWord("Not judged", "·", "none", 5)
