"""Slices: where they cut, what they sample, and how lines become vectors."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Picture
from tests.report.samples import case, ct_image, dose_sum, ellipsoid, record

from planeval.case import Case
from planeval.errors import GeometryError
from planeval.geometry.grid import Grid
from planeval.model import CaseData, Identity, Structure
from planeval.report.lines import outline_on, svg_path
from planeval.report.planes import (
    Box,
    centre_of,
    dose_on,
    hu_of,
    hu_on,
    inside_on,
    orthogonal_planes,
    view_box,
)
from planeval.report.slices import isodose_levels, slices_of

BOX = Box((-190.0, -130.0, -75.0), (190.0, 130.0, 75.0))


def planes(point=(-80.0, 0.0, 10.0)):
    return orthogonal_planes(BOX, point)


def test_views_follow_the_radiological_convention():
    """Patient right on the left, front on top; head on top; front on the left in the sagittal."""
    assert [plane.letters for plane in planes()] == [
        ("R", "L", "A", "P"), ("R", "L", "S", "I"), ("A", "P", "S", "I"),
    ]  # fmt: skip
    right_front_head = np.array([[-190.0, -130.0, 75.0]])
    for plane in planes():
        assert plane.project(right_front_head)[0] == pytest.approx([0, 0])


def test_points_and_projection_are_inverses():
    """A sample is drawn where it was taken."""
    for plane in planes():
        rows, columns = plane.shape(10.0)
        places = plane.project(plane.points(10.0)).reshape(rows, columns, 2)
        assert places[2, 3] == pytest.approx([30, 20])


def test_the_centre_is_that_of_the_prescribed_target():
    """The PTV carries the prescription."""
    centre = centre_of(case(), record())
    assert centre.point_mm == pytest.approx((-80, 0, 10), abs=0.5)
    assert centre.reason == "the centre of PTV"


def test_without_a_target_the_dose_maximum_is_shown():
    """Also where the dose comes in several terms."""
    for terms in (1, 3):
        data = CaseData(Identity(), {}, dose=dose_sum(terms))
        centre = centre_of(Case(data), record(prescriptions=()))
        assert centre.reason == "the dose maximum"
        assert centre.point_mm == pytest.approx((-80, 0, 10), abs=4)


def test_nothing_to_show():
    """A case without target and dose has no pictures."""
    empty = case(dose=False, structures=False, image=False)
    assert slices_of(empty, record(prescriptions=()), ()) is None
    assert view_box(empty) is None


def test_the_centroid_is_one_of_volume():
    """An ellipsoid's centre, to the accuracy of its planes."""
    solid = Structure("E", ellipsoid((12.0, -7.0, 3.0), (20, 15, 30)))
    assert solid.centroid_mm == pytest.approx((12, -7, 3), abs=0.05)


@pytest.mark.parametrize("place", ["centroid_mm", "bounds_mm"])
def test_an_empty_structure_has_no_place(place):
    """The error names it."""
    empty = Structure("E", ellipsoid((0, 0, 500.0), (1, 1, 1)))
    with pytest.raises(GeometryError, match="'E' is empty"):
        getattr(empty, place)


@pytest.mark.parametrize(
    ("row", "column", "origin"),
    [
        ((1, 0, 0), (0, 1, 0), (-190.0, -130.0, -75.0)),
        ((-1, 0, 0), (0, -1, 0), (190.0, 130.0, -75.0)),
        ((0, 1, 0), (-1, 0, 0), (190.0, -130.0, -75.0)),
    ],
)
def test_ct_is_the_same_in_every_orientation(row, column, origin):
    """Head first supine, prone and decubitus stacks of one patient give one picture."""
    grid = Grid(origin, row, column, 2.0, 2.0, 191, 191, tuple(np.arange(0.0, 151.0, 3.0)))
    image = ct_image(grid)
    usual = ct_image()
    plane = orthogonal_planes(Box((-150, -50, -60), (0, 100, 60)), (-80, 0, 10))[0]
    turned, straight = (hu_on(plane, each, each.hu(), step_mm=6.0) for each in (image, usual))
    assert np.abs(turned - straight).mean() < 30  # each grid has noise of its own


def test_beyond_the_image_is_nothing():
    """Nothing is smeared outwards, and a plane without image has no picture."""
    image = ct_image()
    plane = orthogonal_planes(Box((-400, -130, -75), (-300, 130, 75)), (-350, 0, 0))[0]
    assert np.isnan(hu_on(plane, image, image.hu(), step_mm=20.0)).all()


