"""What the scrollable slices are given: exact outlines, places to jump to, a page below its budget."""

import base64
import json
import zlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import shapely
from tests.report.samples import case, ellipsoid, record
from tests.report.test_html import Page

from planeval.case import Case
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, PlaneFrame
from planeval.model import Structure, Value
from planeval.model.targets import Spill, TargetRow
from planeval.report.html import SCRIPTS, VIEWER_SCRIPTS, render_html
from planeval.report.viewer import UNIT_MM, viewer_data, viewer_of


@pytest.fixture(scope="module")
def viewer():
    return viewer_of(case(), record(), ["GTV"])


def polygons(viewer, name):
    """(low, high, polygon in patient x, y) of every slab, as the page unpacks them."""
    data = viewer_data(viewer)
    slabs = json.loads(zlib.decompress(base64.b64decode(data["slabs"])))
    place = next(n for n, each in enumerate(data["structures"]) if each["name"] == name)
    found = []
    for low, high, rings in slabs[place]:
        shape = shapely.Polygon()
        for ring in rings:
            points = np.cumsum(np.array(ring).reshape(-1, 2), axis=0) * UNIT_MM
            shape = shape.symmetric_difference(shapely.Polygon(points + viewer.box.low[:2]))
        found.append((low, high, shape))
    return found


@pytest.mark.parametrize("name", ["GTV", "PTV", "Liver", "Colon"])
def test_outlines_are_the_drawn_polygons(viewer, name):
    """Slab by slab within the tolerance and the unit: a fifth of a millimetre, and the same volume."""
    structure = case().structures[name]
    found = polygons(viewer, name)
    drawn = {
        slab.low_mm: slab
        for slab in structure.stack.slabs(structure.method.caps, structure.method.between)
    }
    for low, high, shape in found:
        slab = drawn[low]
        assert high == pytest.approx(slab.high_mm)
        assert shapely.hausdorff_distance(shape.exterior, slab.area.exterior) < 0.2
    volume = sum(shape.area * (high - low) for low, high, shape in found) / 1000
    assert volume == pytest.approx(structure.volume_cc, rel=0.01)


def test_slabs_rise_and_do_not_overlap(viewer):
    """What the page relies on for upright planes."""
    for each in viewer.structures:
        for below, above in pairwise(each.slabs):
            assert below[1] <= above[0] + 1e-6


def test_a_hole_stays_a_hole():
    """Even-odd rings."""
    square = shapely.box(-20, -20, 20, 20).difference(shapely.box(-5, -5, 5, 5))
    stack = PlanarStack(AXIAL, [DrawnPlane(float(z), square) for z in (0, 3, 6)])
    known = case(image=False).with_structures(Structure("Ring", stack, type="ORGAN"))
    found = polygons(viewer_of(known, record(), []), "Ring")
    assert [shape.area for _, _, shape in found] == pytest.approx([1500] * len(found), rel=0.01)


