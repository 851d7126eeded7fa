"""Plans and prescriptions: what was ordered, and where each number came from."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Beam", "BeamDose", "FractionGroup", "Plan", "Prescription", "Rx"]

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Rx:
    """A prescription as a user states it: total Gy in a number of fractions.

    >>> Rx(55, 25).fraction_gy
    2.2
    """

    total_gy: float
    fractions: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.total_gy < 1000:
            raise ValueError(f"prescription of {self.total_gy} Gy: need a dose above 0, in Gy")
        if self.fractions is not None and not 1 <= self.fractions <= 200:
            raise ValueError(f"{self.fractions} fractions: need 1 to 200")

    @property
    def fraction_gy(self) -> float | None:
        """Dose per fraction in Gy, None where the number of fractions is unknown."""
        return None if self.fractions is None else self.total_gy / self.fractions


@dataclass(frozen=True, slots=True)
class Prescription:
    """A prescribed total dose to a target, and where it was read.

    ``target`` is the structure's unique name, the site text where the plan prescribes to a SITE, or
    empty for the whole plan. ``kind`` is VOLUME, SITE or USER. ``origin`` says which object or
    option it came from, ``reference`` is the number of its dose reference in an RTPLAN.
    """

    target: str
    total_gy: float
    fractions: int | None
    kind: str
    origin: str
    reference: int | None = None

    @property
    def fraction_gy(self) -> float | None:
        """Dose per fraction in Gy, None where the number of fractions is unknown."""
        return None if self.fractions is None else self.total_gy / self.fractions


@dataclass(frozen=True, slots=True)
class Beam:
    """A beam: number, name, radiation, delivery type, machine, meterset, isocentre (patient mm).

    ``boli`` are the ROI numbers of its boluses, None for one that names no ROI.
    """

    number: int
    name: str
    delivery_type: str
    radiation: str = ""
    machine: str = ""
    meterset: float | None = None
    isocentre_mm: Point | None = None
    technique: str = ""
    boli: tuple[int | None, ...] = ()

    @property
    def delivers(self) -> bool:
        """Whether it is there to treat: neither a set-up beam nor a portal image."""
        return self.delivery_type in ("", "TREATMENT", "CONTINUATION")


@dataclass(frozen=True, slots=True)
class BeamDose:
    """The dose of a beam in one fraction (BeamDose), at a point in patient mm where one is stated."""

    beam: int
    gy: float
    point_mm: Point | None = None


@dataclass(frozen=True, slots=True)
class FractionGroup:
    """A fraction group: number, planned fractions, and the beam numbers it delivers.

    ``beam_doses`` are what it states for one fraction; ``target_doses`` are (dose reference number,
    Gy) that it prescribes itself.
    """

    number: int
    fractions: int | None
    beam_numbers: tuple[int, ...]
    beam_doses: tuple[BeamDose, ...] = ()
    target_doses: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """An RT plan or RT ion plan.

    ``structure_set_uid`` is the referenced RTSTRUCT, empty where the plan names none.
    """

    uid: str
    label: str
    name: str = ""
    date: str = ""
    approval: str = ""
    intent: str = ""
    is_ion: bool = False
    patient_position: str = ""
    manufacturer: str = ""
    structure_set_uid: str = ""
    dose_uids: tuple[str, ...] = ()
    fraction_groups: tuple[FractionGroup, ...] = ()
    beams: tuple[Beam, ...] = ()
    prescriptions: tuple[Prescription, ...] = ()
    reference_points: tuple[tuple[str, Point], ...] = ()

    @property
    def fractions(self) -> int | None:
        """Planned fractions of the only fraction group, None with several or none stated."""
        counts = [group.fractions for group in self.fraction_groups]
        return counts[0] if len(counts) == 1 else None

    @property
    def treatment_beams(self) -> tuple[Beam, ...]:
        """Beams that deliver dose: not SETUP, and a meterset above 0 where one is stated."""
        return tuple(
            beam
            for beam in self.beams
            if beam.delivery_type != "SETUP" and (beam.meterset is None or beam.meterset > 0)
        )
