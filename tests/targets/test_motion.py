"""Motion between phases, and the margins that follow from it."""

import math

import numpy as np
import pytest
from tests.phantoms import round_stack, sphere, structure

import planeval as pe
from planeval.errors import GeometryError
from planeval.geometry.stack import AXIAL, PlanarStack, PlaneFrame
from planeval.model import Structure
from planeval.targets.motion import igtv, measure_motion, van_herk_margin
from planeval.targets.solids import moved


def ball(centre, radius=10.0, name="GTV"):
    return structure(round_stack(sphere(radius), 1.0, half_mm=radius, centre=centre), name)


def test_a_known_displacement_is_measured_on_each_axis():
    """Centre, surfaces, peak to peak and the 3-D distance of a ball on three phases."""
    motion = measure_motion(
        {"ref": ball((0, 0, 0)), "in": ball((1, -2, -6)), "out": ball((-0.5, 1, 3))}
    )
    lr, ap, si = motion.axes
    assert lr.centroid == pytest.approx((-0.5, 1.0), abs=1e-6)
    assert ap.centroid == pytest.approx((-2.0, 1.0), abs=1e-6)
    assert si.centroid == pytest.approx((-6.0, 3.0), abs=1e-6)
    assert si.peak_to_peak_mm == pytest.approx(9.0)
    assert si.positive_surface == pytest.approx((-6.0, 3.0), abs=1e-6)
    assert si.surface_peak_to_peak_mm == pytest.approx(9.0)
    assert motion.three_d_mm == pytest.approx(math.dist((1, -2, -6), (-0.5, 1, 3)))


def test_the_margin_reaches_every_phase_from_the_reference():
    """LPS: left is +x, posterior +y, superior +z; no side is below 0."""
    motion = measure_motion({"ref": ball((0, 0, 0)), "in": ball((1, -2, -6))})
    assert motion.margins_mm() == pytest.approx(
        {"left": 1, "right": 0, "anterior": 2, "posterior": 0, "superior": 0, "inferior": 6},
        abs=1e-6,
    )  # fmt: skip


def test_a_surface_that_moves_further_than_the_centre_counts():
    """A target that grows towards the head on one phase gets the margin of its surface."""
    tall = structure(round_stack(lambda _z: 8.0, 1.0, half_mm=10, phase=0.0))
    taller = structure(round_stack(lambda _z: 8.0, 1.0, half_mm=12, phase=0.0, centre=(0, 0, 2.0)))
    motion = measure_motion({"ref": tall, "in": taller})
    assert motion.axes[2].centroid[1] == pytest.approx(2.0)
    assert motion.margins_mm()["superior"] == pytest.approx(4.0)
    assert motion.margins_mm()["inferior"] == pytest.approx(0.0)


def test_doubts_are_said():
    """Volumes that differ, coarse planes and two phases are findings."""
    found = measure_motion({"a": ball((0, 0, 0)), "b": ball((0, 0, 2), radius=12)}).findings
    assert [f.code for f in found] == [
        "motion-volume-differs", "motion-plane-spacing", "motion-few-phases",
    ]  # fmt: skip


def test_refusals():
    """One phase, another frame, and an empty phase have no motion."""
    with pytest.raises(ValueError, match="at least two"):
        measure_motion({"a": ball((0, 0, 0))})
    frames = [Structure(n, ball((0, 0, 0)).stack, frame_uid=f"1.{n}") for n in "12"]
    with pytest.raises(GeometryError, match="different frames of reference"):
        measure_motion({"a": frames[0], "b": frames[1]})
    with pytest.raises(GeometryError, match="'E' is empty"):
        measure_motion({"a": ball((0, 0, 0)), "b": Structure("E", PlanarStack(AXIAL))})


