"""Hot and cold spots of judged rows, on a phantom whose spots are known."""

import json

import numpy as np
import pytest
import shapely
from tests.phantoms import dose as whole_dose
from tests.phantoms import dose_on_grid, linear
from tests.protocol.test_scenarios import cuboid

from planeval.case import Case
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack
from planeval.metrics import grammar
from planeval.model import CaseData, Identity, Prescription, Structure
from planeval.protocol.evaluate import evaluate
from planeval.protocol.reading import parse_protocol
from planeval.protocol.spots import spot_kind
from planeval.report.html import render_html
from planeval.report.pages import page_of
from planeval.report.spots import MOST_PICTURES, spot_blocks, spot_pictures, spot_views

PROTOCOL = b"""\
schema: planeval.protocol/1
id: spots
version: "1"
title: Rows with spots
review: {status: draft}
constraints:
  - {id: organ, structure: Organ, metric: "Max[Gy]", kind: limit, per_protocol: "<= 40"}
  - {id: near, structure: Organ, metric: "D0.03cc[cGy]", kind: limit, per_protocol: "<= 9000"}
  - {id: eqd2, structure: Organ, metric: "EQD2_3:Max[Gy]", kind: limit, per_protocol: "<= 104"}
  - {id: cold, structure: PTV, metric: "D98%[%]", kind: limit, per_protocol: ">= 95"}
  - {id: mean, structure: Organ, metric: "Mean[Gy]", kind: limit, per_protocol: "<= 90"}
  - {id: told, structure: Organ, metric: "D2%[Gy]", kind: information}
  - {id: beside, structure: Far, metric: "Max[Gy]", kind: reference}
"""
PEAKS = ((21.0, -6.0, 5.0), (27.0, 7.0, -5.0))


def field(x, y, z):
    """50 Gy in the target with a cold corner, and two peaks in the organ."""
    target = 50 / (1 + np.exp((np.sqrt(x**2 + y**2 + z**2) - 22) / 2))
    cold = 18 * np.exp(-((x + 8) ** 2 + (y - 8) ** 2 + (z - 8) ** 2) / 20)
    peaks = sum(
        gy * np.exp(-((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) / 18)
        for gy, (a, b, c) in zip((30, 45), PEAKS, strict=True)
    )
    return np.maximum(target - cold, 0) + peaks


@pytest.fixture(scope="module")
def case():
    solids = [
        cuboid("PTV", (-10, -10, -10), (10, 10, 10), "PTV"),
        cuboid("CTV", (-6, -6, -6), (6, 6, 6), "CTV"),
        cuboid("Organ", (13, -14, -12), (33, 14, 12)),
        cuboid("Far", (-34, -30, -30), (-28, -20, -10)),
    ]
    term = dose_on_grid(field, step_mm=(2.0, 2.0, 2.0), half_mm=(45, 45, 45), fractions=5)
    data = CaseData(
        identity=Identity("P1"),
        structures={each.name: each for each in solids},
        dose=whole_dose(term),
        prescriptions=(Prescription("PTV", 50.0, 5, "VOLUME", "RTPLAN"),),
    )
    return Case(data)


@pytest.fixture(scope="module")
def record(case):
    return evaluate(case, parse_protocol(PROTOCOL, "spots.yaml"))


@pytest.fixture(scope="module")
def spots(record):
    return {each.row: each for each in record.spots}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Max[Gy]", "hot"), ("D0.03cc[Gy]", "hot"), ("D2%[Gy]", "hot"), ("EQD2_3:Max[Gy]", "hot"),
        ("Min[Gy]", "cold"), ("D98%[Gy]", "cold"), ("DC0.1cc[Gy]", "cold"), ("D50%[Gy]", ""),
        ("D10cc[Gy]", ""), ("V20Gy[cc]", ""), ("Mean[Gy]", ""), ("Volume[cc]", ""), ("HI", ""),
    ],
)  # fmt: skip
def test_which_metrics_have_a_spot(text, kind):
    """Near-extremes only."""
    assert spot_kind(grammar.parse(text)) == kind


def test_the_hot_spot_is_at_the_hotter_peak(spots):
    """The peak nearer to the target has its dose as well."""
    spot = spots["organ"]
    assert spot.position_mm == pytest.approx(PEAKS[0], abs=2.6)
    assert spot.number == pytest.approx(
        float(field(*np.array(spot.position_mm)[:, None])[0]), abs=0.8
    )


def test_distances_to_the_target_are_those_of_the_boxes(spots):
    """The point from the face of the PTV, and the gap of 3 mm between the boxes."""
    spot = spots["organ"]
    assert spot.target == "PTV"
    assert spot.target_mm == pytest.approx(spot.position_mm[0] - 10, abs=1e-6)
    assert spot.gap_mm == pytest.approx(3.0)


def test_two_peaks_above_the_limit_are_two_pieces(spots, case):
    """Their volumes add up to V40Gy; a lower level joins them."""
    beyond = spots["organ"].beyond
    assert (beyond.is_limit, beyond.parts) == (True, 2)
    volume = case.metric("V40Gy[cc]", "Organ").value
    assert beyond.volume_cc == pytest.approx(volume, rel=0.02)
    assert sum(beyond.parts_cc) == pytest.approx(beyond.volume_cc)


