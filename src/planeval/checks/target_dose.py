"""Whether a target gets its dose everywhere, and not only in its middle."""

from __future__ import annotations

from planeval.checks.codes import finding
from planeval.checks.outcome import Seen, listed
from planeval.checks.subject import Subject

__all__ = ["covered"]

LEAST_D50_PERCENT = 90.0
"""Below, the dose is another one altogether: what the prescription line of an evaluation says."""

LEAST_D95_PERCENT = 80.0
"""Plans that mean less in a part of a target (skin, air, a joined field) are rare; a dose that was
shifted or turned often keeps its median. The threshold is ours."""


def covered(subject: Subject) -> Seen | str:
    """D95% of every target against its own prescription, or the plan's only level."""
    case = subject.case
    if case.dose is None:
        return "the case has no dose"
    seen, found = [], []
    for target in subject.targets():
        rx = case.prescription_of(target.name)
        if rx is None:
            continue
        cold, middle = (case.metric(f"D{share}%[%]", target, rx) for share in (95, 50))
        if not (cold.is_defined and middle.is_defined) or middle.value < LEAST_D50_PERCENT:
            continue
        seen.append(f"{target.name} {cold.value:.0f} %")
        if cold.value < LEAST_D95_PERCENT:
            message = (
                f"D95% is {cold.value:.1f} % of the {rx.total_gy:g} Gy prescribed while D50% is "
                f"{middle.value:.1f} %: a part of the target is cold; check that it was meant, and that "
                "dose and structures belong together"
            )
            found.append(finding("target-cold", message, target.name))
    if not seen:
        return "no target with its prescribed dose in the middle"
    return Seen(f"D95% of the prescription: {listed(seen)}", tuple(found))
