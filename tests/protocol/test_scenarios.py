"""A protocol in scenarios: the outcomes are those of evaluating a case that really moved."""

import json

import numpy as np
import pytest
import shapely
from tests.phantoms import dose as whole_dose
from tests.phantoms import dose_on_grid

from planeval.case import Case
from planeval.errors import InconsistentCase, ProtocolError
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack
from planeval.model import CaseData, Dose, Identity, Prescription, Status, Structure, Verdict
from planeval.model.robustness import Directions, SetupErrors
from planeval.protocol.evaluate import evaluate
from planeval.protocol.reading import parse_protocol
from planeval.protocol.robustness import judge_scenarios
from planeval.report.robustness import set_views
from planeval.robust import robustness

RX = Prescription("PTV", 50.0, 5, "VOLUME", "RTPLAN dose reference 1")
PROTOCOL = """\
schema: planeval.protocol/1
id: moving
version: "1"
title: Rows that a shift decides
review: {status: draft}
structures:
  Cord: {alpha_beta: 2}
constraints:
  - any:
      id: either
      kind: limit
      members:
        - {id: mean, structure: Organ, metric: "Mean[Gy]", per_protocol: "<= 12", acceptable: "<= 16"}
        - {id: spared, structure: Organ, metric: "CV20Gy[cc]", per_protocol: ">= 7.5"}
  - {id: cord, structure: Cord, metric: "EQD2:Max[Gy]", kind: limit, per_protocol: "<= 60"}
  - {id: derived, structure: "Organ", metric: "D0.03cc[Gy]", kind: recommendation, per_protocol: "<= 50"}
  - {id: told, structure: Organ, metric: "V10Gy[%]", kind: information}
"""


