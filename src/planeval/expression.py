"""Structure expressions: ``Liver - GTV``, ``PTV + 20 mm - PTV``, ``"BRAIN - PTV" - GTV``.

::

    chain   = term {operator term}            one set operator per chain, left to right
    term    = operand {("+" | "-") margin}    a margin binds first
    operand = name | '"' name '"' | "(" chain ")"
    margin  = number "mm" | "[" side number {"," side number} "]" "mm"
    side    = LR, AP, SI (both ways) | L, R, A, P, S, I

``-`` is without, ``|`` and ``+`` are union, ``&`` is what both have in common. An operator has a
blank on both sides, which leaves every other text to the names: ``Liver-GTV``, ``PTV 1 AND 2`` and
``GTV+5mm`` are names. A name that would be misread stands in double quotes, its own double quotes
doubled. A margin not named is 0, every length is >= 0 mm, and the sign stands outside.

The parser knows no file. ``Expr.resolve`` asks a lookup for the names, and :func:`resolve_text`
decides what unquoted text means in a case that has given names.
"""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import reduce
from typing import Any, ClassVar, NoReturn

import shapely

from planeval import geometry
from planeval.errors import (
    AmbiguousStructure,
    ExpressionSyntax,
    GeometryError,
    UnknownStructure,
)
from planeval.geometry.booleans import combine
from planeval.geometry.stack import PlanarStack
from planeval.model import Method, Structure
from planeval.model.metric import decimal_text

__all__ = ["Expr", "Intersection", "Margin", "Name", "Union", "Without", "parse", "resolve_text"]

Lookup = Callable[[str], Structure]

MAX_LENGTH = 10_000
MAX_DEPTH = 50
"""Longest text, deepest brackets and most margins that are read: text may come from anywhere."""

_OPERATOR = r"(?<![^\s(])[-+|&](?![^\s)])"
_TOKEN = re.compile(
    rf"""\s*(?: (?P<quoted> "(?:[^"]|"")*" ) | (?P<open> \( ) | (?P<close> \) )
    | (?P<operator> {_OPERATOR} ) | (?P<bare> (?!["\s]) (?: (?!{_OPERATOR}) [^()] )+ ) )""",
    re.VERBOSE,
)
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_MARGIN = re.compile(rf"(?P<all>{_NUMBER})\s+mm|\[(?P<sides>[^\[\]]*)\]\s*mm")
_SIDE = re.compile(rf"\s*(LR|AP|SI|[LRAPSI])\s+({_NUMBER})\s*")
_SIDES = {
    "L": "left", "R": "right", "A": "anterior", "P": "posterior", "S": "superior", "I": "inferior",
}  # fmt: skip


class Expr(ABC):
    """A structure expression: a frozen tree with ``parse(str(e)) == e``."""

    __slots__ = ()

    @abstractmethod
    def resolve(self, lookup: Lookup, *, method: Method) -> Structure:
        """Return the structure that the expression stands for.

        A plain name is the structure that ``lookup`` returns; anything else is a new structure of
        origin ``derived``, named by the expression, in the colour of its first operand.

        Raises:
            GeometryError: the operands belong to different frames, or their planes are not
                parallel; a margin of an empty structure. An operand that states no frame goes with any.
        """

    @abstractmethod
    def _leaves(self) -> Iterator[str]:
        """Yield every name from left to right."""

    def names(self) -> tuple[str, ...]:
        """Return the names in the expression, each once, in the order they appear."""
        return tuple(dict.fromkeys(self._leaves()))


@dataclass(frozen=True, slots=True)
class Name(Expr):
    """A structure's name, verbatim."""

    text: str

    def __str__(self) -> str:
        return self.text if _is_bare(self.text) else self.quoted

    @property
    def quoted(self) -> str:
        """The name in double quotes."""
        return '"' + self.text.replace('"', '""') + '"'

    def _leaves(self) -> Iterator[str]:
        yield self.text

    def resolve(self, lookup: Lookup, *, method: Method) -> Structure:
        """Return the structure of this name, as it is."""
        return lookup(self.text)


