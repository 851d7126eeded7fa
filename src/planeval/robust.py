"""From a case and a protocol to its robustness: scenarios of setup and motion, without a TPS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from planeval.case import Case
from planeval.model import Finding
from planeval.model.robustness import Directions, RobustnessRecord, ScenarioSet, SetupErrors
from planeval.pipeline import known_aliases, protocol_for
from planeval.protocol.reading import Protocol
from planeval.protocol.robustness import judge_scenarios
from planeval.report.robustness_html import write_robustness

__all__ = ["Robustness", "robustness"]


class Robustness:
    """A plan judged by a protocol in scenarios of setup and motion."""

    def __init__(self, record: RobustnessRecord) -> None:
        self._record = record

    @property
    def record(self) -> RobustnessRecord:
        """Everything that robustness.json holds."""
        return self._record

    @property
    def sets(self) -> tuple[ScenarioSet, ...]:
        """The sets of scenarios, in the order in which they were asked for."""
        return self._record.sets

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the reader must know: where a static dose is unsafe, what was not checked."""
        return self._record.findings

    def to_json(self) -> str:
        """Return robustness.json: the same bytes for the same input, version, options and seed."""
        return self._record.to_json()

    def publish_html(self, path: str | Path) -> None:
        """Write the scenarios as one self-contained page.

        Raises :class:`~planeval.errors.ReportError` where it cannot be written.
        """
        write_robustness(Path(path), self._record)

    def __repr__(self) -> str:
        met = ", ".join(
            f"{one.verdict_met} of {len(one.scenarios)} {one.type}" for one in self.sets
        )
        return f"Robustness({self._record.protocol!r}, met in {met})"


def robustness(
    case: Case,
    protocol: str | Path | Protocol | None,
    *setups: SetupErrors | Directions,
    mapping: Mapping[str, str] | None = None,
    aliases: Mapping[str, str] | None = None,
    child_pugh: str | None = None,
    dose_is_complete: bool = False,
    allow_unverified: bool = False,
    protocol_dir: Path | None = None,
) -> Robustness:
    """Judge a case by a protocol in scenarios of setup and motion; options as :func:`evaluate`.

    ``SetupErrors`` draws courses of treatment: how probable it is that a constraint is met.
    ``Directions`` moves the patient once in 6, 14 or 26 directions: the worst case. The dose stays
    in space (static dose cloud). In a sum of plans (:func:`plan_sum`) drawn scenarios give every plan
    systematic and random errors of its own, over its own fractions; biology converts each as moved.

    Raises:
        ValueError: no setup is given.
        InconsistentCase: the case has no dose, or random errors are asked for and nobody states the
            fractions.
        GeometryError: a shift leaves nothing of the dose grid.
        ProtocolError: as :func:`evaluate`.
    """
    if not setups:
        raise ValueError("no scenarios: give SetupErrors(...) or Directions(...)")
    loaded, _ = protocol_for(
        case,
        protocol,
        child_pugh=child_pugh,
        dose_is_complete=dose_is_complete,
        protocol_dir=protocol_dir,
    )
    return Robustness(
        judge_scenarios(
            case,
            loaded,
            setups,
            mapping=known_aliases(aliases or {}, case, loaded) | dict(mapping or {}),
            child_pugh=child_pugh,
            allow_unverified=allow_unverified,
        )
    )