@pytest.mark.parametrize(
    ("row", "column", "origin"),
    [
        ((1, 0, 0), (0, 1, 0), (-190.0, -130.0, -75.0)),
        ((-1, 0, 0), (0, -1, 0), (190.0, 130.0, -75.0)),
        ((0, 1, 0), (0, 0, -1), (-150.0, -130.0, 75.0)),
        ((0.8, 0.6, 0), (-0.6, 0.8, 0), (-120.0, -190.0, -70.0)),
    ],
)
def test_reading_only_what_a_plane_needs_changes_nothing(row, column, origin):
    """Along and across the slices, partly and wholly beyond the image: the same as of the volume."""
    grid = Grid(origin, row, column, 2.0, 2.5, 140, 120, tuple(np.arange(0.0, 151.0, 3.0)))
    image = ct_image(grid)
    volume = image.hu()
    far = orthogonal_planes(Box((400, 400, 400), (450, 450, 450)), (410, 410, 410))
    wanted = [
        (plane, step) for plane, step in zip((*planes(), *far[:1]), (3, 4, 5, 9), strict=True)
    ]
    for (plane, step), found in zip(wanted, hu_of(image, wanted), strict=True):
        expected = hu_on(plane, image, volume, step_mm=step)
        assert np.array_equal(np.isnan(found), np.isnan(expected))
        assert np.nanmax(abs(found - expected), initial=0) < 1e-9
    assert np.isnan(found).all()


def test_the_three_pictures_never_hold_the_volume():
    """One slice or two, and a row and a column or two of every slice: 6 % of these 51."""
    image, asked = ct_image(), []

    def read(paths, grid, windows):
        asked.extend(windows)
        return image.reader(paths, grid, windows)

    watched = replace(image, reader=read)
    known = Case(replace(case().data, image=watched))
    assert slices_of(known, record(), []) == slices_of(
        Case(replace(known.data, image=image)), record(), []
    )
    voxels = [np.prod([part.stop - part.start for part in window]) for window in asked]
    assert len(asked) == 3
    assert sum(voxels) < 0.06 * np.prod(image.grid.shape)
    for window, axis in zip(asked, (0, 1, 2), strict=True):
        assert 1 <= window[axis].stop - window[axis].start <= 2


def test_a_single_slice_shows_only_where_it_is():
    """One exported slice is never shown as the anatomy of another height."""
    grid = Grid((-190.0, -130.0, 60.0), (1, 0, 0), (0, 1, 0), 2.0, 2.0, 131, 191, (0.0,))
    image = ct_image(grid)
    there, elsewhere = (
        hu_on(orthogonal_planes(BOX, (0, 0, z))[0], image, image.hu(), step_mm=5.0)
        for z in (60.0, 10.0)
    )
    pair = [(orthogonal_planes(BOX, (0, 0, z))[0], 5.0) for z in (60.0, 10.0)]
    for found, expected in zip(hu_of(image, pair), (there, elsewhere), strict=True):
        assert np.array_equal(found, expected, equal_nan=True)
    assert np.isfinite(there).mean() > 0.9
    assert np.isnan(elsewhere).all()
    known = Case(replace(case().data, image=image))
    box = view_box(known)
    assert box.high[2] - box.low[2] > 100
    assert slices_of(known, record(), []).pictures[0].image == ""


def test_dose_outside_its_grid_is_unknown():
    """Not a number, never 0."""
    plane = orthogonal_planes(BOX, (0, 0, 0))[0]
    dose = dose_on(plane, dose_sum(2), 10.0)
    assert np.isnan(dose[0, 0])
    assert np.nanmax(dose) == pytest.approx(dose_sum().terms[0].gy.max(), rel=0.1)


def test_the_axial_outline_is_the_drawn_contour():
    """On a parallel plane no resampling happens."""
    solid = Structure("E", ellipsoid((0.0, 0.0, 0.0), (20, 15, 30)))
    (ring,) = outline_on(planes((0, 0, 0))[0], solid)
    assert np.ptp(ring, axis=0) == pytest.approx([40, 30], abs=0.1)
    assert ring.mean(axis=0) == pytest.approx([190, 130], abs=0.5)