def test_a_structure_drawn_feet_first_is_turned():
    """A frame whose normal points to the feet: heights change sign, x and y stay the patient's."""
    frame = PlaneFrame((1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
    stack = PlanarStack(
        frame, [DrawnPlane(float(w), shapely.box(10, 20, 30, 50)) for w in (-9, -6, -3)]
    )
    known = case(image=False).with_structures(Structure("Turned", stack, type="ORGAN"))
    found = polygons(viewer_of(known, record(), []), "Turned")
    assert (found[0][0], found[-1][1]) == (1.5, 10.5)
    assert all(below[1] == above[0] for below, above in pairwise(found))
    assert found[0][2].bounds == pytest.approx((10, -50, 30, -20), abs=0.1)


def test_a_structure_drawn_in_coronal_planes_is_cut():
    """Outlines on every axial slice, with the solid's volume."""
    frame = PlaneFrame((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
    stack = PlanarStack(
        frame, [DrawnPlane(float(w), shapely.box(-20, -20, 20, 20)) for w in range(-15, 16, 3)]
    )
    solid = Structure("Upright", stack, type="ORGAN")
    known = case(image=False).with_structures(solid)
    found = polygons(viewer_of(known, record(), []), "Upright")
    volume = sum(shape.area * (high - low) for low, high, shape in found) / 1000
    assert volume == pytest.approx(solid.volume_cc, rel=0.15)
    assert found[0][2].bounds == pytest.approx(
        solid.bounds_mm[0][:2] + solid.bounds_mm[1][:2], abs=1
    )


def test_jumps_name_place_and_row(viewer):
    """Target, dose maximum, then rows: the hottest point of an upper limit, the coldest of none."""
    texts = [jump.text for jump in viewer.jumps]
    assert texts[0] == "the centre of PTV"
    assert texts[1].startswith("the dose maximum, 59.")
    colon = next(jump for jump in viewer.jumps if jump.row_id == "Colon-Max[Gy]")
    assert colon.text == "Fail: Colon Max[Gy], hottest point of Colon"
    assert colon.point_mm == case().dvh("Colon").hottest.position_mm
    assert not any("Esophagus" in text for text in texts)


def test_a_lower_limit_is_shown_where_it_is_coldest():
    """CV of 5 Gy wants cold tissue, so the hot end decides; D98 of a target is cold."""
    rows = record().flat_rows()
    cold = replace(
        rows[1], metric="D98%[Gy]", id="cold", per_protocol=replace(rows[2].per_protocol)
    )
    jumps = viewer_of(case(image=False), record(rows=(cold, rows[2])), []).jumps
    coldest = next(jump for jump in jumps if jump.row_id == "cold")
    assert "coldest" in coldest.text
    spared = next(jump for jump in jumps if "CV5Gy" in jump.text)
    assert "hottest" in spared.text


def test_spilled_dose_can_be_looked_at():
    """A part of the prescription isodose outside the targets."""
    spill = Spill(1.0, 57.0, (1.0, 2.0, 3.0))
    target = TargetRow("PTV", "PTV", "", "", 55.0, (), (), (spill,))
    jumps = viewer_of(case(image=False), record(targets=(target,)), []).jumps
    assert jumps[-1].point_mm == (1.0, 2.0, 3.0)
    assert "57.00 Gy" in jumps[-1].text


def test_without_ct_or_dose_the_rest_is_shown():
    """Outlines alone, isodoses alone; without both there is no viewer."""
    assert viewer_of(case(image=False), record(), []).ct is None
    assert viewer_of(case(dose=False, image=False), record(), []).dose is None
    nothing = case(dose=False, structures=False, image=False)
    assert viewer_of(nothing, record(prescriptions=()), []) is None


def test_the_box_is_whole_pixels_and_slices(viewer):
    """The page maps pixels to millimetres with it."""
    ct = viewer.ct
    width = viewer.box.high[0] - viewer.box.low[0]
    assert width == pytest.approx(ct.columns * ct.pixel_mm[0])
    assert viewer.box.low[2] == pytest.approx(viewer.heights_mm[0] - 1.5)


def test_all_slices_fit_and_key_slices_stay_light():
    """Below 8 and below 1 MB; the default is the light one and has no script of the viewer."""
    light, full = (render_html(record(), case(), **more) for more in ({}, {"slices": "all"}))
    assert len(light) < 1_000_000
    assert len(full) < 8_000_000
    assert len(Page(light).scripts) == len(SCRIPTS) + 1
    assert len(Page(full).scripts) == len(SCRIPTS) + len(VIEWER_SCRIPTS) + 2
    assert 'id="viewer"' not in light


def test_other_slices_are_a_mistake():
    """The message lists what there is."""
    with pytest.raises(ValueError, match="slices 'some': there are key, all"):
        render_html(record(), case(), slices="some")


def test_a_row_that_can_be_shown_has_a_button():
    """The failed colon, not the passed oesophagus."""
    page = Page(render_html(record(), case(image=False), slices="all"))
    buttons = [attributes for tag, attributes in page.elements if "data-jump" in attributes]
    assert 1 <= len(buttons) < len(record().flat_rows())


def test_an_outline_without_thickness_is_left_out():
    """One plane of unknown thickness has no slab and is no error."""
    flat = Structure("Flat", ellipsoid((0.0, 0.0, 0.0), (20, 15, 0.5)), type="ORGAN")
    known = Case(replace(case(image=False).data, structures={**case().structures, "Flat": flat}))
    made = viewer_of(known, record(), [])
    assert next(each for each in made.structures if each.name == "Flat").slabs == ()


def test_values_without_a_dose_have_no_jump():
    """A row that nobody could measure has no place of its own."""
    gone = [
        replace(row, value=Value.undefined("none", row.value.unit)) for row in record().flat_rows()
    ]
    jumps = viewer_of(case(dose=False, image=False), record(rows=tuple(gone)), []).jumps
    assert [jump.text for jump in jumps] == ["the centre of PTV"]
