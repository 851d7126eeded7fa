"""A case whose numbers are written down: boxes for structures, a table for metrics."""

from __future__ import annotations

from dataclasses import replace

import shapely
from tests.phantoms import dose as phantom_dose
from tests.phantoms import dose_on_grid

from planeval import expression
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack
from planeval.model import (
    CaseData,
    Identity,
    Method,
    Metric,
    PointOfInterest,
    Prescription,
    Source,
    Structure,
    UnusableStructure,
    Value,
)
from planeval.protocol.reading import Protocol, parse_protocol
from planeval.units import Unit

RX = Prescription("PTV", 55.0, 25, "VOLUME", "RTPLAN dose reference 1")
RX5 = Prescription("PTV", 27.5, 5, "VOLUME", "RTPLAN dose reference 1")


def box(name: str, volume_cc: float = 100.0, *, kind: str = "ORGAN", left_mm: float = 0.0, file=""):
    """A box 100 mm high whose volume is exact; ``left_mm`` moves it."""
    area = volume_cc * 10
    square = shapely.box(left_mm, 0, left_mm + 10, area / 10)
    planes = [DrawnPlane(10.0 * k, square) for k in range(10)]
    stack = PlanarStack(AXIAL, planes, spacing_mm=10.0)
    return Structure(name, stack, number=1, name_in_file=file or name, type=kind, origin="drawn")


def uniform_dose(fractions: int | None = 25, *, kind: str = "PHYSICAL", terms: int = 1):
    """A dose object, one plan a term; only its description is looked at."""
    term = dose_on_grid(lambda x, y, z: 0 * x + 10.0, fractions=fractions)
    made = phantom_dose(*(replace(term, plan_uid=f"plan {n}") for n in range(terms)))
    return type(made)(made.terms, type=kind, summation=made.summation, sources=("1.2.3",))


class FakeCase:
    """A case that answers metrics from a table: (structure, metric text) -> number or Value."""

    def __init__(
        self, structures, values=None, *, rx=(RX,), dose=None, unusable=(), points=(), **data
    ):
        self.data = CaseData(
            identity=Identity(patient_id="P1", study_uid="1.2"),
            structures={each.name: each for each in structures},
            dose=uniform_dose() if dose is None else dose or None,
            prescriptions=tuple(rx),
            unusable={each.name: each for each in unusable},
            points=points,
            sources=(Source("RTSTRUCT", "deep/RS.dcm", "1.2.9", "ab" * 32),),
            **data,
        )
        self.method = Method()
        self.values = values or {}
        self.asked = []
        self.findings = self.data.findings
        self.structures = self.data.structures
        self.prescriptions = self.data.prescriptions
        self._derived = {}

    def structure(self, text):
        if text not in self._derived:
            self._derived[text] = expression.resolve_text(
                text, tuple(self.structures), self.structures.__getitem__, method=self.method
            )
        return self._derived[text]

    def grid_error(self, structure):
        """No grid is looked at."""

    def extremes(self, structure, biology=None):
        """No place is known: numbers are written down, not sampled."""
        return None, None

    def metric(
        self,
        metric: Metric,
        structure: Structure,
        rx: Prescription | None = None,
        *,
        outside="unknown",
    ) -> Value:
        self.asked.append((structure.name, str(metric), rx.total_gy if rx else None))
        value = self.values.get((structure.name, str(metric)))
        if isinstance(value, Value):
            return value
        if value is not None:
            return Value.of(value, metric.unit)
        if str(metric) == "Volume[cc]":
            return Value.of(structure.volume_cc, Unit.CC)
        if str(metric) == "D50%[Gy]" and self.prescriptions:
            return Value.of(max(each.total_gy for each in self.prescriptions), Unit.GY)
        return Value.of(1.0, metric.unit)

    def spills(self, target: Structure, rx: Prescription):
        return ()

    def dose_at(self, x, y, z):
        return Value.of(x + y + z, Unit.GY)


def empty(name: str, kind: str = "ORGAN") -> UnusableStructure:
    return UnusableStructure(name, 7, kind, "it has no contours", is_empty=True)


def foreign(name: str, kind: str = "ORGAN") -> UnusableStructure:
    return UnusableStructure(name, 8, kind, "it lies in another frame of reference")


def point(name: str = "ISO") -> PointOfInterest:
    return PointOfInterest(name, "ISOCENTRE", (1.0, 2.0, 3.0))


HEAD = """schema: planeval.protocol/1
id: test
title: A test protocol
version: "1"
review: {status: draft}
sources:
  src: {doi: 10.1000/x, evidence: quoted, quote: "words"}
"""


def protocol(body: str, head: str = HEAD) -> Protocol:
    """A protocol from YAML; the head has an id, a review and one source."""
    return parse_protocol((head + body).encode(), "test.yaml")
