"""From GTV to PTV: the rules of the paper on solids with known answers."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from tests.phantoms import disc, structure

import planeval as pe
from planeval.errors import GeometryError, UnknownStructure
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, Slab
from planeval.model import Severity, Structure
from planeval.targets.expansion import Avoid
from planeval.targets.record import record_of
from planeval.targets.rulebook import load_rule
from planeval.targets.rules import apply_rule
from planeval.targets.solids import cut_cc, moved, union
from planeval.targets.workflow import Errors, Phase, PtvBy, TargetRequest, make_targets


def ball(centre=(0.0, 0.0, 0.0), radius=8.0, name="GTV"):
    """A ball on planes 2.5 mm apart, of few corners: margins of many corners take time."""
    radii = {z: math.sqrt(radius**2 - z**2) for z in np.arange(-6.25, 8, 2.5).tolist()}
    planes = [DrawnPlane(centre[2] + z, disc(r, centre[:2], 40)) for z, r in radii.items()]
    return structure(PlanarStack(AXIAL, planes), name)


def tube(low, high, name, centre=(9.2, 0.0)):
    """A vessel of 4 mm radius along z beside the ball."""
    heights = np.arange(low + 1.25, high, 2.5)
    stack = PlanarStack(AXIAL, [DrawnPlane(float(z), disc(4, centre, 24)) for z in heights])
    return structure(stack, name)


def box(low, high, name):
    import shapely

    area = shapely.box(low[0], low[1], high[0], high[1])
    return Structure(name, PlanarStack(AXIAL, slabs=[Slab(low[2], high[2], area)]))


GTV = ball()
THROMBUS = tube(-5, 5, "PVTT")
VESSEL = tube(-25, 25, "V_Portal")
HEPATIC = {"gtv": GTV, "thrombus": THROMBUS, "vessel": VESSEL}


@pytest.fixture(scope="module")
def hepatic():
    return apply_rule(load_rule("hepatic"), HEPATIC)


def test_hepatic_ctv_is_shell_and_lumen(hepatic):
    """Gross + 5 mm beside the vessel, and the lumen 15 mm beyond the gross tumour, no more."""
    ctv = hepatic.structures["CTV"]
    assert (ctv.name, ctv.type) == ("CTV", "CTV")
    low, high = ctv.bounds_mm
    assert low[0] == pytest.approx(-13, abs=0.1)  # ball of 8 + 5
    reach = 5 + 15  # the thrombus ends at 5 mm; the ball's share of the lumen ends before
    assert (low[2], high[2]) == pytest.approx((-reach, reach), abs=0.6)
    assert high[0] == pytest.approx(9.2 + 4 + 5, abs=0.2)  # around the thrombus the shell
    for inner in HEPATIC.values():
        if inner is not VESSEL:
            assert cut_cc(inner, ctv) == pytest.approx(0, abs=1e-4)
    lumen = pe.targets.apply_rule(
        load_rule("hepatic"), HEPATIC, lengths={"along_vessel": 10}
    ).structures["CTV"]
    gained = ctv.volume_cc - lumen.volume_cc
    assert gained == pytest.approx(2 * 5 * math.pi * 16 / 1000, rel=0.05)


def test_steps_say_what_happened(hepatic):
    """Every step has its text and volume; lengths say who chose them; the default is said."""
    assert [step.make for step in hepatic.steps] == ["gross", "shell", "vessel_part", "ctv"]
    assert hepatic.steps[1].text == "gross + 5 mm"
    assert all(step.volume_cc > 0 for step in hepatic.steps)
    used = {length.name: (length.mm, length.origin) for length in hepatic.lengths}
    assert used == {
        "shell": (5, "default of the rule"), "along_vessel": (15, "default of the rule"),
    }  # fmt: skip
    assert [f.code for f in hepatic.findings] == ["target-length-default"]


def test_clipping_never_takes_gross_tumour_or_vessel_part(hepatic):
    """A crop that holds nothing of them, and an organ over everything: both stay whole."""
    elsewhere = box((-200, -200, -200), (-100, -100, -100), "Liver")
    over = Avoid(box((-90, -90, -90), (90, 90, 90), "Bowel"))
    for choice in ({"crop": elsewhere}, {"avoid": [over]}):
        made = apply_rule(load_rule("hepatic"), HEPATIC, **choice)
        part = union([GTV, THROMBUS], "gross").volume_cc
        assert made.steps[1].volume_cc == pytest.approx(part, rel=1e-6)
        assert made.steps[1].removals[0].cc == pytest.approx(
            hepatic.steps[1].volume_cc - part, rel=1e-6
        )
        assert made.steps[2].volume_cc == pytest.approx(hepatic.steps[2].volume_cc)
        assert cut_cc(GTV, made.structures["CTV"]) == pytest.approx(0, abs=1e-4)


def test_no_thrombus_is_refused_unless_stated():
    """A GTV that touches a vessel is not thrombus; the user may say that it is."""
    bare = {"gtv": ball(centre=(7, 0, 0)), "vessel": VESSEL}
    with pytest.raises(UnknownStructure, match="only touches a vessel is not thrombus"):
        apply_rule(load_rule("hepatic"), bare)
    made = apply_rule(load_rule("hepatic"), bare, facts=["vessel_has_thrombus"])
    assert made.structures["CTV"].bounds_mm[1][2] > 15
    with pytest.raises(UnknownStructure, match="got no vessel and no thrombus to continue"):
        apply_rule(load_rule("hepatic"), {"gtv": GTV}, facts=["vessel_has_thrombus"])
    with pytest.raises(UnknownStructure, match="no use for 'vessel'; it takes gtv"):
        apply_rule(load_rule("metastasis"), bare)


def test_metastasis_is_five_mm():
    """CTV = GTV + 5 mm in 3-D, the shell clipped."""
    made = apply_rule(load_rule("metastasis"), {"gtv": GTV})
    assert made.structures["CTV"].volume_cc == pytest.approx(
        4 / 3 * math.pi * 13**3 / 1000, rel=0.01
    )


def test_ptv_margins_default_and_range():
    """5 mm axial, 15 mm cranio-caudal with a warning; outside 10-15 is said, unknown names refused."""
    rule = load_rule("ptv")
    made = apply_rule(rule, {"ctv": GTV})
    low, high = made.structures["PTV"].bounds_mm
    assert (high[0], high[1], high[2]) == pytest.approx((13, 13, 23), abs=0.6)
    assert [(f.code, str(f.severity)) for f in made.findings] == [
        ("target-length-default", "warning")
    ]
    assert "PTV_Eval" not in made.structures
    outside = apply_rule(rule, {"ctv": GTV}, lengths={"cranio_caudal": 8})
    assert [f.code for f in outside.findings] == ["target-length-range"]
    assert low[2] == pytest.approx(-23, abs=0.6)
    with pytest.raises(ValueError, match="no length 'cc'; it has: axial, cranio_caudal"):
        apply_rule(rule, {"ctv": GTV}, lengths={"cc": 8})
    with pytest.raises(ValueError, match="need 0 to 100"):
        apply_rule(rule, {"ctv": GTV}, lengths={"axial": -1})
    with pytest.raises(ValueError, match="by side needs exactly superior, inferior"):
        apply_rule(rule, {"ctv": GTV}, lengths={"cranio_caudal": {"superior": 10, "left": 5}})


def test_avoidance_writes_a_second_ptv():
    """The PTV stays whole; PTV_Eval is what is left away from the organ (ICRU 83)."""
    bowel = Avoid(box((5, -90, -90), (90, 90, 90), "Bowel"), 2.0)
    request = TargetRequest("metastasis", {"gtv": GTV}, ptv_lengths={"cranio_caudal": 10},
                            ptv_avoid=(bowel,))  # fmt: skip
    made = {each.name: each for each in make_targets(request).structures}
    plain = make_targets(replace(request, ptv_avoid=())).structures
    assert [each.name for each in plain] == ["CTV", "PTV"]
    assert made["PTV"].volume_cc == pytest.approx(plain[1].volume_cc)
    assert made["PTV_Eval"].bounds_mm[1][0] == pytest.approx(3, abs=0.05)
    assert made["PTV"].bounds_mm[1][0] == pytest.approx(18, abs=0.1)


def test_a_rule_that_loses_the_tumour_is_stopped(tmp_path):
    """What a rule says it contains is checked after the step."""
    text = (
        "schema: planeval.target-rule/1\nid: bad\ntitle: t\nversion: '1'\n"
        "sources:\n  - citation: none\ninputs:\n  gtv: {text: tumour}\n  other: {text: thing}\n"
        "steps:\n  - make: ctv\n    unite: [other]\n    contains: [gtv]\n"
        "outputs:\n  - {make: ctv, name: CTV, type: CTV, colour: [1, 2, 3]}\n"
    )
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(GeometryError, match=r"step 'ctv': .* cc of 'GTV' lie outside the result"):
        apply_rule(load_rule(path), {"gtv": GTV, "other": ball(centre=(99, 0, 0))})


PHASES = (
    Phase("T00", {"gtv": moved(GTV, (0, -1, -6), "GTV_T00")}),
    Phase("T50", {"gtv": moved(GTV, (0.5, 1, 4), "GTV_T50")}),
)
MOVING = TargetRequest("metastasis", {"gtv": GTV}, phases=PHASES)


def test_itv_and_set_up_margin():
    """ITV = union of the CTVs of all phases; PTV = ITV + set-up margin, and nothing for motion again."""
    made = make_targets(replace(MOVING, ptv_by=PtvBy.ITV, setup_mm=4.0))
    by_name = {each.name: each for each in made.structures}
    assert list(by_name) == ["CTV", "IGTV", "ITV", "PTV"]
    assert [by_name[n].type for n in by_name] == ["CTV", "GTV", "CTV", "PTV"]
    low, high = by_name["PTV"].bounds_mm
    assert high[2] == pytest.approx(8 + 5 + 4 + 4, abs=1.0)
    assert low[2] == pytest.approx(-8 - 5 - 6 - 4, abs=1.0)
    assert high[0] == pytest.approx(8 + 5 + 0.5 + 4, abs=0.15)
    for inner, outer in (("IGTV", "ITV"), ("CTV", "ITV"), ("ITV", "PTV")):
        assert cut_cc(by_name[inner], by_name[outer]) == pytest.approx(0, abs=0.01)
    assert {length.origin for length in made.lengths if length.rule == "ptv"} == {
        "set-up margin on the ITV"
    }
    assert "target-length-range" not in [f.code for f in made.findings]


@pytest.fixture(scope="module")
def by_motion():
    return make_targets(replace(MOVING, ptv_by=PtvBy.MOTION))


def test_motion_margin(by_motion):
    """PTV = CTV of the reference phase + measured motion by side (+ set-up)."""
    made = by_motion
    assert [each.name for each in made.structures] == ["CTV", "IGTV", "PTV"]
    used = {length.name: length.mm for length in made.lengths if length.rule == "ptv"}
    assert used == pytest.approx(
        {"axial (left)": 0.5, "axial (right)": 0, "axial (anterior)": 1, "axial (posterior)": 1,
         "cranio_caudal (superior)": 4, "cranio_caudal (inferior)": 6}, abs=1e-6,
    )  # fmt: skip
    assert "target-no-setup" in [f.code for f in made.findings]
    more = make_targets(replace(MOVING, ptv_by=PtvBy.MOTION, setup_mm=3.0))
    used = {length.name: length.mm for length in more.lengths if length.rule == "ptv"}
    assert used["cranio_caudal (inferior)"] == pytest.approx(9)
    assert "target-no-setup" not in [f.code for f in more.findings]


def test_van_herk_with_and_without_motion():
    """On an ITV the formula has no A; on the reference CTV each axis has its own."""
    errors = Errors(2.0, 3.0, 4.0, fractions=5)
    itv = make_targets(replace(MOVING, ptv_by=PtvBy.ITV, errors=errors))
    (axial, height) = [length for length in itv.lengths if length.rule == "ptv"]
    assert axial.mm == height.mm == pytest.approx(6.64)
    assert "S 2, s 3, sp 4 mm" in axial.origin
    assert "margin-few-fractions" in [f.code for f in itv.findings]
    motion = make_targets(replace(MOVING, ptv_by=PtvBy.MOTION, errors=errors))
    used = {length.name: length.mm for length in motion.lengths if length.rule == "ptv"}
    spread = math.sqrt(3**2 + (0.36 * 10) ** 2)
    assert used["cranio_caudal"] == pytest.approx(5 + 1.64 * (math.sqrt(spread**2 + 16) - 4))


def test_choices_that_exclude_each_other():
    """An ITV and a motion margin are never both; a set-up margin is never invented."""
    for change, message in (
        ({"ptv_by": PtvBy.ITV}, "give the set-up margin, it has no default"),
        ({"ptv_by": PtvBy.MARGIN}, "say how the PTV uses them"),
        ({"ptv_by": PtvBy.ITV, "setup_mm": 3.0, "ptv_lengths": {"axial": 5}}, "choose one"),
        ({"ptv_by": PtvBy.ITV, "setup_mm": 3.0, "errors": Errors(1, 1, 1)}, "choose one"),
        ({"ptv_by": PtvBy.MOTION, "phases": ()}, "needs the GTV on other phases"),
        ({"phases": (), "setup_mm": 3.0}, "goes with phases"),
        ({"ptv_by": PtvBy.MOTION, "phases": PHASES[:1] * 2}, "two phases are called 'T00'"),
    ):
        with pytest.raises(ValueError, match=message):
            make_targets(replace(MOVING, **change))


def test_without_a_vessel_the_thrombus_is_continued_straight():
    """15 mm beyond both ends, as along the straight vessel, and said to be an assumption."""
    lump = tube(-10, 10, "PVTT")
    made = apply_rule(load_rule("hepatic"), {"gtv": GTV, "thrombus": lump})
    low, high = made.structures["CTV"].bounds_mm
    assert (low[2], high[2]) == pytest.approx((-25, 25), abs=0.6)
    (found,) = [f for f in made.findings if f.code == "target-straight-extension"]
    assert found.severity is Severity.WARNING
    assert "assumption" in found.message
    assert "superior 1.00" in found.message
    assert made.steps[2].text == "PVTT continued straight by 15 mm at both ends"
    with pytest.raises(GeometryError, match=r"extension of 'PVTT'.*times as long as wide"):
        apply_rule(load_rule("hepatic"), {"gtv": GTV, "thrombus": tube(-3.75, 3.75, "PVTT")})


def test_phases_of_the_hepatic_rule():
    """Thrombus and vessel belong to the phase; without them the user allows a rigid shift, or not."""
    request = replace(MOVING, rule="hepatic", inputs=HEPATIC, phases=PHASES[:1],
                      ptv_by=PtvBy.ITV, setup_mm=3.0)  # fmt: skip
    with pytest.raises(UnknownStructure, match="phase 'T00' has no thrombus and no vessel"):
        make_targets(request)
    made = make_targets(replace(request, rigid=True))
    assert "target-phase-assumed" in [f.code for f in made.findings]
    whole = {name: moved(each, (0, -1, -6), name) for name, each in HEPATIC.items()}
    drawn = make_targets(replace(request, phases=(Phase("T00", whole),)))
    assert "target-phase-assumed" not in [f.code for f in drawn.findings]
    itv = [next(s for s in each.structures if s.name == "ITV") for each in (made, drawn)]
    assert itv[0].volume_cc == pytest.approx(itv[1].volume_cc, rel=1e-3)
    with pytest.raises(UnknownStructure, match="phase 'T9' has no GTV"):
        make_targets(replace(request, phases=(Phase("T9", {"vessel": VESSEL}),)))


def test_hostile_inputs():
    """Empty, outside the vessel, other frames: each is a refusal that names the structure."""
    empty = Structure("GTV", PlanarStack(AXIAL))
    with pytest.raises(GeometryError, match="'GTV' is empty"):
        apply_rule(load_rule("metastasis"), {"gtv": empty})
    outside = {**HEPATIC, "gtv": ball((80, 0, 0)), "thrombus": ball((80, 0, 0), name="PVTT")}
    with pytest.raises(GeometryError, match=r"V_Portal.*outside the vessel"):
        apply_rule(load_rule("hepatic"), outside)
    elsewhere = {**HEPATIC, "gtv": replace(GTV, frame_uid="1.1"),
                 "vessel": replace(VESSEL, frame_uid="1.2")}  # fmt: skip
    with pytest.raises(GeometryError, match="different frames of reference"):
        apply_rule(load_rule("hepatic"), elsewhere)
    zero = make_targets(
        TargetRequest("metastasis", {"gtv": GTV}, lengths={"shell": 0},
                      ptv_lengths={"axial": 0, "cranio_caudal": 0})
    )  # fmt: skip
    assert [each.volume_cc for each in zero.structures] == pytest.approx([GTV.volume_cc] * 2)


def test_targets_are_drawn_on_planes():
    """What is handed out stands for exactly what its planes stand for."""
    made = make_targets(
        TargetRequest("metastasis", {"gtv": GTV}, ptv_lengths={"cranio_caudal": 10})
    )
    for each in made.structures:
        heights = np.array([plane.offset_mm for plane in each.stack.planes])
        assert np.diff(heights) == pytest.approx(np.full(len(heights) - 1, 2.5))
        assert (heights / 2.5 % 1) == pytest.approx(np.full(len(heights), 0.5))
    assert made.structures[0].volume_cc == pytest.approx(4 / 3 * math.pi * 13**3 / 1000, rel=0.015)


def test_the_record_is_the_same_text_every_time(by_motion):
    """expansion.json holds rules with digest, steps, lengths and motion, and no clock or path."""
    case = pe.load("test_data/hepatic-pvtt")
    made = by_motion
    one, other = (record_of(made, case).to_json() for _ in "12")
    assert one == other
    data = json.loads(one)
    assert data["schema"] == "planeval.expansion/1"
    assert {rule["id"] for rule in data["rules"]} == {"metastasis", "ptv"}
    assert data["motion"]["axes"][2]["axis"] == "superior-inferior"
    assert data["ptv_by"] == "motion"
    assert len(data["steps"]) == len(made.steps)
