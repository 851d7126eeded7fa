"""Indices of targets against closed forms; isodoses that are joined, cut or missing."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from tests.phantoms import cylinder, dose, dose_on_grid, linear, round_stack, sphere

from planeval.case import Case
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, PlaneFrame
from planeval.metrics.recognition import body_of, is_inside, outermost, targets_of
from planeval.model import CaseData, Identity, Prescription, Structure

RX = 40.0


def ball(name, radius=10.0, centre=(0.0, 0.0, 0.0), kind="PTV", spacing=1.0):
    stack = round_stack(sphere(radius), spacing, half_mm=radius, centre=centre)
    return Structure(name, stack, type=kind)


def case_of(function, *structures, rx=(("PTV", RX),), **grid):
    options = {"step_mm": (1.5, 1.5, 1.5), "half_mm": (34.0, 34.0, 34.0)} | grid
    term = dose_on_grid(function, **options)
    return Case(
        CaseData(
            identity=Identity("P1"),
            structures={each.name: each for each in structures},
            dose=dose(term),
            prescriptions=tuple(Prescription(t, gy, 5, "VOLUME", "test") for t, gy in rx),
        )
    )


def radial(profile, centre=(0.0, 0.0, 0.0)):
    def function(x, y, z):
        away = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2)
        return profile(away)

    return function


def cone(away):
    """60 Gy at the centre, 2 Gy less every mm: 40 Gy at 10 mm, 20 Gy at 20 mm."""
    return np.maximum(60 - 2 * away, 0.0)


def bell(away):
    """A Gaussian of 60 Gy and 12 mm."""
    return 60 * np.exp(-(away**2) / (2 * 12.0**2))


def cc(radius):
    return 4 / 3 * np.pi * radius**3 / 1000


@pytest.mark.parametrize(
    ("profile", "radius_of"),
    [
        (cone, lambda gy: (60 - gy) / 2),
        (bell, lambda gy: 12 * np.sqrt(2 * np.log(60 / gy))),
    ],
    ids=["linear", "gaussian"],
)
@pytest.mark.parametrize("target_mm", [8.0, 10.0, 13.0])
def test_spheres_in_radial_dose(profile, radius_of, target_mm):
    """A target sphere inside, equal to, or around the sphere of the prescription isodose."""
    case = case_of(radial(profile), ball("PTV", target_mm))
    full, half, target = radius_of(RX), radius_of(RX / 2), target_mm
    covered = min(full, target)
    tv = case.structures["PTV"].volume_cc
    expected = {
        "PIV[cc]": cc(full),
        "TVPIV[cc]": cc(covered),
        "PaddickCI": cc(covered) ** 2 / (tv * cc(full)),
        "RTOGCI": cc(full) / tv,
        "GradientIndex": cc(half) / cc(full),
        "R50": cc(half) / tv,
    }
    for text, number in expected.items():
        value = case.metric(text, "PTV")
        assert float(value) == pytest.approx(number, rel=0.045), text
        # the band is about the drawn solid, which is up to 2 % off the ball
        assert value.low <= number * 1.02, text
        assert value.high >= number * 0.98, text


def test_homogeneity_of_a_linear_dose():
    """(D2% - D98%) / D50% of a box of length L in g Gy/mm is 0.96 g L / D50%."""
    box = Structure(
        "PTV",
        PlanarStack(AXIAL, [DrawnPlane(float(z), shapely.box(-9, -7, 11, 8)) for z in (-2, 0, 2)]),
        type="PTV",
    )
    value = case_of(linear(0.3, 0, 0, at_centre=50.0), box).metric("HI", "PTV")
    assert float(value) == pytest.approx(0.96 * 0.3 * 20 / 50.3, rel=1e-4)
    assert value.low < float(value) < value.high


def test_homogeneity_of_a_quadratic_dose():
    """In a ball with D = a - b r2 the part above radius r is r3 / R3."""
    case = case_of(
        radial(lambda r: np.maximum(60 - 0.02 * r**2, 0)),
        ball("PTV", 12.0, spacing=0.5),
        step_mm=(1.0, 1.0, 1.0),
    )
    d2, d50, d98 = (60 - 0.02 * 144 * share ** (2 / 3) for share in (0.02, 0.5, 0.98))
    assert float(case.metric("HI", "PTV")) == pytest.approx((d2 - d98) / d50, rel=0.01)


def test_uniform_dose_has_perfect_homogeneity_and_no_isodose_of_its_own():
    """HI is 0; the isodose fills the grid, so that its volume is unknown."""
    case = case_of(lambda x, y, z: 50.0 + 0 * x, ball("PTV"))
    assert float(case.metric("HI", "PTV")) == 0.0
    for text in ("PIV[cc]", "PaddickCI", "RTOGCI", "GradientIndex", "R50"):
        assert "reaches the edge of the dose grid" in case.metric(text, "PTV").reason
    assert float(case.metric("TVPIV[cc]", "PTV")) == pytest.approx(case.structures["PTV"].volume_cc)


def two_lesions(gap_mm):
    left, right = (radial(cone, (side * gap_mm / 2, 0, 0)) for side in (-1, 1))
    targets = [
        ball("PTV1", 9.0, (-gap_mm / 2, 0, 0)),
        ball("PTV2", 9.0, (gap_mm / 2, 0, 0)),
    ]
    return case_of(
        lambda x, y, z: np.maximum(left(x, y, z), right(x, y, z)),
        *targets,
        rx=(("PTV1", 40.0), ("PTV2", 40.0)),
        half_mm=(60.0, 34.0, 34.0),
    )


def test_isodoses_are_local_to_their_target():
    """Two lesions 50 mm apart: each has the indices of a lesion alone."""
    case = two_lesions(50.0)
    for name in ("PTV1", "PTV2"):
        assert float(case.metric("PIV[cc]", name)) == pytest.approx(cc(10), rel=0.03)
        assert float(case.metric("GradientIndex", name)) == pytest.approx(8.0, rel=0.03)


def test_a_joined_isodose_belongs_to_neither_target():
    """At 34 mm the 20 Gy isodoses merge, the 40 Gy ones do not; the joint volume is shown."""
    case = two_lesions(34.0)
    assert float(case.metric("PIV[cc]", "PTV1")) == pytest.approx(cc(10), rel=0.03)
    for name, other in (("PTV1", "PTV2"), ("PTV2", "PTV1")):
        for text in ("GradientIndex", "R50"):
            value = case.metric(text, name)
            assert f"joins {name} and {other}" in value.reason
            assert "the 20 Gy isodose of " in value.reason
    both = float(case.metric("R50", "PTV1", rx=None).reason.split("isodose of ")[1].split()[0])
    assert cc(20) < both < 2 * cc(20)


def test_nested_targets_are_one_target():
    """GTV in CTV in PTV does not make an isodose shared."""
    case = case_of(
        radial(cone), ball("GTV", 5.0, kind="GTV"), ball("CTV", 7.5, kind="CTV"), ball("PTV")
    )
    assert float(case.metric("PIV[cc]", "PTV")) == pytest.approx(cc(10), rel=0.03)
    assert float(case.metric("PIV[cc]", "CTV", case.prescription)) == pytest.approx(
        cc(10), rel=0.03
    )


def test_helpers_and_other_phases_are_no_second_target():
    """PTV_Eval, a ring and GTV_T50 share the isodose without making it shared."""
    near = (6.0, 0.0, 0.0)
    case = case_of(
        radial(cone), ball("PTV"), ball("PTV_Eval", 9.0, near), ball("PTV ring", 9.0, near),
        ball("GTV_T50", 5.0, (9.0, 0, 0)),
    )  # fmt: skip
    assert case.metric("PIV[cc]", "PTV").is_defined


def test_an_isodose_that_leaves_the_grid_is_not_known_whole():
    """The 20 Gy isodose ends at the grid, the 40 Gy one does not."""
    case = case_of(radial(cone), ball("PTV"), half_mm=(15.0, 34.0, 34.0))
    assert case.metric("PIV[cc]", "PTV").is_defined
    value = case.metric("R50", "PTV")
    assert "the 20 Gy isodose around PTV reaches the edge of the dose grid" in value.reason


def test_a_target_outside_its_isodose():
    """PIV is 0 cc; what divides by it is undefined."""
    case = case_of(radial(cone), ball("PTV", 4.0, (24.0, 0, 0)))
    assert float(case.metric("PIV[cc]", "PTV")) == 0.0
    assert float(case.metric("RTOGCI", "PTV")) == 0.0
    for text in ("PaddickCI", "GradientIndex"):
        assert "does not touch the target" in case.metric(text, "PTV").reason


def test_without_a_prescription_only_doses_of_the_target_are_known():
    """Nothing is derived from the dose: two levels leave no single one."""
    case = case_of(radial(cone), ball("PTV"), rx=(("A", 40.0), ("B", 50.0)))
    assert case.metric("HI", "PTV").is_defined
    for text in ("PaddickCI", "RTOGCI", "GradientIndex", "R50", "PIV[cc]", "TVPIV[cc]"):
        assert "refers to a prescription and PTV has none" in case.metric(text, "PTV").reason


def test_a_second_target_on_other_planes_is_said():
    """Which isodose a sagittally drawn target touches cannot be told on this lattice."""
    sagittal = PlaneFrame((0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    stack = round_stack(sphere(5.0), 1.0, half_mm=5.0, frame=sagittal)
    case = case_of(radial(cone), ball("PTV"), Structure("PTV2", stack, type="PTV"))
    assert "not parallel" in case.metric("PIV[cc]", "PTV").reason


@pytest.mark.parametrize("radius", [8.0, 11.0])
def test_d2cm_of_a_radial_dose(radius):
    """The dose 20 mm beyond the surface of a ball, in % of 40 Gy, at the steps of 1 mm slabs."""
    body = Structure("Body", round_stack(cylinder(33.0), 3.0, half_mm=32.0), type="EXTERNAL")
    case = case_of(radial(bell), ball("PTV", radius), body, half_mm=(36.0, 36.0, 40.0))
    expected = bell(radius + 20)
    value = case.metric("D2cm[%]", "PTV")
    nearest = bell(radius + 19.25)
    assert 100 * expected / RX * 0.99 < float(value) < 100 * nearest / RX
    assert float(case.metric("D2cm[Gy]", "PTV")) == pytest.approx(float(value) * RX / 100)
    assert "Largest known dose at" in value.notes[0]


def test_d2cm_beyond_the_dose_grid_is_at_least_what_is_known():
    """A body larger than the grid leaves [known, inf)."""
    body = Structure("Body", round_stack(cylinder(60.0), 3.0, half_mm=32.0), type="EXTERNAL")
    value = case_of(radial(bell), ball("PTV", 8.0), body).metric("D2cm[Gy]", "PTV")
    assert "lie outside the dose grid" in value.reason
    # what a drawn plane surely has: the nearest one may be half a spacing away
    assert bell(29.5) * 0.99 < value.possible[0] < bell(27.25)
    assert value.possible[1] == np.inf


def test_d2cm_needs_a_body():
    """Without an EXTERNAL structure, or with two, nobody knows where the patient ends."""
    body = Structure("Body", round_stack(cylinder(33.0), 3.0, half_mm=33.0), type="EXTERNAL")
    for bodies in ((), (body, replace(body, name="Other"))):
        value = case_of(radial(cone), ball("PTV"), *bodies).metric("D2cm[%]", "PTV")
        assert "the body is not known" in value.reason


def test_recognition_of_targets_and_body():
    """By type, then by name; nested means 90 % inside."""
    gtv, ptv, far = ball("GTV", 5.0, kind="GTV"), ball("PTV"), ball("PTV2", 6.0, (30, 0, 0))
    organ = ball("Liver", 30.0, kind="ORGAN")
    assert targets_of([gtv, ptv, far, organ, ball("PTV_opt")]) == (gtv, ptv, far)
    assert is_inside(gtv, ptv)
    assert not is_inside(ptv, gtv)
    assert not is_inside(far, ptv)
    half_out = ball("CTV", 5.0, (9.0, 0, 0), kind="CTV")
    assert not is_inside(half_out, ptv)
    assert outermost(gtv, [gtv, ptv, far]) is ptv
    assert outermost(far, [gtv, ptv, far]) is far
    assert body_of([gtv, replace(organ, name="BODY")]).name == "BODY"
    assert body_of([replace(organ, type="EXTERNAL"), replace(organ, name="Body")]).name == "Liver"
    assert body_of([gtv]) is None