@dataclass(frozen=True, slots=True)
class Margin(Expr):
    """An operand grown by lengths in mm towards the patient's sides, or shrunk where ``inward``."""

    operand: Expr
    _: KW_ONLY
    left: float = 0.0
    right: float = 0.0
    anterior: float = 0.0
    posterior: float = 0.0
    superior: float = 0.0
    inferior: float = 0.0
    inward: bool = False

    def __post_init__(self) -> None:
        for side in _SIDES.values():
            if not 0 <= getattr(self, side) <= geometry.margin.LONGEST_MM:
                raise ValueError(
                    f"margin {side} is {getattr(self, side)} mm; "
                    f"need 0 to {geometry.margin.LONGEST_MM:g} mm"
                )

    def __str__(self) -> str:
        operand = f"({self.operand})" if isinstance(self.operand, _SetOperation) else self.operand
        return f"{operand} {'-' if self.inward else '+'} {self._lengths()} mm"

    def _lengths(self) -> str:
        lengths = {letter: getattr(self, side) for letter, side in _SIDES.items()}
        if len(set(lengths.values())) == 1:
            return decimal_text(self.left)
        shown = []
        for one, other in ("LR", "AP", "SI"):
            pair = {one: lengths[one], other: lengths[other]}
            if lengths[one] == lengths[other]:
                pair = {one + other: lengths[one]}
            shown += [f"{side} {decimal_text(length)}" for side, length in pair.items() if length]
        return f"[{', '.join(shown)}]"

    def _leaves(self) -> Iterator[str]:
        return self.operand._leaves()

    def resolve(self, lookup: Lookup, *, method: Method) -> Structure:
        """Return the operand grown or shrunk."""
        return _expanded(self, self.operand.resolve(lookup, method=method), method)


@dataclass(frozen=True, slots=True)
class _SetOperation(Expr):
    """Two or more operands joined by one set operator, from left to right."""

    operands: tuple[Expr, ...]
    symbol: ClassVar[str]
    areas: ClassVar[Callable[[Any, Any], Any]]

    def __post_init__(self) -> None:
        if len(self.operands) < 2:
            raise ValueError(f"{type(self).__name__} needs at least two operands")

    def __str__(self) -> str:
        return f" {self.symbol} ".join(
            f"({operand})" if isinstance(operand, _SetOperation) else str(operand)
            for operand in self.operands
        )

    def _leaves(self) -> Iterator[str]:
        for operand in self.operands:
            yield from operand._leaves()

    def resolve(self, lookup: Lookup, *, method: Method) -> Structure:
        """Return the derived structure."""
        parts = [operand.resolve(lookup, method=method) for operand in self.operands]
        frame_uid = _common_frame(parts)

        def joined(first: PlanarStack, second: PlanarStack) -> PlanarStack:
            return combine(
                first, second, type(self).areas, caps=method.caps, between=method.between
            )

        try:
            stack = reduce(joined, (part.stack for part in parts))
        except GeometryError as error:
            raise GeometryError(f"expression {_cut(str(self))!r}: {error}") from error
        return Structure(
            name=str(self),
            stack=stack,
            colour=parts[0].colour,
            origin="derived",
            expression=str(self),
            frame_uid=frame_uid,
            method=method,
        )


class Union(_SetOperation):
    """What is in any of the operands."""

    __slots__ = ()
    symbol = "|"
    areas = staticmethod(shapely.union)


class Intersection(_SetOperation):
    """What is in all of the operands."""

    __slots__ = ()
    symbol = "&"
    areas = staticmethod(shapely.intersection)


class Without(_SetOperation):
    """What is in the first operand and in none of the others."""

    __slots__ = ()
    symbol = "-"
    areas = staticmethod(shapely.difference)


_SET_OPERATIONS: dict[str, type[_SetOperation]] = {
    "|": Union, "+": Union, "&": Intersection, "-": Without,
}  # fmt: skip


def _expanded(margin: Margin, operand: Structure, method: Method) -> Structure:
    """Return a structure grown or shrunk by a margin. The only place where margins meet geometry."""
    sign = -1 if margin.inward else 1
    lengths = {side: sign * getattr(margin, side) for side in _SIDES.values()}
    try:
        margins = geometry.margin.Margins(**lengths)
        stack = geometry.margin.expand(
            operand.stack, margins, caps=method.caps, between=method.between
        )
    except GeometryError as error:
        raise GeometryError(f"expression {_cut(str(margin))!r}: {error}") from error
    return Structure(
        name=str(margin),
        stack=stack,
        colour=operand.colour,
        origin="derived",
        expression=str(margin),
        frame_uid=operand.frame_uid,
        method=method,
    )


