"""What the checks of a case look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from planeval.case import Case
from planeval.metrics.recognition import body_of, is_helper, targets_of
from planeval.model import Finding, Structure

__all__ = ["Subject"]

DEVICE_TYPES = frozenset(
    {"EXTERNAL", "SUPPORT", "FIXATION", "BOLUS", "MARKER", "REGISTRATION", "ISOCENTER", "CONTROL",
     "DOSE_REGION", "CONTRAST_AGENT", "DOSE_MEASUREMENT", "BRACHY_CHANNEL", "BRACHY_ACCESSORY",
     "BRACHY_SRC_APP", "BRACHY_CHNL_SHLD"}
)  # fmt: skip
"""RTROIInterpretedType of what is not anatomy and not a target."""

_NO_BODY = "the body is not known: no structure, or several, of type EXTERNAL"


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A case with what is known of it.

    ``named`` is plan name -> TG-263 name of organs, ``known`` the findings made before;
    ``read_hu`` says that the HU of the images may be read, which takes time.
    """

    case: Case
    named: Mapping[str, str]
    known: Sequence[Finding] = ()
    read_hu: bool = False

    def targets(self) -> tuple[Structure, ...]:
        """Return the targets with a volume."""
        return targets_of(self.case.structures.values())

    def body(self) -> Structure | str:
        """Return the body, or why it is not known."""
        return body_of(self.case.structures.values()) or _NO_BODY

    def anatomy(self) -> tuple[Structure, ...]:
        """Return organs and targets: no devices, no body, nothing that was made from others."""
        return tuple(
            each
            for each in self.case.structures.values()
            if each.type.upper() not in DEVICE_TYPES
            and self.named.get(each.name) not in ("External", "Skin")
            and not is_helper(each.name)
            and not is_device_name(each.name)
            and not each.stack.is_empty
        )

    def has(self, code: str) -> bool:
        """Whether a finding of this code was made before."""
        return any(each.code == code for each in self.known)


def is_device_name(name: str) -> bool:
    """Whether a name speaks of a bolus, a couch or a mask.

    >>> is_device_name("CouchSurface"), is_device_name("Bolus 1cm"), is_device_name("Liver")
    (True, True, False)
    """
    folded = name.casefold()
    return any(word in folded for word in DEVICE_WORDS)


BOLUS_WORDS = ("bolus", "补偿")
COUCH_WORDS = ("couch", "tabletop", "table top", "carbon fib", "baseplate", "base plate", "床板")
DEVICE_WORDS = (*BOLUS_WORDS, *COUCH_WORDS, "bodyfix", "vacbag", "vac bag", "headrest")
