"""Rules that take a whole protocol file to check, and what an item inherits from its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from planeval.expression import Name
from planeval.expression import parse as parse_expression
from planeval.metrics import grammar
from planeval.model import Metric, MetricKind, Outside
from planeval.model.rows import RowKind
from planeval.protocol.organs import standard_name
from planeval.protocol.schema import AllOf, AnyOf, GroupSpec, Item, ProtocolFile, RowSpec
from planeval.units import Unit

__all__ = ["Fault", "faults", "group_of", "metric_of", "outside_of", "rows_of"]

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and the path to it in the document."""

    path: Path
    message: str


def group_of(item: AnyOf | AllOf) -> GroupSpec:
    """Return the group inside its ``any`` or ``all``."""
    return item.any if isinstance(item, AnyOf) else item.all


def rows_of(item: Item) -> Iterator[RowSpec]:
    """Yield the rows inside an item."""
    if isinstance(item, RowSpec):
        yield item
    else:
        for member in group_of(item).members:
            yield from rows_of(member)


def metric_of(row: RowSpec, file: ProtocolFile) -> Metric:
    """Return the row's metric, a bare ``EQD2:`` filled with the structure's alpha/beta.

    Raises ValueError where the structure states none.
    """
    metric = grammar.parse(row.metric, allow_bare_biology=True)
    if metric.biology is None or metric.biology.alpha_beta_gy is not None:
        return metric
    spec = file.structures.get(row.structure or "")
    if spec is None or spec.alpha_beta is None:
        entry = f"structures.{row.structure}" if row.structure else "a 'for_each' row"
        raise ValueError(
            f"'{row.metric}' leaves alpha/beta to the structure, and {entry} states none; give it "
            f"alpha_beta or write {metric.biology.quantity}_3:"
        )
    return replace(metric, biology=replace(metric.biology, alpha_beta_gy=spec.alpha_beta))


def outside_of(row: RowSpec, file: ProtocolFile) -> Outside:
    """Return what a row takes the dose beyond the dose grid to be: its own word, else the file's.

    Always unknown for a metric that the reading ``edge`` has no meaning for.
    """
    metric = grammar.parse(row.metric, allow_bare_biology=True)
    return (row.outside or file.outside) if _has_edge(metric) else Outside.UNKNOWN


def _has_edge(metric: Metric) -> bool:
    """Whether a metric is of the dose in one structure: no volume, no index of isodoses."""
    return not (metric.kind.is_index or metric.kind in (MetricKind.VOLUME, MetricKind.OUTSIDE))


@dataclass(frozen=True, slots=True)
class _Place:
    """A row or group with its path, the group around it, and its kind."""

    path: Path
    node: RowSpec | GroupSpec
    parent: GroupSpec | None
    kind: RowKind | None


def _places(
    items: tuple[Item, ...],
    path: Path,
    parent: GroupSpec | None = None,
    kind: RowKind | None = None,
) -> Iterator[_Place]:
    """Yield every row and group of the file with its path and the kind it has or inherits."""
    for index, item in enumerate(items):
        here: Path = (*path, index)
        if isinstance(item, RowSpec):
            yield _Place(here, item, parent, kind or item.kind)
            continue
        group = group_of(item)
        here = (*here, "any" if isinstance(item, AnyOf) else "all")
        yield _Place(here, group, parent, kind or group.kind)
        yield from _places(group.members, (*here, "members"), group, kind or group.kind)


def faults(file: ProtocolFile) -> Iterator[Fault]:
    """Yield everything that is wrong with a file whose parts are valid."""
    if not (file.constraints or file.include):
        yield Fault(
            ("constraints",),
            "this key is needed and absent, or empty: expected at least 1 item, or 'include'",
        )
    yield from _checklist_faults(file)
    places = list(_places(file.constraints, ("constraints",)))
    seen: set[str] = set()
    for place in places:
        if place.node.id in seen:
            yield Fault((*place.path, "id"), f"the id '{place.node.id}' is used twice")
        seen.add(place.node.id)
        if place.node.source is not None and place.node.source not in file.sources:
            known = ", ".join(file.sources) or "none"
            yield Fault(
                (*place.path, "source"),
                f"there is no source '{place.node.source}'; known are {known}",
            )
        yield from _kind_faults(place)
        if isinstance(place.node, RowSpec):
            yield from _row_faults(place, place.node, file)
    yield from _margin_faults(file, seen)
    yield from _structure_faults(file)


def _checklist_faults(file: ProtocolFile) -> Iterator[Fault]:
    """Yield questions with a repeated id or an unknown source."""
    seen: set[str] = set()
    for index, check in enumerate(file.checklist):
        path: Path = ("checklist", index)
        if check.id in seen:
            yield Fault((*path, "id"), f"the id '{check.id}' is used twice")
        seen.add(check.id)
        if check.source is not None and check.source not in file.sources:
            yield Fault((*path, "source"), f"there is no source '{check.source}'")


