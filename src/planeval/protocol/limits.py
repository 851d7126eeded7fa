"""The limits of a row for one case: as written, as a share of the prescription, or from a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from planeval.metrics import grammar
from planeval.model import Metric, Outcome, Status, Value
from planeval.protocol.judge import Tiers
from planeval.protocol.level_choice import SAME_RX_GY
from planeval.protocol.limit_table import LimitLevel, LimitTable
from planeval.protocol.schema import RowSpec

__all__ = ["Limits", "limit_needs_prescription", "limits_of"]

_MEAN_PERCENT = grammar.parse("Mean[%]")


@dataclass(frozen=True, slots=True)
class Limits:
    """The comparisons of a row here, or ``problem``, why there are none; ``notes`` say how."""

    tiers: Tiers | None
    problem: Outcome | None = None
    notes: tuple[str, ...] = ()


def limit_needs_prescription(spec: RowSpec) -> bool:
    """Whether the limits of a row depend on the prescription."""
    return spec.limits is not None or (spec.tiers is not None and spec.tiers.of_rx)


def limits_of(
    spec: RowSpec,
    rx_gy: float | None,
    no_rx: str,
    *,
    ask: Callable[[Metric, str | None], Value],
) -> Limits:
    """Return the limits of a row.

    ``rx_gy`` is the row's prescription, ``no_rx`` the reason where it has none; ``ask`` measures a
    metric of a structure of the protocol (None is the row's own).
    """
    if not limit_needs_prescription(spec):
        return Limits(spec.tiers)
    if rx_gy is None:
        return Limits(
            None, Outcome(Status.NOT_EVALUABLE, f"the limit needs a prescription: {no_rx}")
        )
    if spec.limits is None:
        return _shared(spec.tiers, rx_gy, ())
    table = spec.limits
    if table.by == "prescription":
        return _from_table(table, rx_gy, rx_gy, f"{rx_gy:.6g} Gy prescribed")
    share = ask(_MEAN_PERCENT, table.structure)
    if not share.is_defined:
        reason = f"the limit needs the effective volume (mean dose / prescription): {share.reason}"
        return Limits(None, Outcome(Status.NOT_EVALUABLE, reason))
    shown = f"an effective volume of {share.value:.6g} % (mean dose / prescription)"
    return _from_table(table, share.value, rx_gy, shown)


def _from_table(table: LimitTable, number: float, rx_gy: float, shown: str) -> Limits:
    """Return the level that holds for a number; none is "does not apply"."""
    for level in table.levels:
        if _holds(level, number):
            return _shared(level.tiers, rx_gy, (f"limit for {shown}",))
    listed = ", ".join(_span_text(level) for level in table.levels)
    return Limits(None, Outcome(Status.NOT_APPLICABLE, f"no limit for {shown}; levels: {listed}"))


def _shared(tiers: Tiers | None, rx_gy: float, notes: tuple[str, ...]) -> Limits:
    """Return the limits with shares of the prescription as Gy, and a note that says so."""
    if tiers is None or not tiers.of_rx:
        return Limits(tiers, None, notes)
    written = [str(tiers.per_protocol), *([str(tiers.acceptable)] if tiers.acceptable else [])]
    return Limits(tiers.resolved(rx_gy), None, (*notes, f"limit written as {', '.join(written)}"))


def _holds(level: LimitLevel, number: float) -> bool:
    low, high = level.span
    if low == high:
        return abs(number - low) <= SAME_RX_GY
    return low <= number < high


def _span_text(level: LimitLevel) -> str:
    low, high = level.span
    return f"{low:g}" if low == high else f"{low:g} to below {high:g}"
