"""CT and dose as compact volumes: codes, orientation, what is lost and what is not."""

import base64
import io
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Picture
from tests.report.samples import case, ct_image, dose_sum

from planeval.geometry.grid import Grid
from planeval.model import Dose, DoseTerm, Image
from planeval.report import volume
from planeval.report.planes import Box, dose_at, view_box
from planeval.report.volume import (
    CODE_HU,
    codes_of,
    ct_volume,
    dose_volume,
    own_axes,
    slice_heights,
)

BOX = Box((-100.0, -60.0, -60.0), (60.0, 60.0, 60.0))


@pytest.fixture(scope="module")
def image():
    """The sample CT, read once."""
    made = ct_image()
    hu = made.hu()
    return replace(made, reader=lambda _paths, _grid, windows: [hu[each] for each in windows])


def decoded(made):
    """The codes of all pictures, (k, j, i)."""
    stacks = []
    for uri in made.pictures:
        content = base64.b64decode(uri.removeprefix("data:image/webp;base64,"))
        stacks.append(np.asarray(Picture.open(io.BytesIO(content)).convert("L")))
    return np.concatenate(stacks).reshape(-1, made.rows, made.columns)


def unpacked(made):
    """The dose codes as the page undoes them."""
    shape = made.codes.shape
    content = np.frombuffer(zlib.decompress(base64.b64decode(made.packed())), dtype=np.uint8)
    low, middle, high = content.reshape(3, -1).astype(np.int64)
    folded = low | middle << 8 | high << 16
    steps = np.where(folded & 1, -((folded + 1) // 2), folded // 2).reshape(shape)
    for axis in (2, 1, 0):
        steps = np.cumsum(steps, axis=axis)
    return steps


def test_codes_rise_and_are_fine_in_soft_tissue():
    """3 HU or less a code from -200 to 280, which holds W350/L40."""
    hu = np.arange(-1024, 2000)
    codes = codes_of(hu.astype(float)).astype(int)
    assert (np.diff(codes) >= 0).all()
    soft = (hu >= -200) & (hu <= 280)
    assert np.abs(CODE_HU[codes[soft]] - hu[soft]).max() <= 1.5 + 1e-9
    assert np.abs(CODE_HU[codes] - hu).max() < 40


def test_beyond_the_image_is_no_air():
    """Code 0 is kept for it, air has another."""
    assert codes_of(np.array([np.nan, -1024.0, -3000.0])).tolist() == [0, 8, 8]


def test_slices_stand_at_the_images_own_heights(image):
    """Not resampled; without an image at those of the dose, else in even steps."""
    heights = slice_heights(BOX, image, None)
    assert heights == pytest.approx(np.arange(-60, 61, 3.0))
    assert slice_heights(BOX, None, dose_sum()) == pytest.approx(np.arange(-60, 61, 4.0))
    even = slice_heights(BOX, None, None)
    assert (even[0], even[-1]) == (-60, 60)
    assert np.ptp(np.diff(even)) < 1e-9


def test_an_axial_ct_keeps_its_pixels(image):
    """The pictures hold the CT's own values; the corner is the edge of the first pixel."""
    heights = slice_heights(BOX, image, None)
    made = ct_volume(BOX, heights, image)
    hu = image.hu()[5:46, 35:96, 45:126]
    codes = decoded(made).astype(int)
    assert codes.shape == hu.shape
    assert made.corner_mm == (-101.0, -61.0)
    assert made.pixel_mm == (2.0, 2.0)
    assert np.abs(codes - codes_of(hu.astype(float))).mean() < 2.5
    assert made.means[0] == pytest.approx(codes[:8].mean(), abs=1)


def sloping(grid):
    """A CT whose HU tell the place: 2 HU a mm along x, 3 along y, 5 along z."""
    points = grid.to_patient(np.argwhere(np.ones(grid.shape, dtype=bool)))
    hu = (points @ np.array([2.0, 3.0, 5.0])).reshape(grid.shape).astype(np.int16)

    def read(_paths, _grid, windows):
        return [hu[each] for each in windows]

    return Image(grid, "1.2.3.9", (), (), "d" * 64, read)


def slope_error(made, heights):
    """The mean difference in HU between the pictures and the slope."""
    x = made.corner_mm[0] + (np.arange(made.columns) + 0.5) * made.pixel_mm[0]
    y = made.corner_mm[1] + (np.arange(made.rows) + 0.5) * made.pixel_mm[1]
    truth = 2 * x + 3 * y[:, None] + 5 * heights[:, None, None]
    return np.abs(CODE_HU[decoded(made)] - truth).mean()


@pytest.mark.parametrize(
    ("row", "column", "origin", "offsets"),
    [
        ((1, 0, 0), (0, 1, 0), (-30, -24, -9), 3.0),
        ((-1, 0, 0), (0, -1, 0), (30, 24, -9), 3.0),
        ((0, 1, 0), (-1, 0, 0), (24, -30, -9), 3.0),
        ((1, 0, 0), (0, 1, 0), (-30, -24, 9), -3.0),
        ((-1, 0, 0), (0, 1, 0), (30, -24, 9), 3.0),
        ((0, 1, 0), (0, 0, -1), (-9, -30, 24), -3.0),
    ],
)
def test_every_orientation_gives_the_same_slices(row, column, origin, offsets):
    """Supine, prone, decubitus, descending, feet-first and sagittal stacks of one patient."""
    grid = Grid(origin, row, column, 1.5, 1.5, 33, 41, tuple(offsets * np.arange(7)))
    box = Box((-8.0, -18.0, -8.0), (8.0, 18.0, 8.0))
    heights = slice_heights(box, sloping(grid), None)
    assert slope_error(ct_volume(box, heights, sloping(grid)), heights) < 6


def test_an_oblique_ct_is_cut_on_axial_planes():
    """It has no axes of its own, and shows the same anatomy."""
    tilt = np.deg2rad(8)
    column = (0.0, float(np.cos(tilt)), float(np.sin(tilt)))
    grid = Grid(
        (-30, -24, -9), (1.0, 0.0, 0.0), column, 1.5, 1.5, 33, 41, tuple(3.0 * np.arange(7))
    )
    assert own_axes(grid) is None
    heights = np.array([-1.0, 0.0, 2.0])
    made = ct_volume(Box((-9.0, -6.0, -2.0), (9.0, 6.0, 3.0)), heights, sloping(grid))
    assert slope_error(made, heights) < 6


def test_what_does_not_fit_is_made_smaller(image, monkeypatch):
    """Lower quality, then means of blocks of pixels: never more bytes than fit, while that helps."""
    heights = slice_heights(BOX, image, None)
    best = ct_volume(BOX, heights, image)
    monkeypatch.setattr(volume, "MOST_CT_BYTES", sum(map(len, best.pictures)) // 2)
    assert ct_volume(BOX, heights, image).quality < best.quality
    monkeypatch.setattr(volume, "RECIPES", ((40, 80),))
    small = ct_volume(BOX, heights, image)
    assert small.pixel_mm == (6.0, 6.0)
    assert (small.columns, small.rows) == (27, 20)


def test_dose_codes_are_the_dose():
    """On the dose's own nodes, right to half a step, and back from the text."""
    made = dose_volume(BOX, dose_sum())
    assert made.step_gy < 0.02
    back = unpacked(made)
    assert (back == made.codes).all()
    z, y, x = np.meshgrid(made.z_mm, made.y_mm, made.x_mm, indexing="ij")
    points = np.column_stack([x.ravel(), y.ravel(), z.ravel()])
    truth = dose_at(dose_sum(), points).reshape(back.shape)
    assert np.abs((back - 1) * made.step_gy - truth).max() <= made.step_gy / 2 + 1e-6


def test_the_box_lies_within_the_nodes():
    """Interpolation at the edge of the box has a node beyond it."""
    made = dose_volume(BOX, dose_sum())
    for axis, (low, high) in zip(
        (made.x_mm, made.y_mm, made.z_mm), zip(BOX.low, BOX.high, strict=True), strict=True
    ):
        assert axis[0] <= low
        assert axis[-1] >= high


def test_beyond_the_dose_grid_is_unknown():
    """Several terms that do not cover the same: code 0, never 0 Gy."""
    term = dose_sum().terms[0]
    half = replace(
        term,
        grid=replace(term.grid, offsets_mm=term.grid.offsets_mm[:18]),
        gy=term.gy[:18],
    )
    made = dose_volume(BOX, Dose((term, half)))
    assert (made.codes[-1] == 0).all()
    assert (made.codes[2] > 0).any()


def test_a_dose_elsewhere_is_none():
    """No node in the box."""
    far = Box((900.0, 900.0, 900.0), (950.0, 950.0, 950.0))
    assert dose_volume(far, dose_sum()) is None


def test_an_oblique_dose_is_sampled():
    """A turned grid gives the same dose at the same points."""
    turn = np.deg2rad(30)
    row = (float(np.cos(turn)), float(np.sin(turn)), 0.0)
    column = (float(-np.sin(turn)), float(np.cos(turn)), 0.0)
    grid = Grid(
        (-80.0, -140.0, -72.0), row, column, 4.0, 4.0, 60, 60, tuple(np.arange(0.0, 145.0, 4.0))
    )
    points = grid.to_patient(np.argwhere(np.ones(grid.shape, dtype=bool)))
    gy = np.abs(points[:, 0]).reshape(grid.shape) / 10
    made = dose_volume(Box((-70, 10, -10), (-60, 20, 10)), Dose((DoseTerm(grid, gy),)))
    known = made.codes > 0
    assert known.mean() > 0.5
    x = np.broadcast_to(made.x_mm, made.codes.shape)
    assert ((made.codes - 1.0) * made.step_gy)[known] == pytest.approx(
        np.abs(x[known]) / 10, abs=0.01
    )


def test_heights_of_the_sample_lie_in_the_view():
    """The view box of a whole case."""
    known = case()
    box = view_box(known)
    heights = slice_heights(box, known.image, known.dose)
    assert box.low[2] <= heights[0] < heights[-1] <= box.high[2]
