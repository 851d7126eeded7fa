"""Protocol names to plan names: found for a stated reason, or shown as ambiguous or missing.

The first step with a hit decides: the user's map, the same text, the TG-263 spelling (also without
case, blanks and underscores), an alias of the protocol or of the organ table. Two hits in that step
are ambiguous. Names that are merely near are candidates for the reader and are never used.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from planeval.errors import ExpressionSyntax, UnknownStructure
from planeval.expression import Expr, Intersection, Margin, Name, Union, Without
from planeval.expression import parse as parse_expression
from planeval.model import CaseData
from planeval.model.rows import MatchKind, StructureMatch
from planeval.protocol.organs import SPELLINGS, fold, standard_name, why_standard
from planeval.protocol.roles import Candidate, gtv_of
from planeval.protocol.rules import rows_of
from planeval.protocol.schema import ProtocolFile, StructureSpec

__all__ = ["Found", "Matcher", "candidates_of", "parse_mapping", "protocol_names"]


def parse_mapping(texts: Iterable[str]) -> dict[str, str]:
    """Return plan name -> protocol name from texts such as ``肝=Liver``.

    The last ``=`` separates, so that a plan name may hold one. Raises ValueError for a text without
    both names, and for a plan name given twice with different protocol names.

    >>> parse_mapping(["CTV肝=CTV"])
    {'CTV肝': 'CTV'}
    """
    mapping: dict[str, str] = {}
    for text in texts:
        plan, separator, protocol = (part.strip() for part in text.rpartition("="))
        if not (separator and plan and protocol):
            raise ValueError(f"map {text!r}: expected PLAN=PROTOCOL, such as 肝=Liver")
        if mapping.setdefault(plan, protocol) != protocol:
            raise ValueError(f"map: {plan!r} is given for {mapping[plan]!r} and {protocol!r}")
    return mapping


def candidates_of(data: CaseData) -> tuple[Candidate, ...]:
    """Return every ROI of a case, usable or not, in file order."""
    usable = [Candidate(each.name, each.type) for each in data.structures.values()]
    unusable = [
        Candidate(each.name, each.type, False, each.is_empty, each.reason)
        for each in data.unusable.values()
    ]
    return (*usable, *unusable)


@dataclass(frozen=True, slots=True)
class Found:
    """A match, and what to evaluate: an expression over plan names, None where there is none."""

    match: StructureMatch
    expression: Expr | None = None

    @classmethod
    def nothing(
        cls, name: str, kind: MatchKind, evidence: str, candidates: Iterable[str] = ()
    ) -> Found:
        """Make a match without a structure."""
        return cls(StructureMatch(name, kind, (), "", evidence, tuple(candidates)))

    @classmethod
    def roi(cls, name: str, kind: MatchKind, plan_name: str, evidence: str) -> Found:
        """Make a match with one ROI."""
        return cls(StructureMatch(name, kind, (plan_name,), "", evidence), Name(plan_name))


class Matcher:
    """Matches the names of one protocol to the ROIs of one case, each name once.

    ``mapping`` is plan name (or an expression over plan names) -> protocol name.

    Raises:
        UnknownStructure: the mapping names an ROI that the plan has not, or a name that the
            protocol has not.
    """

    def __init__(
        self, file: ProtocolFile, data: CaseData, mapping: Mapping[str, str] | None = None
    ) -> None:
        self._file = file
        self._rois = candidates_of(data)
        self._in_file = {
            each.name: each.name_in_file or each.name for each in data.structures.values()
        }
        self._known: dict[str, Found] = {}
        self._mapped: dict[str, list[str]] = {}
        for plan, protocol in (mapping or {}).items():
            self._check_map(plan, protocol)
            self._mapped.setdefault(protocol, []).append(plan)

    @property
    def rois(self) -> tuple[Candidate, ...]:
        """Every ROI of the case."""
        return self._rois

    def find(self, name: str) -> Found:
        """Return what a protocol name stands for in this case."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def find_drawn(self, name: str) -> Found:
        """Return the ROI of a name, its derivation and role left aside."""
        return self._search(name, self._spec(name))

    def matches(self) -> tuple[StructureMatch, ...]:
        """Return every match made so far, in the order they were asked for."""
        return tuple(found.match for found in self._known.values())

    def _find(self, name: str) -> Found:
        spec = self._spec(name)
        if name in self._mapped:
            return self._by_map(name, spec)
        if spec.derive is not None:
            return self._derived(name, parse_expression(spec.derive))
        if spec.role == "gtv":
            return self._gtv(name)
        return self._search(name, spec)

    def _spec(self, name: str) -> StructureSpec:
        """Return the protocol's entry, or what the name alone says: GTV, an expression, an ROI."""
        spec = self._file.structures.get(name)
        if spec is None:
            spec = StructureSpec(derive=name) if _is_operation(name) else StructureSpec()
        if name == "GTV" and spec.role is None and spec.derive is None:
            return spec.model_copy(update={"role": "gtv"})
        return spec

    def _by_map(self, name: str, spec: StructureSpec) -> Found:
        plans = self._mapped[name]
        if len(plans) > 1 and spec.role != "gtv":
            return Found.nothing(
                name,
                MatchKind.AMBIGUOUS,
                f"the map gives {len(plans)} structures for {name}; only the GTV is a union",
                plans,
            )
        parts = [self._plan_expression(plan) for plan in plans]
        expression = parts[0] if len(parts) == 1 else Union(tuple(parts))
        evidence = f"the user's map: {', '.join(plans)} = {name}"
        if isinstance(expression, Name):
            return Found.roi(name, MatchKind.MAP, expression.text, evidence)
        match = StructureMatch(name, MatchKind.MAP, expression.names(), str(expression), evidence)
        return Found(match, expression)

    def _plan_expression(self, text: str) -> Expr:
        """Return a plan name as it is, other text as an expression over plan names."""
        known = {roi.name for roi in self._rois}
        return Name(text) if text in known else parse_expression(text)

    def _check_map(self, plan: str, protocol: str) -> None:
        known = [roi.name for roi in self._rois]
        try:
            names = self._plan_expression(plan).names()
        except ExpressionSyntax:
            names = (plan,)
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
                hint = f"did you mean {' or '.join(near)}?" if near else "see planeval inspect"
                raise UnknownStructure(f"map: the plan has no structure {name!r}; {hint}")
        used = protocol_names(self._file)
        if protocol not in used:
            near = difflib.get_close_matches(protocol, used, n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(used)}"
            raise UnknownStructure(
                f"map: the protocol {self._file.id} has no structure {protocol!r}; {hint}"
            )

    def _derived(self, name: str, expression: Expr) -> Found:
        parts = {part: self.find(part) for part in expression.names()}
        lacking = [part for part in parts.values() if part.expression is None]
        if lacking:
            kinds = [part.match.kind for part in lacking]
            kind = MatchKind.AMBIGUOUS if MatchKind.AMBIGUOUS in kinds else MatchKind.MISSING
            why = "; ".join(
                f"{part.match.protocol_name}: {part.match.evidence}" for part in lacking
            )
            candidates = [each for part in lacking for each in part.match.candidates]
            return Found.nothing(name, kind, f"{name} is {expression}; {why}", candidates)
        over_plan = _substituted(
            expression,
            {part: found.expression for part, found in parts.items() if found.expression},
        )
        evidence = "; ".join(
            f"{part} is {found.match.name_in_plan} ({found.match.kind}: {found.match.evidence})"
            for part, found in parts.items()
        )
        match = StructureMatch(
            name,
            MatchKind.DERIVED,
            over_plan.names(),
            str(over_plan),
            f"{name} is {expression}: {evidence}",
        )
        return Found(match, over_plan)

    def _gtv(self, name: str) -> Found:
        reading = gtv_of(self._rois)
        left_out = "".join(f"; left out {roi}: {why}" for roi, why in reading.excluded.items())
        hint = f'name the right ones with --map "ROI={name}"'
        if reading.doubtful:
            doubts = "; ".join(f"{roi}: {why}" for roi, why in reading.doubtful.items())
            return Found.nothing(
                name,
                MatchKind.AMBIGUOUS,
                f"which ROIs are the GTV is in doubt ({doubts}{left_out}); {hint}",
                (*reading.members, *reading.doubtful),
            )
        if not reading.members:
            return Found.nothing(
                name,
                MatchKind.MISSING,
                f"no ROI is a GTV by its type or name{left_out}; {hint}",
                reading.excluded,
            )
        names = ", ".join(reading.members)
        evidence = f"GTVs by type or name, thrombus included: {names}{left_out}"
        if len(reading.members) == 1:
            return Found.roi(name, MatchKind.ROLE, reading.members[0], evidence)
        union = Union(tuple(Name(member) for member in reading.members))
        match = StructureMatch(name, MatchKind.ROLE, reading.members, str(union), evidence)
        return Found(match, union)

    def _search(self, name: str, spec: StructureSpec) -> Found:
        """Return the ROI of a name; ROIs without contours are looked at only after all others."""
        for rois in ([r for r in self._rois if not r.is_empty], self._rois):
            for kind, hits, evidence in self._steps(name, spec, rois):
                if len(hits) > 1:
                    return Found.nothing(
                        name,
                        MatchKind.AMBIGUOUS,
                        f"{len(hits)} ROIs could be {name} ({', '.join(hits)}); choose one with "
                        f'--map "ROI={name}"',
                        hits,
                    )
                if hits:
                    return Found.roi(name, kind, hits[0], evidence)
        near = self._near(name, spec)
        hint = f"; near are {', '.join(near)}" if near else ""
        return Found.nothing(name, MatchKind.MISSING, f"{name} is not in the plan{hint}", near)

    def _steps(
        self, name: str, spec: StructureSpec, rois: Iterable[Candidate]
    ) -> Iterable[tuple[MatchKind, list[str], str]]:
        """Yield the ways of finding a name, surest first, with the ROIs that each one hits."""
        in_file = [(roi.name, self._file_name(roi.name)) for roi in rois]
        yield MatchKind.EXACT, [roi for roi, text in in_file if text == name], "the same name"
        standard = standard_name(name)
        kind = MatchKind.TG263 if standard and fold(standard) == fold(name) else MatchKind.ALIAS
        hits = [roi for roi, text in in_file if fold(text) == fold(name)]
        yield kind, hits, "the same name but for case, blanks and underscores"
        wanted = {fold(alias) for alias in spec.aliases}
        if standard:
            wanted |= {fold(other) for other in (standard, *SPELLINGS[standard])}
        hits = [roi for roi, text in in_file if fold(text) in wanted]
        yield MatchKind.ALIAS, hits, _why_alias(hits, name, standard)

    def _file_name(self, unique: str) -> str:
        """Return the name in the file: 'PTV' for the case's 'PTV [2]'."""
        return self._in_file.get(unique, unique)

    def _near(self, name: str, spec: StructureSpec) -> tuple[str, ...]:
        """Return ROIs whose names resemble a name or its aliases, for the reader only."""
        folded = {fold(roi.name): roi.name for roi in self._rois}
        near: dict[str, None] = {}
        for text in (name, *spec.aliases):
            wanted = fold(text)
            found = difflib.get_close_matches(wanted, folded, n=3, cutoff=0.6)
            found += [other for other in folded if len(wanted) > 2 and wanted in other]
            near.update(dict.fromkeys(folded[each] for each in found))
        return tuple(near)[:5]