def _common_frame(parts: list[Structure]) -> str:
    """Return the frame that the operands state."""
    stated = [part for part in parts if part.frame_uid]
    for part in stated:
        if part.frame_uid != stated[0].frame_uid:
            raise GeometryError(
                f"structures {stated[0].name!r} and {part.name!r} lie in different frames of "
                f"reference ({stated[0].frame_uid} and {part.frame_uid}): they need a registration "
                "before they can be combined"
            )
    return stated[0].frame_uid if stated else ""


def _is_bare(text: str) -> bool:
    """Whether the text reads as this name without quotes, wherever it stands."""
    match = _TOKEN.fullmatch(text)
    return (
        match is not None
        and match["bare"] == text == text.strip()
        and _MARGIN.fullmatch(text) is None
    )


def parse(text: str) -> Expr:
    """Return the expression that the text spells.

    Raises:
        ExpressionSyntax: the text is no expression; the message gives the column and what was
            expected there.

    >>> parse("Liver - GTV")
    Without(operands=(Name(text='Liver'), Name(text='GTV')))
    >>> parse("Liver-GTV")
    Name(text='Liver-GTV')
    >>> parse("PTV + [LR 20, AP 20, SI 20] mm - PTV").names()
    ('PTV',)
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionSyntax(
            f"expression of {len(text)} characters: at most {MAX_LENGTH} are read"
        )
    return _Parser(text).parse()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


class _Parser:
    """Reads tokens from left to right, one method per line of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._tokens())
        self.index = 0
        self.margins = 0

    def _tokens(self) -> Iterator[_Token]:
        position, end = 0, len(self.text.rstrip())
        while position < end:
            match = _TOKEN.match(self.text, position)
            if match is None:
                quote = self.text.index('"', position)
                self.fail(quote, "expected the closing double quote of a name")
            kind = str(match.lastgroup)
            yield _Token(kind, match[kind].strip(), match.start(kind))
            position = match.end()
        yield _Token("end", "", len(self.text))

    def fail(self, position: int, problem: str) -> NoReturn:
        raise ExpressionSyntax(f"expression {_cut(self.text)!r}, column {position + 1}: {problem}")

    @property
    def next(self) -> _Token:
        return self.tokens[self.index]

    def take(self) -> _Token:
        self.index += 1
        return self.tokens[self.index - 1]

    def parse(self) -> Expr:
        expr = self.chain(0)
        if self.next.kind != "end":
            self.fail(self.next.position, _AFTER_OPERAND)
        return expr

    def chain(self, depth: int) -> Expr:
        operands, symbols = [self.term(depth)], []
        while self.next.kind == "operator":
            operator = self.take()
            operands.append(self.term(depth))
            symbols.append(operator.text)
            if _SET_OPERATIONS[operator.text] is not _SET_OPERATIONS[symbols[0]]:
                self.fail(operator.position, _two_readings(operands, symbols))
        return _SET_OPERATIONS[symbols[0]](tuple(operands)) if symbols else operands[0]

    def term(self, depth: int) -> Expr:
        expr = self.operand(depth)
        while self.next.text in ("+", "-") and self.next.kind == "operator":
            token = self.tokens[self.index + 1]
            match = _MARGIN.fullmatch(token.text) if token.kind == "bare" else None
            if match is None:
                break
            expr = Margin(expr, **self.sides(match, token), inward=self.take().text == "-")
            self.take()
            self.margins += 1
            if self.margins > MAX_DEPTH:
                self.fail(token.position, f"expected at most {MAX_DEPTH} margins")
        return expr

    def sides(self, match: re.Match[str], token: _Token) -> dict[str, float]:
        if match["all"]:
            return dict.fromkeys(_SIDES.values(), self.length(match["all"], token))
        lengths: dict[str, float] = {}
        for item in match["sides"].split(","):
            side = _SIDE.fullmatch(item)
            if side is None:
                self.fail(token.position, f"margin {_cut(item)!r}: expected {_SIDE_FORM}")
            for letter in side[1]:
                if _SIDES[letter] in lengths:
                    self.fail(token.position, f"margin to the {_SIDES[letter]} is given twice")
                lengths[_SIDES[letter]] = self.length(side[2], token)
        return lengths

    def length(self, digits: str, token: _Token) -> float:
        length = float(digits)
        if length > geometry.margin.LONGEST_MM:
            self.fail(
                token.position, f"expected a length in mm, at most {geometry.margin.LONGEST_MM:g}"
            )
        return length

    def operand(self, depth: int) -> Expr:
        token = self.take()
        if token.kind == "quoted":
            return Name(token.text[1:-1].replace('""', '"'))
        if token.kind == "bare":
            if _MARGIN.fullmatch(token.text):
                self.fail(token.position, "expected a name; a margin follows '+' or '-'")
            return Name(token.text)
        if token.kind != "open":
            self.fail(token.position, "expected a name or '('")
        if depth == MAX_DEPTH:
            self.fail(token.position, f"expected at most {MAX_DEPTH} nested brackets")
        expr = self.chain(depth + 1)
        if self.take().kind != "close":
            self.fail(self.tokens[self.index - 1].position, "expected ')'")
        return expr