def test_within_the_limit_the_hot_volume_itself_is_looked_at(spots):
    """D0.03cc, in cGy: where its 0.03 cc are."""
    beyond = spots["near"].beyond
    assert not beyond.is_limit
    assert beyond.volume_cc == pytest.approx(0.03, rel=0.05)
    assert str(beyond.unit) == "cGy"


def test_a_limit_in_eqd2_is_looked_at_in_physical_dose(spots, case):
    """EQD2_3 of 104 Gy in five fractions is 40 Gy: the same pieces."""
    physical = 15 / 2 * (np.sqrt(1 + 4 * 104 * (1 + 2 / 3) / 15) - 1)
    volume = case.metric(f"V{physical:.4f}Gy[cc]", "Organ").value
    assert spots["eqd2"].beyond.volume_cc == pytest.approx(volume, rel=0.02)
    assert spots["eqd2"].number > spots["organ"].number


def test_the_cold_spot_of_a_target_names_the_nearest_judged_organ(spots):
    """Near the cold corner; the volume below 95 % of 50 Gy, and how far the organ is."""
    spot = spots["cold"]
    assert spot.kind == "cold"
    assert spot.position_mm == pytest.approx((-8, 8, 8), abs=2.6)
    assert (spot.organ, spot.target) == ("Organ", "")
    assert spot.organ_mm == pytest.approx(13 - spot.position_mm[0], abs=1e-6)
    assert spot.beyond.level == 95
    assert spot.beyond.volume_cc > 0


def test_rows_that_are_not_judged_show_only_new_places(spots):
    """D2% of the organ is where Max is; a reference row of another structure has its own."""
    assert "told" not in spots
    assert "mean" not in spots
    assert spots["beside"].beyond is None


def test_the_slice_is_the_plane_that_holds_the_point(spots):
    """Planes every 2 mm at odd heights: never the other side of a slab's face."""
    for spot in spots.values():
        assert spot.slice_axis == "z"
        assert abs(spot.slice_mm - spot.position_mm[2]) <= 1 + 1e-6
        assert spot.slice_mm % 2 == pytest.approx(1)


def test_spots_are_in_the_json(record):
    """Plain data with nulls where nothing is known."""
    found = {each["row"]: each for each in json.loads(record.to_json())["spots"]}
    assert found["organ"]["beyond"]["parts"] == 2
    assert found["cold"]["target_mm"] is None


def test_words_of_a_spot(record):
    """Place, neighbourhood and pieces, the failed ones first."""
    views = spot_views(record)
    assert [view.needs_look for view in views] == sorted(
        (view.needs_look for view in views), reverse=True
    )
    organ = next(view for view in views if view.row == "organ")
    assert organ.place.startswith("Hottest point")
    assert "mm from PTV" in organ.near[0]
    assert organ.near[1] == "comes within 3.0 mm of it"
    assert "at or above the limit of 40.00 Gy, in 2 pieces" in organ.beyond


def test_failed_rows_have_a_picture_each_place_once(record, case):
    """Max and EQD2 fail at one place: one picture; the cold spot has another."""
    pictures = spot_pictures(record, case)
    assert [each.row for each in pictures] == ["organ", "cold"]
    assert all("<circle" in each.svg and len(each.svg) < 60_000 for each in pictures)
    assert "outlined: Organ, PTV" in pictures[0].caption
    assert spot_pictures(record, None) == ()
    assert len(pictures) <= MOST_PICTURES


def test_the_report_shows_them(record, case):
    """In the page with pictures, and as blocks for paper; a name stays text."""
    text = render_html(record, case)
    assert 'id="spots"' in text
    assert text.count('class="spot"') == 2
    blocks = list(spot_blocks(record, case, str))
    assert [each.type for each in blocks] == ["heading", "figures", "table", "paragraph"]
    assert page_of(record, blocks, language="en", date="")


def test_on_the_face_between_two_planes_the_slice_is_the_one_whose_contour_holds_the_point():
    """Wide above z = 2, narrow below: the hottest point is on the face, at the wide plane's edge."""
    planes = [
        DrawnPlane(float(z), shapely.box(0, 0, 20 if z > 2 else 8, 10)) for z in (-3, -1, 1, 3, 5)
    ]
    step = Structure("Organ", PlanarStack(AXIAL, planes, spacing_mm=2.0), type="ORGAN")
    term = dose_on_grid(linear(0.5, 0, -0.5, 60.0), step_mm=(2.0, 2.0, 2.0), fractions=5)
    data = CaseData(identity=Identity("P1"), structures={"Organ": step}, dose=whole_dose(term))
    found = evaluate(Case(data), parse_protocol(PROTOCOL, "spots.yaml"))
    spot = next(each for each in found.spots if each.row == "organ")
    assert spot.position_mm[::2] == pytest.approx((20, 2))
    assert spot.slice_mm == 3
    assert (spot.target, spot.gap_mm, spot.reason) == ("", None, "the plan has no target")