def cuboid(name, low, high, kind="ORGAN"):
    """A box with faces at these mm."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    planes = [DrawnPlane(float(z), shapely.box(x0, y0, x1, y1)) for z in np.arange(z0 + 1, z1, 2)]
    return Structure(name, PlanarStack(AXIAL, planes, spacing_mm=2.0), type=kind, origin="drawn")


def ball_dose(x, y, z):
    radius = np.sqrt(x**2 + y**2 + 0.9 * z**2)
    return 55 / (1 + np.exp((radius - 17) / 3)) + 0.05 * (x + 70)


def structures(shift=(0.0, 0.0, 0.0)):
    moved = np.asarray(shift)
    boxes = {
        "PTV": ((-14, -14, -14), (14, 14, 14), "PTV"),
        "CTV": ((-9, -9, -8), (9, 9, 8), "CTV"),
        "Organ": ((12, -12, -10), (34, 12, 10), "ORGAN"),
        "Cord": ((-6, 16, -20), (4, 24, 20), "ORGAN"),
        "External": ((-38, -35, -40), (38, 35, 40), "EXTERNAL"),
    }
    return [
        cuboid(name, np.array(low) + moved, np.array(high) + moved, kind)
        for name, (low, high, kind) in boxes.items()
    ]


def case(shift=(0.0, 0.0, 0.0), *, fractions=5, dose: Dose | None = None, extra=()):
    term = dose_on_grid(ball_dose, half_mm=(60.0, 60.0, 60.0), fractions=fractions)
    solids = [*structures(shift), *extra]
    data = CaseData(
        identity=Identity("P1"),
        structures={each.name: each for each in solids},
        dose=dose or whole_dose(term),
        prescriptions=(RX,),
    )
    return Case(data)


@pytest.fixture(scope="module")
def protocol():
    return parse_protocol(PROTOCOL.encode(), "moving.yaml")


@pytest.fixture(scope="module")
def directions(protocol):
    return judge_scenarios(case(), protocol, [Directions(6, (7.3, 6.1, 5.2))])


@pytest.fixture(scope="module")
def really(protocol, directions):
    """The ordinary evaluation of the case, really moved, in every direction."""
    return [evaluate(case(each.mean_mm), protocol) for each in directions.sets[0].scenarios]


def leaves(record):
    return {row.id: row for row in record.flat_rows()}


def test_every_direction_equals_the_evaluation_of_a_case_that_moved(directions, really):
    """Values, outcomes, groups and verdict: brute force through the ordinary evaluation."""
    (found,) = directions.sets
    rows = {row.id: row for row in found.rows}
    seen = set()
    for number, (scenario, record) in enumerate(zip(found.scenarios, really, strict=True)):
        assert scenario.verdict is record.verdict
        seen.add(scenario.verdict)
        for name, row in leaves(record).items():
            if name in rows:
                assert rows[name].numbers[number] == pytest.approx(row.value.value, abs=2e-3)
    assert len(seen) > 1, "the shifts decide nothing: the phantom is too easy"


def test_met_counts_are_those_of_the_moved_cases(directions, really):
    """How often a row, a group and the whole are met."""
    (found,) = directions.sets
    met = (Status.PASS, Status.ACCEPTABLE)
    for row in found.rows:
        outcomes = [
            item.outcome
            for record in really
            for item in (*record.rows, *record.flat_rows())
            if item.id == row.id
        ]
        unique = len(outcomes) // len(really)
        assert row.met * unique == sum(each.status in met for each in outcomes)
    assert found.verdict_met == sum(
        each.verdict in (Verdict.PASS, Verdict.ACCEPTABLE) for each in really
    )


def test_without_errors_every_scenario_is_the_plan(protocol):
    """All numbers and the verdict stay."""
    record = judge_scenarios(case(), protocol, [SetupErrors(scenarios=2)])
    planned = evaluate(case(), protocol)
    assert record.planned_verdict is planned.verdict
    values = leaves(planned)
    for row in record.sets[0].rows:
        if row.metric:
            assert row.numbers == pytest.approx([values[row.id].value.value] * 2, abs=1e-4)


def test_information_rows_are_left_out(directions):
    """Only what counts is judged in scenarios."""
    assert "told" not in {row.id for row in directions.sets[0].rows}


def test_drawn_scenarios_are_near_brute_force_over_the_fractions(protocol):
    """Mean dose over five fractions: the average of five cases that really moved."""
    errors = SetupErrors((2, 2, 2), (3, 3, 3), scenarios=1, seed=3)
    record = judge_scenarios(case(), protocol, [errors])
    source = np.random.default_rng([3, 0])
    systematic = source.standard_normal(3) * 2
    shifts = systematic + source.standard_normal((5, 3)) * 3
    assert record.sets[0].scenarios[0].mean_mm == pytest.approx(shifts.mean(axis=0))
    exact = np.mean([case(shift).metric("Mean[Gy]", "Organ").value for shift in shifts])
    (mean,) = [row for row in record.sets[0].rows if row.id == "mean"]
    assert mean.numbers[0] == pytest.approx(exact, abs=0.15)
    assert abs(mean.numbers[0] - mean.planned.value) > 0.5


def test_biology_is_that_of_the_averaged_dose(directions):
    """The cord is judged in EQD2 in every scenario."""
    (cord,) = [row for row in directions.sets[0].rows if row.id == "cord"]
    assert cord.metric == "EQD2_2:Max[Gy]"


def test_targets_are_covered_under_shift(directions):
    """The CTV is compared with 95 % of the dose; the PTV, which shifts use up, is not."""
    targets = {(row.structure, row.metric): row for row in directions.sets[0].targets}
    ctv, ptv = targets["CTV", "D98%[Gy]"], targets["PTV", "D98%[Gy]"]
    assert ctv.limit.limit == 47.5
    assert ctv.met is not None
    assert (ptv.limit, ptv.met) == (None, None)
    assert min(ctv.numbers) < ctv.planned.value
    assert not ctv.is_counted


def test_the_record_is_the_same_bytes_for_the_same_seed(protocol):
    """Reproducible to the byte, and plain JSON."""
    errors = SetupErrors((1, 1, 1), (1, 1, 1), scenarios=3, seed=5)
    one, two = (judge_scenarios(case(), protocol, [errors]).to_json() for _ in range(2))
    assert one == two
    assert json.loads(one)["sets"][0]["setup"]["seed"] == 5
    other = judge_scenarios(
        case(), protocol, [SetupErrors((1, 1, 1), (1, 1, 1), scenarios=3, seed=6)]
    )
    assert other.to_json() != one


def test_leaving_the_grid_is_not_evaluable_and_not_met(protocol):
    """A small grid: the outside part has no known dose, in this fraction or that."""
    small = whole_dose(dose_on_grid(ball_dose, half_mm=(37.0, 40.0, 40.0), fractions=5))
    record = judge_scenarios(case(dose=small), protocol, [Directions(6, (9, 9, 9))])
    rows = {row.id: row for row in record.sets[0].rows}
    left = [scenario.name for scenario in record.sets[0].scenarios].index("L")
    assert rows["mean"].numbers[left] is None
    assert rows["mean"].undefined == 1
    assert dict(rows["mean"].counts)[Status.NOT_EVALUABLE] == 1
    # the part inside is too hot already where the organ moves towards the target
    assert dict(rows["derived"].counts)[Status.FAIL] == 1


def findings(made, protocol, reach=6.0):
    record = judge_scenarios(made, protocol, [Directions(6, (reach, reach, reach))])
    return {each.code: each for each in record.findings}


def test_lung_within_reach_is_a_warning(protocol):
    """5 mm from the CTV: reached by 6 mm and not by 4 mm."""
    lung = cuboid("Lung_R", (-30, -20, 13), (30, 20, 30))
    found = findings(case(extra=[lung]), protocol)["static-dose-unsafe"]
    assert found.where == "CTV"
    assert "Lung_R" in found.message
    assert "static-dose-unsafe" not in findings(case(extra=[lung]), protocol, 4.0)


def test_air_within_reach_is_a_warning(protocol):
    """A tumour at the skin."""
    skin = cuboid("GTV", (-37, -3, -3), (-31, 3, 3), "GTV")
    found = findings(case(extra=[skin]), protocol)["static-dose-unsafe"]
    assert (found.where, "outside External" in found.message) == ("GTV", True)


def test_what_was_not_checked_is_said(protocol):
    """No lung and no body: nobody looked, and it does not count as safe."""
    assert "lung-not-checked" in findings(case(), protocol)
    bare = case()
    solids = {name: each for name, each in bare.structures.items() if name != "External"}
    data = CaseData(Identity("P1"), solids, bare.dose, prescriptions=(RX,))
    assert "air-not-checked" in findings(Case(data), protocol)


def test_a_case_without_dose_or_with_an_unread_protocol_is_refused(protocol):
    """As an evaluation refuses them."""
    data = CaseData(Identity("P1"), {each.name: each for each in structures()})
    with pytest.raises(InconsistentCase, match="no dose"):
        judge_scenarios(Case(data), protocol, [Directions()])
    unread = parse_protocol(PROTOCOL.replace("draft", "needs-check").encode(), "moving.yaml")
    with pytest.raises(ProtocolError, match="needs-check"):
        judge_scenarios(case(), unread, [Directions()])


def test_the_api_needs_a_setup(protocol):
    """Nothing to do is a wrong call."""
    with pytest.raises(ValueError, match="no scenarios"):
        robustness(case(), protocol)


def test_the_page_escapes_what_files_say(tmp_path, protocol):
    """A structure's name stays text; the page asks the network for nothing."""
    evil = cuboid("<script>alert(1)</script>", (-3, -3, -3), (3, 3, 3), "GTV")
    result = robustness(
        case(extra=[evil]), protocol, Directions(6, (3, 3, 3)), SetupErrors(scenarios=1)
    )
    path = tmp_path / "robustness.html"
    result.publish_html(path)
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "://" not in text
    assert repr(result).startswith("Robustness('moving', met in")


def test_words_tell_failed_from_unknown_scenarios(protocol):
    """What could not be evaluated is named beside what failed; a row that does not apply is neither."""
    small = whole_dose(dose_on_grid(ball_dose, half_mm=(37.0, 40.0, 40.0), fractions=5))
    absent = PROTOCOL + (
        '  - {id: gone, structure: Organ, metric: "Max[Gy]", kind: limit, per_protocol: "<= 9",'
        " applies: {fractions: [25, 25]}}\n"
    )
    record = judge_scenarios(
        case(dose=small), parse_protocol(absent.encode(), "gone.yaml"), [Directions(6, (9, 9, 9))]
    )
    (view,) = set_views(record)
    assert " could not be evaluated." in view.summary
    (gone,) = [line for line in view.rows if line.limit == "≤ 9 Gy"]
    assert gone.met == "—"
    (left,) = [line for line in view.rows if line.title == "Cord"]
    assert left.strip is not None