def _margin_faults(file: ProtocolFile, seen: set[str]) -> Iterator[Fault]:
    """Yield faults of the margin audits: ids, sources, a structure around itself."""
    for index, entry in enumerate(file.margins):
        path: Path = ("margins", index)
        if entry.id in seen:
            yield Fault((*path, "id"), f"the id '{entry.id}' is used twice")
        seen.add(entry.id)
        if entry.source is not None and entry.source not in file.sources:
            known = ", ".join(file.sources) or "none"
            yield Fault(
                (*path, "source"), f"there is no source '{entry.source}'; known are {known}"
            )
        if entry.outer == entry.inner:
            yield Fault((*path, "inner"), f"'{entry.inner}' cannot have a margin around itself")


def _kind_faults(place: _Place) -> Iterator[Fault]:
    """Yield faults of the kind: it stands on the outermost item and nowhere else."""
    if place.parent is None and place.node.kind is None:
        choices = ", ".join(RowKind)
        yield Fault(place.path, f"'{place.node.id}' needs 'kind': one of {choices}")
    if place.parent is not None and place.node.kind is not None:
        yield Fault((*place.path, "kind"), "members have the kind of their group; remove 'kind'")


def _row_faults(place: _Place, row: RowSpec, file: ProtocolFile) -> Iterator[Fault]:
    """Yield faults of one row in its place."""
    try:
        metric = metric_of(row, file)
    except ValueError as error:
        yield Fault((*place.path, "metric"), str(error))
    else:
        if row.outside is Outside.EDGE and not _has_edge(metric):
            yield Fault(
                (*place.path, "outside"),
                f"'outside: edge' bounds the dose in a structure, and '{row.metric}' is no metric of it",
            )
    if row.for_each and place.parent is not None:
        yield Fault((*place.path, "for_each"), "'for_each' rows stand outside groups")
    optional = row.if_absent == "not-applicable"
    if optional and not (place.parent is not None and place.parent.needs_one_of):
        yield Fault(
            (*place.path, "if_absent"),
            "'if_absent: not-applicable' needs a group with 'needs_one_of' around it: what is not "
            "drawn must not pass",
        )
    if place.kind is not None:
        yield from _comparison_faults(place, row, place.kind)
    yield from _share_faults(place, row)
    yield from _selection_faults(place, row, file)


def _comparison_faults(place: _Place, row: RowSpec, kind: RowKind) -> Iterator[Fault]:
    """Yield faults between the kind of a row and its comparisons."""
    if kind.is_counted and not row.has_limit:
        yield Fault(place.path, f"row '{row.id}' is a {kind} and needs 'per_protocol'")
    if kind is RowKind.INFORMATION and row.has_limit:
        yield Fault(
            (*place.path, "limits" if row.limits else "per_protocol"),
            "an information row has no comparison; kind 'reference' shows one without judging",
        )


def _share_faults(place: _Place, row: RowSpec) -> Iterator[Fault]:
    """Yield limits in percent of the prescription on metrics that are no physical dose in Gy."""
    tiers = [level.tiers for level in row.limits.levels] if row.limits else [row.tiers]
    if not any(each is not None and each.of_rx for each in tiers):
        return
    metric = grammar.parse(row.metric, allow_bare_biology=True)
    if metric.unit is not Unit.GY or metric.biology is not None:
        yield Fault(
            (*place.path, "limits" if row.limits else "per_protocol"),
            f"a limit in % of Rx needs a physical dose in Gy, and '{row.metric}' is none",
        )


def _selection_faults(place: _Place, row: RowSpec, file: ProtocolFile) -> Iterator[Fault]:
    """Yield tables that choose a prescription by what does not scale with it."""
    if row.limits is None or row.limits.selects is None:
        return
    path: Path = (*place.path, "limits", "selects")
    metric = grammar.parse(row.metric, allow_bare_biology=True)
    if metric.unit is not Unit.GY or metric.biology is not None:
        yield Fault(path, f"'selects' needs a physical dose in Gy, and '{row.metric}' is none")
    if file.applies.fractions is None and (row.applies is None or row.applies.fractions is None):
        yield Fault(path, "'selects' needs 'applies: fractions', of the row or of the protocol")


def _structure_faults(file: ProtocolFile) -> Iterator[Fault]:
    """Yield aliases that would mix organs, derivations in a circle, and contradictory keys."""
    for name, spec in file.structures.items():
        path: Path = ("structures", name)
        if spec.derive is not None and spec.role is not None:
            yield Fault((*path, "role"), "'derive' and 'role' exclude each other")
        if spec.derive is not None and name in _derived_from(name, file):
            yield Fault((*path, "derive"), f"'{name}' is derived from itself")
        meanings = {standard_name(text) for text in (name, *spec.aliases)} - {""}
        if len(meanings) > 1:
            yield Fault(
                (*path, "aliases") if spec.aliases else path,
                f"the aliases of '{name}' mix different organs ({', '.join(sorted(meanings))}), "
                "which are not interchangeable",
            )


def _derived_from(name: str, file: ProtocolFile) -> set[str]:
    """Return every name that a derived structure goes back to."""
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        spec = file.structures.get(waiting.pop())
        if spec is None or spec.derive is None:
            continue
        expression = parse_expression(spec.derive)
        names = (expression.text,) if isinstance(expression, Name) else expression.names()
        waiting += [part for part in names if part not in reached]
        reached.update(names)
    return reached
