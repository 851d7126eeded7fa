"""Sums of plans in scenarios: every plan is moved, averaged and converted on its own."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.sums.conftest import first_dose, rigid, second_dose, write

import planeval as pe
from planeval.cli import main
from planeval.dose.biology import deliveries
from planeval.errors import InconsistentCase
from planeval.report.robustness import set_views

GRADIENTS = np.array([[0.11, -0.07, 0.05], [-0.13, 0.19, -0.23]])
"""Of first_dose and second_dose, in Gy/mm."""

PROTOCOL = """\
schema: planeval.protocol/1
id: moved-sums
version: "1"
title: Rows on a sum that moves
review: {status: draft}
constraints:
  - {id: mean, structure: Liver, metric: "Mean[Gy]", kind: limit, per_protocol: "<= 200",
     applies: {fractions: [5, 5]}}
  - {id: eqd2, structure: Liver, metric: "EQD2_3:Mean[Gy]", kind: limit, per_protocol: "<= 160"}
"""


@pytest.fixture(scope="module")
def protocol(tmp_path_factory):
    path = tmp_path_factory.mktemp("protocol") / "moved.yaml"
    path.write_text(PROTOCOL, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def total(first, second):
    return pe.plan_sum([first.load(), second.load()])


def centre_and_variance(structure, gradients):
    """Centre of a box, and the variance of linear doses over it: sum of g^2 L^2 / 12."""
    low, high = (np.array(end) for end in structure.bounds_mm)
    return (low + high) / 2, (gradients**2 * (high - low) ** 2 / 12).sum(axis=1)


def eqd2_mean(structure, shifts, fractions=(25, 5)):
    """Mean EQD2_3 over a box that lies elsewhere in each of the two linear doses, by hand."""
    centre, variance = centre_and_variance(structure, GRADIENTS)
    found = 0.0
    for dose, shift, spread, count in zip(
        (first_dose, second_dose), shifts, variance, fractions, strict=True
    ):
        mean = dose(*(centre + shift))
        found += (mean + (mean**2 + spread) / (3 * count)) / (1 + 2 / 3)
    return found


def rows_of(found):
    return {row.id: row for row in found.rows}


def test_a_shift_set_moves_all_plans_alike(total, protocol):
    """The EQD2 of every direction is that of both plans moved by one shift."""
    (found,) = pe.robustness(total, protocol, pe.Directions(6, (4, 3, 2))).sets
    row = rows_of(found)["eqd2"]
    liver = total.structure("Liver")
    for scenario, number in zip(found.scenarios, row.numbers, strict=True):
        assert scenario.deliveries_mm == (scenario.mean_mm, scenario.mean_mm)
        assert number == pytest.approx(eqd2_mean(liver, scenario.deliveries_mm), abs=5e-3)


def test_drawn_scenarios_move_every_plan_by_itself(total, protocol):
    """Systematic and random errors over 25 and 5 fractions: each plan's mean shift, by hand."""
    errors = pe.SetupErrors((1.5, 1.0, 2.0), (1.0, 1.0, 1.0), scenarios=4, seed=3)
    result = pe.robustness(total, protocol, errors)
    (found,) = result.sets
    liver = total.structure("Liver")
    row = rows_of(found)["eqd2"]
    for scenario, number in zip(found.scenarios, row.numbers, strict=True):
        one, other = scenario.deliveries_mm
        assert np.linalg.norm(np.subtract(one, other)) > 0.05
        assert scenario.mean_mm == pytest.approx((25 * np.array(one) + 5 * np.array(other)) / 30)
        assert number == pytest.approx(eqd2_mean(liver, (one, other)), abs=5e-3)
    assert result.record.deliveries == ("A (25 fractions)", "B (5 fractions)")


def test_physical_rows_apply_as_they_do_to_the_sum(total, protocol):
    """A row for 5 fractions does not apply to 25 + 5 in any scenario, and is neither met nor missed."""
    (found,) = pe.robustness(total, protocol, pe.Directions(6)).sets
    assert rows_of(found)["mean"].met is None


def test_systematic_errors_alone_weigh_the_mean_by_fractions(total, protocol):
    """The mean shift over all fractions is nearer to that of the longer course."""
    errors = pe.SetupErrors((5, 5, 5), scenarios=3)
    (found,) = pe.robustness(total, protocol, errors).sets
    for scenario in found.scenarios:
        one, other = map(np.array, scenario.deliveries_mm)
        assert scenario.mean_mm == pytest.approx((25 * one + 5 * other) / 30)


def test_a_registered_plan_moves_with_the_patient(first, elsewhere, tmp_path, protocol):
    """Shifts are along the axes of the first plan, however the other grid is turned."""
    first.writer.folder = tmp_path
    first.writer.registration(elsewhere.writer.frame_uid, rigid())
    total = pe.plan_sum([first.load(), elsewhere.load()], registrations=[tmp_path])
    errors = pe.SetupErrors((1.5, 1.0, 2.0), (1.0, 1.0, 1.0), scenarios=2, seed=5)
    result = pe.robustness(total, protocol, errors)
    liver = total.structure("Liver")
    (found,) = result.sets
    for scenario, number in zip(found.scenarios, rows_of(found)["eqd2"].numbers, strict=True):
        assert number == pytest.approx(eqd2_mean(liver, scenario.deliveries_mm), abs=0.02)
    codes = {each.code: each.message for each in result.findings}
    assert "taken as exact" in codes["registration-taken-as-exact"]
    assert "(2 mm)" in codes["registration-taken-as-exact"]
    assert "was moved by registration" in codes["dose-registered"]
    assert "systematic error of its own" in codes["several-deliveries"]