def test_igtv_is_the_union():
    """Two balls that overlap: the lens counts once."""
    one, other = ball((0, 0, 0)), ball((8, 0, 0))
    whole = igtv([one, other])
    lens = math.pi * (4 * 10 + 8) * (2 * 10 - 8) ** 2 / 12 / 1000
    assert whole.volume_cc == pytest.approx(one.volume_cc + other.volume_cc - lens, rel=5e-3)
    assert whole.expression == "GTV | GTV"


@pytest.mark.parametrize("frame", [AXIAL, PlaneFrame((0, 1, 0), (0, 0, 1))])
def test_moved_moves(frame):
    """The copy has its centre where the vector says, in any plane frame, and the same volume."""
    solid = structure(round_stack(sphere(9), 1.5, half_mm=9, frame=frame, centre=(3, -2, 5)))
    shifted = moved(solid, (1.0, -2.0, 3.5), "moved")
    assert np.subtract(shifted.centroid_mm, solid.centroid_mm) == pytest.approx([1, -2, 3.5])
    assert shifted.volume_cc == pytest.approx(solid.volume_cc)
    slabs = Structure("S", PlanarStack(frame, slabs=solid.stack.slabs()))
    again = moved(slabs, (1.0, -2.0, 3.5), "m")
    assert again.volume_cc == pytest.approx(solid.volume_cc)
    assert again.centroid_mm == pytest.approx(shifted.centroid_mm)


def test_van_herk_against_the_closed_form():
    """M = 2.5 S + 1.64 (sqrt(s^2 + sp^2) - sp), worked by hand: 3-4-5 makes it 2.5 * 2 + 1.64."""
    made = van_herk_margin(systematic_mm=2, random_mm=3, penumbra_mm=4)
    assert made.margin_mm == pytest.approx(2.5 * 2 + 1.64 * 1)
    assert made.inputs == (("S", 2), ("s", 3), ("sp", 4))
    assert made.findings == ()
    assert "M = 2.5 S + 1.64" in made.formula


def test_breathing_adds_in_quadrature_as_the_sd_of_a_sinus():
    """0.36 A with A peak to peak: the SD of a sinus is A / (2 sqrt 2) = 0.354 A, not 0.707 A."""
    phase = np.linspace(0, 2 * np.pi, 10_001)[:-1]
    peak_to_peak = 10.0
    assert np.std(peak_to_peak / 2 * np.sin(phase)) == pytest.approx(0.36 * peak_to_peak, rel=0.02)
    made = van_herk_margin(systematic_mm=0, random_mm=0, penumbra_mm=0, motion_mm=peak_to_peak)
    assert made.margin_mm == pytest.approx(1.64 * 3.6)
    with_setup = van_herk_margin(systematic_mm=0, random_mm=2.7, penumbra_mm=0, motion_mm=10)
    assert with_setup.margin_mm == pytest.approx(1.64 * 4.5)  # 2.7, 3.6, 4.5: a 3-4-5 triangle
    assert ("A", 10) in with_setup.inputs


def test_few_fractions_are_warned_about():
    """Below 10 fractions random errors do not average out; at 10 they are said to."""
    inputs = {"systematic_mm": 1, "random_mm": 1, "penumbra_mm": 1}
    (found,) = van_herk_margin(**inputs, fractions=9).findings
    assert found.code == "margin-few-fractions"
    assert van_herk_margin(**inputs, fractions=10).findings == ()
    with pytest.raises(ValueError, match="S is -1"):
        van_herk_margin(systematic_mm=-1, random_mm=1, penumbra_mm=1)


def test_the_liver_case_has_the_motion_that_it_was_made_with():
    """MANIFEST: T00 is moved by (0.3, -1.5, -5.5) mm, T50 by (-0.2, 1.0, 4.5) mm."""
    case = pe.load("test_data/hepatic-pvtt")
    motion = measure_motion({n: case.structure(n) for n in ("GTV", "GTV_T00", "GTV_T50")})
    ranges = [axis.centroid for axis in motion.axes]
    assert np.array(ranges) == pytest.approx(
        np.array([[-0.2, 0.3], [-1.5, 1.0], [-5.5, 4.5]]), abs=0.15
    )
