"""Which curves a report shows, and how they are read."""

import numpy as np
import pytest
from tests.report.samples import case, record

from planeval.report.chart import chart_data, chart_of
from planeval.report.curves import Curve, curves_of, is_target, volume_percent_at


def curve(doses, volumes, total=None, **more):
    doses, volumes = np.asarray(doses, float), np.asarray(volumes, float)
    return Curve("S", "ORGAN", (255, 255, 0), doses, volumes, total or volumes[0], **more)


def test_curves_are_those_of_the_plan_and_of_the_judged_expressions():
    """Every drawn structure with dose, and Liver - GTV because a row judges it."""
    names = [each.name for each in curves_of(case(), record())]
    assert names == ["External", "Liver", "GTV", "PTV", "Esophagus", "Colon", "Liver - GTV"]


def test_judged_structures_and_targets_start_visible():
    """The body and the whole liver wait to be asked for."""
    shown = {each.name for each in curves_of(case(), record()) if each.starts_visible}
    assert shown == {"GTV", "PTV", "Esophagus", "Colon", "Liver - GTV"}


def test_a_case_without_dose_has_no_curve():
    """No dose, no DVH, no error."""
    assert curves_of(case(dose=False), record()) == ()
    assert chart_of((), record()) is None


def test_volume_at_a_jump_includes_the_jump():
    """V(d) is the volume with dose >= d: at the jump's own dose all of it still counts."""
    stepped = curve([10, 20, 20, 30], [100, 100, 40, 40])
    at = volume_percent_at(stepped, np.array([0.0, 20.0, 20.001, 30.0, 30.1]))
    assert at == pytest.approx([100, 100, 40, 40, 0])


def test_volume_is_a_share_of_the_whole_structure():
    """A part outside the dose grid lowers the start of the curve."""
    assert volume_percent_at(curve([0, 10], [30, 0], total=120.0), np.array([0.0])) == (
        pytest.approx([25])
    )


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [("PTV_55", "", True), ("ptv", "ORGAN", False), ("Liver", "", False), ("x", "CTV", True)],
)
def test_the_type_decides_before_the_name(name, kind, expected):
    """An ROI of type ORGAN is no target, whatever its name."""
    assert is_target(name, kind) is expected


def test_limit_marks_stand_on_their_own_curve():
    """The spared-volume limit is on Liver - GTV at 5 Gy, the maximum on Colon at no volume."""
    chart = chart_of(curves_of(case(), record()), record())
    marks = {line.name: line.marks for line in chart.lines if line.marks}
    assert set(marks) == {"Liver - GTV", "Colon"}
    assert marks["Colon"][0].gy == 33.0
    assert marks["Colon"][0].percent == 0
    assert "≤ 33 Gy" in marks["Colon"][0].text


def test_a_limit_far_beyond_the_curves_is_not_drawn():
    """It would squeeze every curve into a corner."""
    chart = chart_of([curve([0, 10], [100, 0], judged=True)], record())
    assert chart.doses_gy[-1] <= 15
    assert not chart.lines[0].marks


def test_chart_data_agrees_with_the_curves():
    """What the chart reads at a dose is what the DVH says there."""
    known = case()
    chart = chart_of(curves_of(known, record()), record())
    data = chart_data(chart)
    index = [series["name"] for series in data["series"]].index("GTV")
    gy = data["doses"][400]
    expected = known.dvh("GTV").v(gy=gy, unit="%").value
    assert data["series"][index]["percent"][400] == pytest.approx(expected, abs=0.01)


def test_everything_shows_where_nothing_is_judged():
    """A chart is never empty for want of a target."""
    chart = chart_of([curve([0, 10], [100, 0])], record(rows=()))
    assert chart.lines[0].shown