_AFTER_OPERAND = (
    "expected an operator (-, |, +, &) with a blank on both sides; a name that holds brackets or "
    'begins with a quote stands in double quotes, as in "PTV (1)"'
)
_SIDE_FORM = "LR, AP, SI, L, R, A, P, S or I and a length, as in [LR 5, AP 5, SI 15] mm"


def _two_readings(operands: list[Expr], symbols: list[str]) -> str:
    """Return the message for a chain whose last operator differs from those before."""
    kind, last = (_SET_OPERATIONS[symbol] for symbol in (symbols[0], symbols[-1]))
    *before, left, right = operands
    first = last((kind((*before, left)), right))
    second = kind((*before, last((left, right))))
    return f"'{symbols[0]}' and '{symbols[-1]}' in one chain: write {first} or {second}"


_SHOWN = 200


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def resolve_text(
    text: str, lookup_names: Collection[str], lookup: Lookup, method: Method
) -> Structure:
    """Return the structure that text means in a case with these structure names.

    A whole name is that structure, as it was drawn; other text is an expression. ``lookup`` is
    asked only for names in ``lookup_names``.

    Raises:
        AmbiguousStructure: the text is a name and also an expression whose names all exist.
        UnknownStructure: a name does not exist; the message suggests what may be meant.
        ExpressionSyntax: the text is neither a name nor an expression.
        GeometryError: as :meth:`Expr.resolve`.
    """
    is_name = text in lookup_names
    try:
        expr = parse(text)
    except ExpressionSyntax:
        if is_name:
            return lookup(text)
        raise
    missing = [name for name in expr.names() if name not in lookup_names]
    if is_name and not missing and expr != Name(text):
        raise AmbiguousStructure(
            f"{text!r} is the name of a structure and also an expression of {len(expr.names())} "
            f"others: write {Name(text).quoted} for the structure or ({text}) for the expression"
        )
    if is_name:
        return lookup(text)
    if missing:
        raise UnknownStructure(_unknown(missing[0], text, lookup_names))
    return expr.resolve(lookup, method=method)


def _unknown(name: str, text: str, known: Collection[str]) -> str:
    """Return the message for a missing name."""
    where = "" if name == text else f" in {_cut(text)!r}"
    near = list(_suggestions(name, known)) if len(name) <= _SHOWN else []
    shown = ", ".join(repr(_cut(other)) for other in list(known)[:_LISTED])
    hint = (
        f"did you mean {' or '.join(map(repr, near))}?"
        if near
        else (f"the case has {len(known)}: {shown}{', ...' if len(known) > _LISTED else ''}")
    )
    return f"no structure named {_cut(name)!r}{where}; {hint}"


_LISTED = 10
_SIGN = re.compile(r"\s*([-+|&\u2010\u2011\u2012\u2013\u2014\u2212])\s*")
"""An operator without its blanks; text programs put hyphens and dashes for a minus."""


def _suggestions(name: str, known: Collection[str]) -> Iterator[str]:
    """Yield spellings near a missing name: an operator without blanks, then similar names."""
    length = re.fullmatch(rf"({_NUMBER})mm", name)
    if length:
        yield f"{length[1]} mm"
    for sign in _SIGN.finditer(name):
        left, right = name[: sign.start()], name[sign.end() :]
        symbol = sign[1] if sign[1] in _SET_OPERATIONS else "-"
        length = re.fullmatch(rf"({_NUMBER})\s*mm", right)
        if left in known and right in known:
            yield f"{Name(left)} {symbol} {Name(right)}"
        elif left in known and length and symbol in "+-":
            yield f"{Name(left)} {symbol} {length[1]} mm"
    spelled = {other.casefold(): other for other in known if len(other) <= _SHOWN}
    for close in difflib.get_close_matches(name.casefold(), spelled, n=3):
        yield spelled[close]
