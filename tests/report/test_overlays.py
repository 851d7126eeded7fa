"""Curves over the plan's own: a reference plan's, and those that the planning system stored."""

from dataclasses import replace

import numpy as np
import pytest
from tests.report.samples import case, record

from planeval.case import Case
from planeval.errors import InconsistentCase
from planeval.model import Identity, TpsDvh
from planeval.report.chart import chart_data, chart_of
from planeval.report.curves import curves_of
from planeval.report.figures import dvh_svg
from planeval.report.html import render_html
from planeval.report.overlays import overlays_of, reference_curves, tps_curves


def changed(**changes):
    return Case(replace(case().data, **changes))


def hotter(share=1.1):
    dose = case().dose
    terms = tuple(replace(term, gy=term.gy * share) for term in dose.terms)
    return changed(dose=replace(dose, terms=terms))


def stored(name="PTV", volume=(100.0, 80.0, 0.0)):
    return TpsDvh(
        name, np.array([0.0, 50.0, 60.0]), np.array(volume), origin="DVHSequence of RD.dcm"
    )


@pytest.fixture(scope="module")
def curves():
    return curves_of(case(), record())


def test_reference_curves_are_those_of_the_reference_dose(curves):
    """Same structures, doses 10 % higher."""
    made = reference_curves(case(), hotter(), curves)
    assert [each.name for each in made.curves] == [each.name for each in curves]
    for ours, theirs in zip(curves, made.curves, strict=True):
        assert theirs.dose_gy[-1] == pytest.approx(1.1 * ours.dose_gy[-1])
    assert made.note == ""


def test_a_reference_of_another_patient_is_refused(curves):
    """By PatientID, and by the birth date beside it."""
    with pytest.raises(InconsistentCase, match=r"another patient \(PatientID 'X'"):
        reference_curves(case(), changed(identity=Identity("X")), curves)
    born = [changed(identity=Identity("PE-1", birth_date=date)) for date in ("1960", "1961")]
    with pytest.raises(InconsistentCase, match="birth date '1961' where the plan has '1960'"):
        reference_curves(born[0], born[1], curves)


def test_a_reference_without_dose_is_refused(curves):
    """It has no curves to draw."""
    with pytest.raises(InconsistentCase, match="has no dose"):
        reference_curves(case(), changed(dose=None), curves)


def test_what_else_differs_is_said(curves):
    """Frame, a missing structure and a missing id."""
    fewer = {name: each for name, each in case().structures.items() if name != "Colon"}
    other = changed(identity=Identity(""), structures=fewer, frame_uid="9.9")
    note = reference_curves(case(), other, curves).note
    assert "unproven" in note
    assert "frame of reference of its own" in note
    assert "1 structures are not in it" in note


def test_with_a_reference_the_pattern_is_the_plan(curves):
    """The plan is solid, the reference dashed in the same colour, and only the plan has limits."""
    chart = chart_of(curves, record(), overlays_of(case(), curves, hotter()))
    ours, theirs = ([line for line in chart.lines if line.plan == plan] for plan in (0, 1))
    assert {line.dash for line in ours} == {()}
    assert {line.dash for line in theirs} == {(8, 4)}
    assert [line.ink for line in ours] == [line.ink for line in theirs]
    assert any(line.marks for line in ours)
    assert not any(line.marks for line in theirs)
    assert all(len(each.lines) == 2 for each in chart.structures)


def test_without_an_overlay_the_patterns_stay(curves):
    """Organs keep dashes of their own."""
    chart = chart_of(curves, record())
    assert len({line.dash for line in chart.lines}) > 2
    assert len(chart.plans) == 1


def test_the_dose_axis_reaches_the_reference(curves):
    """A hotter reference is not cut off."""
    chart = chart_of(curves, record(), overlays_of(case(), curves, hotter(1.5)))
    assert chart.doses_gy[-1] >= 1.5 * max(curve.dose_gy[-1] for curve in curves)


def test_stored_curves_start_hidden_and_keep_their_volume(curves):
    """Percent is of the planning system's own volume; a curve of an unknown ROI is listed as well."""
    known = changed(tps_dvhs=(stored(), stored("Gone"), stored("Empty", (0.0, 0.0, 0.0))))
    made = tps_curves(known, curves)
    assert [each.name for each in made.curves] == ["PTV", "Gone"]
    assert made.curves[0].total_cc == 100.0
    chart = chart_of(curves, record(), overlays_of(known, curves))
    assert not chart.plans[1].shown
    assert not any(line.shown for line in chart.lines if line.plan == 1)
    assert len({line.dash for line in chart.lines if line.plan == 0}) > 2
    line = next(line for line in chart.lines if line.plan == 1)
    assert np.interp(25.0, chart.doses_gy, line.percents) == pytest.approx(90.0, abs=0.1)
    assert chart.structures[-1].name == "Gone"


def test_a_case_without_stored_curves_has_no_such_overlay(curves):
    """Nothing to toggle."""
    assert tps_curves(case(), curves) is None
    assert overlays_of(None, curves) == ()


def test_the_legend_says_plan_and_structure():
    """In the page: the plans with their notes, and two volumes a structure."""
    known = changed(tps_dvhs=(stored(),))
    text = render_html(record(), known, reference=hotter())
    assert text.count("data-plan=") == 3
    assert "DVHSequence of RD.dcm; percent is of the volume that the planning system found" in text
    data = chart_data(
        chart_of(
            curves_of(known, record()), record(), overlays_of(known, curves_of(known, record()))
        )
    )
    assert {each["plan"] for each in data["series"]} == {0, 1}


def test_paper_shows_what_the_page_starts_with(curves):
    """The static chart of the PDF has the reference, and no hidden curve."""
    known = changed(tps_dvhs=(stored(),))
    plain, both = (
        dvh_svg(chart_of(curves, record(), overlays_of(known, curves, other)))
        for other in (None, hotter())
    )
    assert both.count('stroke-dasharray="8 4"') == 5
    assert 'stroke-dasharray="1 3"' not in plain