def protocol_names(file: ProtocolFile) -> list[str]:
    """Return every name that a protocol uses or defines."""
    rows = [row for item in file.constraints for row in rows_of(item)]
    names = [name for row in rows for name in (row.structure, row.rx) if name]
    names += [name for entry in file.margins for name in entry.structures]
    names += [*file.structures, "GTV"]
    names += [spec.rx for spec in file.structures.values() if spec.rx]
    for spec in file.structures.values():
        names += parse_expression(spec.derive).names() if spec.derive else ()
    return list(dict.fromkeys(names))


def _why_alias(hits: Sequence[str], name: str, standard: str) -> str:
    """Return why an ROI's name is another name of a protocol name."""
    why = why_standard(hits[0]) if hits and standard_name(hits[0]) == standard else ""
    return f"{why} of {name}" if why.startswith("the ") else f"another name of {name}"


def _is_operation(text: str) -> bool:
    """Whether a name in a row is an expression of several structures."""
    try:
        return not isinstance(parse_expression(text), Name)
    except ExpressionSyntax:
        return False


def _substituted(expression: Expr, names: Mapping[str, Expr]) -> Expr:
    """Return the expression with every name replaced."""
    match expression:
        case Name():
            return names[expression.text]
        case Margin():
            return replace(expression, operand=_substituted(expression.operand, names))
        case Union() | Intersection() | Without():
            parts = tuple(_substituted(operand, names) for operand in expression.operands)
            return type(expression)(parts)
        case _:
            raise TypeError(f"unknown expression {type(expression).__name__}")