def test_the_reach_is_that_of_the_plan_that_moves_most(total, protocol, monkeypatch):
    """Two plans that move apart do not cancel in the look for lung and air."""
    asked = []

    def seen(structures, targets, reach_mm, matches=()):
        asked.append(reach_mm)
        return iter(())

    monkeypatch.setattr("planeval.protocol.robustness.dose_cloud_findings", seen)
    (found,) = pe.robustness(total, protocol, pe.SetupErrors((4, 4, 4), scenarios=5)).sets
    norms = [np.linalg.norm(mm) for one in found.scenarios for mm in one.deliveries_mm]
    means = [np.linalg.norm(one.mean_mm) for one in found.scenarios]
    assert asked == [pytest.approx(max(norms))]
    assert max(norms) > max(means)


def test_reports_name_the_shift_of_every_part(total, protocol):
    """The mean of two courses says little; each is told with its plan."""
    result = pe.robustness(
        total, protocol, pe.SetupErrors((4, 4, 4), scenarios=2), pe.Directions(6)
    )
    drawn, directions = set_views(result.record)
    assert "A" in drawn.scenarios[0][1]
    assert "(5 fractions): " in drawn.scenarios[0][1]
    assert directions.scenarios[0][1] == "L 5.0 mm"


def plain_dose(case, fractions, *, uid=""):
    """A case whose dose belongs to no plan."""
    terms = tuple(replace(t, plan_uid=uid, fractions=fractions) for t in case.dose.terms)
    return pe.Case(replace(case.data, dose=replace(case.dose, terms=terms), plans=()), case.method)


def test_doses_without_a_plan_stay_deliveries_of_their_own(first, second):
    """Two courses of 25 are not one of 25 with the sum in each fraction: EQD2 adds up."""
    parts = [plain_dose(each.load(), 25) for each in (first, second)]
    total = pe.plan_sum(parts)
    assert len(deliveries(total.dose)) == 2
    value = float(total.metric("EQD2_3:Mean[Gy]", "Liver"))
    no_shift = np.zeros((2, 3))
    by_hand = eqd2_mean(total.structure("Liver"), no_shift, (25, 25))
    assert value == pytest.approx(by_hand, abs=5e-3)
    unnamed = [pe.Case(replace(c.data, dose=replace(c.dose, sources=())), c.method) for c in parts]
    third = pe.plan_sum([pe.plan_sum(unnamed), plain_dose(second.load(), 5)])
    assert len(deliveries(third.dose)) == 3
    again = pe.plan_sum([unnamed[0], pe.plan_sum([unnamed[1], plain_dose(first.load(), 5)])])
    assert len(deliveries(again.dose)) == 3


def test_random_errors_need_the_fractions_of_every_part(first, second, protocol):
    """One of them is unknown: refused, with what to do; systematic errors go on."""
    total = pe.plan_sum([first.load(), plain_dose(second.load(), None)])
    with pytest.raises(InconsistentCase, match="a part of the sum are unknown; give the RTPLAN of"):
        pe.robustness(total, protocol, pe.SetupErrors((1, 1, 1), (1, 1, 1)))
    result = pe.robustness(total, protocol, pe.SetupErrors((1, 1, 1), scenarios=2))
    assert "a dose without a plan (unknown fractions)" in result.record.deliveries
    for scenario in result.sets[0].scenarios:
        assert scenario.mean_mm == pytest.approx(np.mean(scenario.deliveries_mm, axis=0))


def test_a_multi_plan_dose_says_that_its_plans_move_together(tmp_path, protocol):
    """Nobody can move what is one array: a warning, not silence."""
    case = write(tmp_path, "M", second_dose, summation="MULTI_PLAN").load()
    result = pe.robustness(case, protocol, pe.Directions(6, (1, 1, 1)))
    (found,) = [each for each in result.findings if each.code == "plans-not-apart"]
    assert "cannot be moved one by one" in found.message
    assert result.record.deliveries == ()


def test_robust_with_another_plan(first, second, protocol, tmp_path, capsys):
    """--with as of evaluate: the JSON is that of the API, --rx states the sum's."""
    arguments = ["robust", str(first.folder), "--with", str(second.folder), "--protocol",
                 str(protocol), "--shift-set", "6"]  # fmt: skip
    assert main([*arguments, "--rx", "PTV=66", "--json", "--out", str(tmp_path)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["plans"] == ["A", "B"]
    assert len(record["deliveries"]) == 2
    assert "the dose is a sum" in (tmp_path / "robustness.html").read_text(encoding="utf-8")
    assert "PTV V100%[%]" in {row["id"] for row in record["sets"][0]["targets"]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--with", "{first}"], "is there twice"),
        (["--with", "{elsewhere}"], "no registration between them was given"),
    ],
)
def test_what_is_no_sum_is_refused(first, elsewhere, protocol, capsys, options, words):
    """Exit code 4 with the reason, as of evaluate."""
    places = {"first": first.folder, "elsewhere": elsewhere.folder}
    arguments = [each.format(**places) for each in options]
    code = main(
        ["robust", str(first.folder), *arguments, "--protocol", str(protocol), "--shift-set", "6"]
    )
    assert code == 4
    assert words in capsys.readouterr().err