@pytest.mark.parametrize(("index", "size"), [(1, (40, 60)), (2, (30, 60))])
def test_outlines_across_the_drawn_planes(index, size):
    """Coronal and sagittal outlines have the size of the solid, within its planes and the pixel."""
    solid = Structure("E", ellipsoid((0.0, 0.0, 0.0), (20, 15, 30)))
    plane = planes((0, 0, 0))[index]
    (ring,) = outline_on(plane, solid)
    assert np.ptp(ring, axis=0) == pytest.approx(size, abs=3.5)
    area = inside_on(plane, solid, 0.7).sum() * 0.49
    assert area == pytest.approx(np.pi * size[0] * size[1] / 4, rel=0.03)


def test_levels_are_percents_and_marked_limits():
    """A limit on a mean is no isodose; one near a percent level is not drawn twice."""
    levels = isodose_levels(record(), 55.0)
    assert [f"{level.gy:.2f}" for level in levels if level.is_limit] == ["33.00", "5.00"]
    assert [level.gy for level in levels] == sorted((level.gy for level in levels), reverse=True)


def test_isodoses_lie_on_the_dose():
    """The dose at the points of a drawn line is its level."""
    known = case()
    slices = slices_of(known, record(), ["GTV", "PTV"])
    picture = slices.pictures[0]
    line = next(each for each in picture.isodoses if each.level.gy == pytest.approx(27.5))
    places = np.array(
        [[float(n) for n in pair.split()] for pair in re.findall(r"[\d.]+ [\d.]+", line.path)]
    )
    plane = picture.plane
    points = np.asarray(plane.corner_mm) + places @ np.array([plane.right, plane.down])
    doses = [known.dose_at(*point).value for point in points]
    assert doses == pytest.approx([27.5] * len(doses), abs=0.4)


def test_pictures_are_webp_at_the_display_window():
    """Liver at 100 HU is (100 - 40 + 175) / 350 grey."""
    picture = slices_of(case(), record(), ["GTV"]).pictures[0]
    content = base64.b64decode(picture.image.removeprefix("data:image/webp;base64,"))
    image = np.asarray(Picture.open(io.BytesIO(content)).convert("L"), dtype=float)
    scale = image.shape[1] / picture.plane.width_mm
    x, y = picture.plane.project(np.array([[-60.0, 30.0, 10.0]]))[0] * scale
    block = image[int(y) - 6 : int(y) + 6, int(x) - 6 : int(x) + 6]
    assert block.mean() == pytest.approx(255 * 235 / 350, abs=6)


def test_without_ct_the_same_lines_are_drawn():
    """Outlines and isodoses do not need an image."""
    with_ct = slices_of(case(), record(), ["GTV"])
    without = slices_of(case(image=False), record(), ["GTV"])
    assert not without.has_ct
    assert not any(picture.image for picture in without.pictures)
    assert len(without.pictures[0].isodoses) == len(with_ct.pictures[0].isodoses)


def test_labels_keep_clear_of_each_other():
    """No two labels of a picture stand on each other."""
    for picture in slices_of(case(), record(), []).pictures:
        spots = [line.label for line in picture.isodoses if line.label]
        assert len(spots) > 3
        width = picture.plane.width_mm
        for number, (x, y) in enumerate(spots):
            for a, b in spots[:number]:
                assert abs(x - a) > 0.07 * width or abs(y - b) > 0.02 * width


def test_the_first_of_a_structure_without_thickness_is_skipped():
    """One plane of unknown thickness has no solid: no outline, no error."""
    flat = ellipsoid((0.0, 0.0, 0.0), (20, 15, 0.5))
    known = case()
    data = replace(
        known.data,
        structures={**known.structures, "Flat": Structure("Flat", flat, type="ORGAN")},
    )
    names = {each.name for each in slices_of(Case(data), record(), ["Flat", "GTV"]).outlined}
    assert names == {"GTV"}


def test_paths_close_where_lines_close():
    """A ring ends with Z; an open line does not; a point is dropped."""
    ring = np.array([[0, 0], [10, 0], [10, 10], [0, 0]], dtype=float)
    assert svg_path([ring], closed=True) == "M0.0 0.0L10.0 0.0L10.0 10.0Z"
    assert svg_path([ring[:3]], closed=False) == "M0.0 0.0L10.0 0.0L10.0 10.0"
    assert svg_path([ring[:1]], closed=True) == ""
