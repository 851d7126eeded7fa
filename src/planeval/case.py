"""The case: one plan's data, asked for structures, DVHs, metrics and doses.

A case is immutable to its caller. It remembers what it has derived and sampled, so that asking twice
costs nothing; pickling keeps the data only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from planeval import dose as dosimetry
from planeval import metrics
from planeval.dose.calculation import (
    Cover,
    Coverages,
    cover_structure,
    dose_volume_histogram,
)
from planeval.dose.dvh import Dvh, HotSpot
from planeval.dose.field import trilinear
from planeval.errors import (
    AmbiguousSelection,
    GeometryError,
    InconsistentCase,
    UnknownStructure,
)
from planeval.expression import resolve_text
from planeval.metrics import grammar
from planeval.metrics.dose_volume import measure, needs_prescription, no_prescription, widened
from planeval.model import (
    Biology,
    CaseData,
    Dose,
    Finding,
    Image,
    Method,
    Metric,
    MetricKind,
    Outside,
    Plan,
    PointOfInterest,
    Prescription,
    Structure,
    Value,
)
from planeval.side_by_side import in_processes, in_threads
from planeval.units import Unit

if TYPE_CHECKING:  # what a DVH alone does without loads where it is used
    from planeval.dose.interpolation import GridError
    from planeval.dose.isodose import IsodoseMap, IsodosePart
    from planeval.dose.parts import DosePart
    from planeval.metrics.ntcp import LkbSet
    from planeval.metrics.tcp import PoissonSet

__all__ = ["Case"]

WORTH_A_PROCESS = 6
"""From so many DVHs on, starting a process (some 30 ms) is a small part of the work."""


class Case:
    """One plan's structures, dose and plans, in one frame of reference."""

    def __init__(self, data: CaseData, method: Method | None = None) -> None:
        self._data = data
        self._method = method or Method()
        self._dvhs: dict[tuple[Structure, Biology | None], Dvh] = {}
        self._edges: dict[tuple[Structure, Biology | None, Dose], Value] = {}
        self._shifted: dict[tuple[Structure, Biology | None], tuple[tuple[Dvh, Dose], ...]] = {}
        self._isodose_maps: dict[tuple[float, ...], IsodoseMap] = {}
        self._others: dict[Structure, tuple[Structure, ...]] = {}
        self._far: dict[Structure, Structure] = {}
        self._hottest_far: dict[Structure, Structure] = {}
        self._derived: dict[str, Structure] = {}
        self._cover: Cover = cover_structure
        self._coverages = Coverages()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the data; what was derived is derived again."""
        return Case, (self._data, self._method)

    @property
    def data(self) -> CaseData:
        """Everything that was read."""
        return self._data

    @property
    def method(self) -> Method:
        """The numerical choices behind every number of this case."""
        return self._method

    @property
    def structures(self) -> Mapping[str, Structure]:
        """Structures with a solid by unique name, in file order."""
        return self._data.structures

    @property
    def dose(self) -> Dose | None:
        """The dose, None where the case has none."""
        return self._data.dose

    @property
    def image(self) -> Image | None:
        """The planning image, None where none was exported."""
        return self._data.image

    @property
    def plans(self) -> tuple[Plan, ...]:
        """The plans; empty where the dose came without one."""
        return self._data.plans

    @property
    def plan(self) -> Plan:
        """The only plan. Raises :class:`AmbiguousSelection` with none or several."""
        if len(self.plans) != 1:
            raise AmbiguousSelection(f"this case has {len(self.plans)} plans; use .plans")
        return self.plans[0]

    @property
    def prescriptions(self) -> tuple[Prescription, ...]:
        """The prescriptions, each with its origin."""
        return self._data.prescriptions

    @property
    def prescription(self) -> Prescription:
        """The only prescription. Raises :class:`AmbiguousSelection` with none or several."""
        if len(self.prescriptions) != 1:
            raise AmbiguousSelection(
                f"this case has {len(self.prescriptions)} prescriptions; use .prescriptions"
            )
        return self.prescriptions[0]

    @property
    def points(self) -> tuple[PointOfInterest, ...]:
        """POINT ROIs, isocentres and dose reference points."""
        return self._data.points

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the readers found that the user must know."""
        return self._data.findings

    @property
    def patient_id(self) -> str:
        """PatientID as the files say it."""
        return self._data.identity.patient_id

    def structure(self, text: str) -> Structure:
        """Return a structure by name or by expression, such as ``Liver - GTV``.

        Raises:
            UnknownStructure: no such name; the message suggests near ones, or says why an ROI of
                that name has no volume.
            AmbiguousStructure: the text is both a name and an expression.
        """
        known = self._derived.get(text)
        if known is None:
            names = (*self.structures, *self._data.unusable)
            known = resolve_text(text, names, self._lookup, self._method)
            self._derived[text] = known
        return known

    def dvh(self, structure: str | Structure) -> Dvh:
        """Return the DVH of a structure, a name or an expression.

        Raises :class:`InconsistentCase` where the case has no dose.
        """
        solid = self._solid(structure)
        return self._dvh(solid, None)

    def dvhs(self, structures: Iterable[str | Structure]) -> tuple[Dvh, ...]:
        """Return the DVHs of several structures, computed side by side on the processor's cores.

        Each is what :meth:`dvh` returns. The environment's OMP_NUM_THREADS, by which numerical
        libraries are told how many threads to take, holds here too. Raises as :meth:`dvh` does.
        """
        solids = [self._solid(each) for each in structures]
        self._side_by_side(solids, ())
        return tuple(map(self.dvh, solids))

    def values(
        self, structures: Iterable[str | Structure], metrics: Iterable[str | Metric]
    ) -> tuple[tuple[Value, ...], ...]:
        """Return the values of metrics, a tuple for each structure, computed as :meth:`dvhs` are.

        Each is what :meth:`metric` returns, and raises what it raises.
        """
        solids = [self._solid(each) for each in structures]
        asked = [grammar.parse(each) if isinstance(each, str) else each for each in metrics]
        # the structures share the isodoses of an index: these are made once, here
        has_index = any(each.kind.is_index for each in asked)
        known = self._side_by_side(solids, () if has_index else asked)
        return tuple(
            known.get(one) or tuple(self.metric(each, one) for each in asked) for one in solids
        )

    def _side_by_side(
        self, solids: Iterable[Structure], metrics: Sequence[Metric]
    ) -> dict[Structure, tuple[Value, ...]]:
        """Make the DVHs that are missing; metrics of those made in other processes come with them."""
        missing = [one for one in dict.fromkeys(solids) if (one, None) not in self._dvhs]
        missing.sort(key=_extent, reverse=True)
        if self._keeps_coverages or len(missing) < WORTH_A_PROCESS:
            in_threads(self.dvh, missing)
            return {}

        def made(one: Structure) -> tuple[Dvh, tuple[Value, ...]]:
            return self.dvh(one), tuple(self.metric(each, one) for each in metrics)

        results = dict(zip(missing, in_processes(made, missing), strict=True))
        self._dvhs |= {(one, None): dvh for one, (dvh, _values) in results.items()}
        return {one: values for one, (_dvh, values) in results.items()}

    def metric(
        self,
        metric: str | Metric,
        structure: str | Structure,
        rx: Prescription | None = None,
        *,
        outside: Outside | str = Outside.UNKNOWN,
    ) -> Value:
        """Return the value of a metric for a structure; percent doses refer to ``rx``.

        Without ``rx`` the structure's own prescription is used, else the only level of the plan. With
        a prefix (``EQD2_3:``, ``BED_10:``) the dose is converted at every point with the fractions of
        its delivery; where those are unknown the value is undefined.

        ``outside`` says what the dose beyond the dose grid may be. With ``edge`` that is at
        most :meth:`edge_dose`, where there is one. An index stays as it is: its isodose is cut as well.

        Raises the errors of :meth:`structure` and :class:`~planeval.errors.MetricSyntax`.
        """
        parsed = grammar.parse(metric) if isinstance(metric, str) else metric
        solid = self._solid(structure)
        if (unknown := self._no_biology(parsed.biology, parsed.unit)) is not None:
            return unknown
        used = rx or self.prescription_of(solid.name)
        rx_gy = used.total_gy if used else None
        if parsed.kind.is_index:
            return self._index(parsed, solid, rx_gy)

        is_to_edge = Outside(outside) is Outside.EDGE

        def measured(dvh: Dvh, dose: Dose) -> Value:
            if is_to_edge and dvh.outside_cc > 0:
                dvh = self._to_edge(dvh, solid, parsed.biology, dose=dose)
            return measure(parsed, dvh, rx_gy)

        value = measured(self._dvh(solid, parsed.biology), self._needed_dose())
        if not self._data.registration_mm or parsed.kind is MetricKind.VOLUME:
            return value
        others = [measured(dvh, dose) for dvh, dose in self._shifts(solid, parsed.biology)]
        return widened(
            value, others, f"Band with {self._data.registration_mm:g} mm of registration"
        )

    def _index(self, metric: Metric, target: Structure, rx_gy: float | None) -> Value:
        """An index of a target, alone among the case's targets but for those nested with it."""
        if needs_prescription(metric) and rx_gy is None:
            return no_prescription(metric, target.name)
        around = metrics.indices.Surroundings(
            dvh=self._dvh(target, None),
            isodose=self._isodoses(target).at,
            others=self._other_targets(target),
            far=lambda: self._far_from(target),
        )
        return metrics.indices.measure_index(metric, target, around, rx_gy or math.nan)

    def ntcp(self, parameters: LkbSet, structure: str | Structure) -> Value:
        """Return what a published parameter set estimates for a structure, in percent.

        Model output for information. Undefined outside the fractionation that the set was fitted to,
        which the prescriptions of the case say, and where fractions are unknown.
        """
        solid = self._solid(structure)
        if (unknown := self._no_biology(parameters.biology, Unit.PERCENT)) is not None:
            return unknown
        return metrics.ntcp.complication_probability(
            parameters, self._dvh(solid, parameters.biology), self._fraction_doses
        )

    def extremes(
        self, structure: str | Structure, biology: Biology | None = None
    ) -> tuple[HotSpot | None, HotSpot | None]:
        """Return the hottest and the coldest known point of a structure, None without known dose.

        With ``biology`` in EQD2 or BED, None where :meth:`metric` would be undefined for its fractions.
        """
        solid = self._solid(structure)
        if self._no_biology(biology, Unit.GY) is not None:
            return None, None
        dvh = self._dvh(solid, biology)
        return dvh.hottest, dvh.coldest

    def grid_error(self, structure: str | Structure) -> GridError | None:
        """Return what the interpolation of the dose grid may change; None without known dose.

        An estimate for Mean and Max of the physical dose, apart from the bands of values.
        """
        solid = self._solid(structure)
        hottest, _coldest = self.extremes(solid)
        return dosimetry.interpolation.grid_error(
            solid, self._needed_dose(), None if hottest is None else hottest.position_mm
        )

    def edge_dose(self, structure: str | Structure, biology: Biology | None = None) -> Value:
        """Return the highest dose on the surface where the dose grid's border cuts a structure.

        A bound from above, by less than a voxel's rise along the border
        (:mod:`planeval.dose.edge`), in Gy or in the EQD2 or BED of ``biology``. Undefined, with the
        reason, where nothing lies outside or no such surface speaks for what does.
        """
        solid = self._solid(structure)
        dose = self._needed_dose()
        if (unknown := self._no_biology(biology, Unit.GY)) is not None:
            return unknown
        if not self._dvh(solid, biology).outside_cc > 0:
            return Value.undefined(f"nothing of {solid.name} lies outside the dose grid", Unit.GY)
        return self._edge(solid, biology, dose)

    def hot_parts(self, structure: str | Structure, gy: float) -> tuple[DosePart, ...]:
        """Return the connected parts of a structure at or above a physical dose, largest first."""
        solid = self._solid(structure)
        return dosimetry.parts.hot_parts(solid, self._needed_dose(), gy)

    def cold_parts(self, structure: str | Structure, gy: float) -> tuple[DosePart, ...]:
        """Return the connected parts of a structure below a physical dose, largest first."""
        solid = self._solid(structure)
        return dosimetry.parts.cold_parts(solid, self._needed_dose(), gy)

    def tcp(self, parameters: PoissonSet, structure: str | Structure) -> Value:
        """Return the tumour control that a published parameter set estimates, in percent.

        Model output for information; undefined where :meth:`ntcp` is.
        """
        solid = self._solid(structure)
        if (unknown := self._no_biology(parameters.biology, Unit.PERCENT)) is not None:
            return unknown
        return metrics.tcp.control_probability(
            parameters, self._dvh(solid, parameters.biology), self._fraction_doses
        )

    def spills(self, target: str | Structure, rx: Prescription) -> tuple[IsodosePart, ...]:
        """Return the parts of a prescription isodose that touch none of the case's targets.

        Parts smaller than a dose cell are noise of the grid: ask for their ``volume_cc``.
        """
        solid = self._solid(target)
        isodose = self._isodoses(solid).at(rx.total_gy)
        targets = [
            each
            for each in metrics.recognition.targets_of(self.structures.values())
            if each is not solid
        ]
        return metrics.indices.spilled(isodose, [solid, *targets])

    def _isodoses(self, target: Structure) -> IsodoseMap:
        """The isodoses of the dose in the plane frame of a target."""
        frame = target.stack.frame
        key = tuple(frame.axes.round(6).ravel().tolist())
        if key not in self._isodose_maps:
            self._isodose_maps[key] = dosimetry.isodose.IsodoseMap(self._needed_dose(), frame)
        return self._isodose_maps[key]

    def _other_targets(self, target: Structure) -> tuple[Structure, ...]:
        """The targets that are neither this one nor nested with it."""
        if target not in self._others:
            self._others[target] = tuple(
                other
                for other in metrics.recognition.targets_of(self.structures.values())
                if other is not target
                and not metrics.recognition.is_inside(target, other)
                and not metrics.recognition.is_inside(other, target)
            )
        return self._others[target]

    def _far_from(self, target: Structure) -> Dvh | str:
        """The DVH of the body more than 20 mm from a target, or why there is none."""
        body = metrics.recognition.body_of(self.structures.values())
        if body is None:
            return "the body is not known: no structure, or several, of type EXTERNAL"
        try:
            return self._dvh(self._far_body(body, target), None)
        except GeometryError as error:
            return f"the part of {body.name} far from {target.name} is not known: {error}"

    @property
    def _keeps_coverages(self) -> bool:
        """Whether this is one of several cases with other doses, which share what they cover."""
        return self._cover is not cover_structure

    def _far_body(self, body: Structure, target: Structure) -> Structure:
        """The body beyond reach of a target; for this case's dose alone, its hottest part."""
        if self._keeps_coverages or self._dvh(body, None).outside_cc > 0:
            if target not in self._far:
                self._far[target] = metrics.far_body.body_beyond(body, target)
            return self._far[target]
        if target not in self._hottest_far:
            self._hottest_far[target] = metrics.far_body.hottest_beyond(
                body, target, self._isodoses(target)
            )
        return self._hottest_far[target]

    def _no_biology(self, biology: Biology | None, unit: Unit) -> Value | None:
        """The undefined value, with the reason, where the dose has no EQD2 or BED; None where it has."""
        reason = dosimetry.biology.obstacle(self._needed_dose()) if biology is not None else ""
        return Value.undefined(f"no {biology}: {reason}", unit) if reason else None

    @property
    def _fraction_doses(self) -> list[float]:
        """The doses per fraction of the prescriptions that state one."""
        return [rx.fraction_gy for rx in self.prescriptions if rx.fraction_gy is not None]

    def _dvh(self, solid: Structure, biology: Biology | None) -> Dvh:
        """The DVH in physical dose, EQD2 or BED."""
        if (solid, biology) not in self._dvhs:
            self._dvhs[solid, biology] = self._histogram(solid, self._needed_dose(), biology)
        return self._dvhs[solid, biology]

    def _to_edge(self, dvh: Dvh, solid: Structure, biology: Biology | None, *, dose: Dose) -> Dvh:
        """The DVH with what lies outside at the edge dose at most, as it is where there is none."""
        edge = self._edge(solid, biology, dose)
        return dvh.with_outside(at_most_gy=edge.value) if edge.is_defined else dvh

    def _edge(self, solid: Structure, biology: Biology | None, dose: Dose) -> Value:
        """The edge dose in one of the case's doses."""
        key = (solid, biology, dose)
        if key not in self._edges:
            self._edges[key] = dosimetry.edge.edge_dose(solid, dose, biology)
        return self._edges[key]

    def _shifts(self, solid: Structure, biology: Biology | None) -> tuple[tuple[Dvh, Dose], ...]:
        """The DVHs in registered doses moved by what the registration may be off."""
        if (solid, biology) not in self._shifted:
            doses = dosimetry.summation.shifted(self._needed_dose(), self._data.registration_mm)
            self._shifted[solid, biology] = tuple(
                (self._histogram(solid, each, biology), each) for each in doses
            )
        return self._shifted[solid, biology]

    def prescription_of(self, name: str) -> Prescription | None:
        """The prescription of a structure: its own, else the plan's if there is only one level."""
        own = [rx for rx in self.prescriptions if rx.target == name]
        if len(own) == 1:
            return own[0]
        levels = {rx.total_gy for rx in self.prescriptions}
        return self.prescriptions[0] if not own and len(levels) == 1 else None

    def dose_at(self, x: float, y: float, z: float) -> Value:
        """Return the dose at a patient point (LPS mm), undefined outside the dose grid."""
        point = np.array([[x, y, z]], dtype=float)
        total = sum(float(trilinear(term, point)[0]) for term in self._needed_dose().terms)
        if not np.isfinite(total):
            return Value.undefined(
                f"({x:.1f}, {y:.1f}, {z:.1f}) mm lies outside the dose grid", Unit.GY
            )
        return Value.of(total, Unit.GY)

    def with_structures(self, *structures: Structure) -> Case:
        """Return a new case that also knows these structures.

        Raises ValueError for a name that the case already has.
        """
        known = dict(self.structures)
        for structure in structures:
            if structure.name in known or structure.name in self._data.unusable:
                raise ValueError(f"the case already has a structure named {structure.name!r}")
            known[structure.name] = structure
        return Case(replace(self._data, structures=known), self._method)

    def with_dose(self, dose: Dose) -> Case:
        """Return a new case with another dose, which shares what depends on the structures alone.

        Of its own and all further such cases: derived structures, and the coverage of structures on
        doses of one lattice. Its bands hold the sampling cells alone: not the end caps, nor how far a
        registration may be off.
        """
        other = Case(replace(self._data, dose=dose, registration_mm=0.0), self._method)
        other._cover = other._coverages = self._coverages
        other._derived, other._others, other._far = self._derived, self._others, self._far
        return other

    def __repr__(self) -> str:
        plans = ", ".join(plan.label for plan in self.plans) or "no plan"
        return f"Case({self.patient_id!r}, {plans}, {len(self.structures)} structures)"

    def _solid(self, asked: str | Structure) -> Structure:
        """What a caller asks about: a structure, or the text that names one."""
        return self.structure(asked) if isinstance(asked, str) else asked

    def _lookup(self, name: str) -> Structure:
        if name in self.structures:
            return self.structures[name]
        unusable = self._data.unusable.get(name)
        if unusable is not None:
            raise UnknownStructure(f"structure {name!r} has no volume: {unusable.reason}")
        raise UnknownStructure(f"no structure {name!r}; there are: {', '.join(self.structures)}")

    def _needed_dose(self) -> Dose:
        if self.dose is None:
            raise InconsistentCase("this case has no dose; export the RTDOSE with the plan")
        return self.dose

    def _histogram(self, solid: Structure, dose: Dose, biology: Biology | None) -> Dvh:
        if biology is None:
            return dose_volume_histogram(solid, dose, self._cover)
        return dosimetry.biology.biological_histogram(solid, dose, biology, covered=self._cover)


def _extent(solid: Structure) -> float:
    """A measure of the work that a structure is: the area of its planes in mm2."""
    return sum(float(plane.area.area) for plane in solid.stack.planes)
