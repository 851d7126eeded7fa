"""Grid interpolation in the reports: apart from the bands, with the structures."""

import json

import pytest
from tests.protocol.test_scenarios import PROTOCOL, case, cuboid
from tests.report import samples

from planeval.protocol.evaluate import evaluate
from planeval.protocol.reading import parse_protocol
from planeval.report.html import render_html
from planeval.report.pages import page_of
from planeval.report.wording import GRID_LEGEND


def test_the_record_has_the_estimate_of_every_structure():
    """As the case gives it; without a dose there is none, and no band is wider for it."""
    cut = cuboid("Cut", (40, -10, -10), (90, 10, 10))
    whole = case(extra=[cut])
    record = evaluate(whole, parse_protocol(PROTOCOL.encode(), "moving.yaml"))
    rows = {row["name"]: row for row in json.loads(record.to_json())["structures"]}
    for name in ("PTV", "Organ", "Cord"):
        error = whole.grid_error(name)
        assert abs(error.mean_gy) > 1e-4
        assert rows[name]["grid_mean_gy"] == pytest.approx(error.mean_gy, rel=1e-8)
        assert rows[name]["grid_maximum_gy"] == pytest.approx(error.maximum_gy, rel=1e-8)
        value = whole.metric("Mean[Gy]", name)
        assert rows[name]["mean"]["low"] == pytest.approx(value.low, rel=1e-8)
    assert rows["Cut"]["mean"]["number"] is None
    assert (rows["Cut"]["grid_mean_gy"], rows["Cut"]["grid_maximum_gy"]) == (None, None)
    bare = type(whole)(type(whole.data)(whole.data.identity, whole.data.structures))
    record = evaluate(bare, parse_protocol(PROTOCOL.encode(), "moving.yaml"))
    assert {row.grid_mean_gy for row in record.structures} == {None}


def test_html_and_pages_show_it_with_its_meaning():
    """Mean with its sign, Max to plus or minus, a dash for what has no volume."""
    record = samples.record()
    html = render_html(record)
    page = str(page_of(record))
    for shown in (html, page):
        assert "+0.12 / ±0.40" in shown
        assert "Grid, Gy" in shown
        assert GRID_LEGEND in shown
        assert "second differences" in shown
