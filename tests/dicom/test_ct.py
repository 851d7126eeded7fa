"""CT: a grid from all slices, HU when asked, and no image where the slices are no volume."""

import numpy as np
import pytest
from tests.dicom_writer import (
    ORIENTATIONS,
    CaseWriter,
    Roi,
    axial_grid,
    box_ring,
    prism,
    turned_grid,
)

from planeval.dicom import read_case, scan_folder
from planeval.errors import InconsistentCase, InvalidElement, UnreadableFile

GRID = axial_grid((6, 5, 4), spacing_mm=(3, 2, 1.5), origin_mm=(-3, -5, -8))
BOX = Roi("PTV", prism(box_ring(4, 4), [-5, -2, 1]))


@pytest.fixture
def writer(tmp_path):
    return CaseWriter(tmp_path)


def read(writer, *, structures=True):
    if structures:
        writer.structures([BOX])
    return read_case(scan_folder(writer.folder), need_dose=False)


def codes(case):
    return [found.code for found in case.findings]


def test_grid_and_hu(writer):
    """The image is one grid; HU follow RescaleSlope and RescaleIntercept."""
    hu = np.arange(120).reshape(GRID.shape) * 10.0 - 1000
    writer.ct(GRID, hu, slope=2.0, intercept=-1000)
    case = read(writer)
    assert case.image.grid.shape == GRID.shape
    assert case.image.grid.to_patient([[5, 4, 3]]) == pytest.approx(GRID.to_patient([[5, 4, 3]]))
    assert case.image.hu().tolist() == hu.tolist()
    assert case.image.hu().dtype == np.int16
    assert codes(case) == []


@pytest.mark.parametrize("orientation", [*ORIENTATIONS, (0.6, 0.8, 0, -0.48, 0.36, 0.8)])
def test_slices_are_sorted_along_their_normal(writer, orientation):
    """File names in any order, any orientation: planes rise along row x column."""
    grid = turned_grid(orientation, (5, 4, 3), origin_mm=(7, 8, 9))
    hu = np.arange(60).reshape(grid.shape)
    writer.ct(grid, hu, names=lambda k: f"{(k * 7) % 5}.dcm")
    image = read(writer).image
    assert image.hu().tolist() == hu.tolist()
    assert image.grid.to_patient([[4, 0, 0]]) == pytest.approx(grid.to_patient([[4, 0, 0]]))


def test_no_image_is_fine(writer):
    """A case without CT is a case."""
    case = read(writer)
    assert case.image is None
    assert codes(case) == []


def test_scouts_are_left_out(writer):
    """Localizer images of the same series are named and left out."""

    def edit(k, ds):
        if k == 5:
            ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
            ds.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
            ds.Rows, ds.Columns = 4, 5

    writer.ct(GRID, edit_slice=edit)
    case = read(writer)
    assert case.image.grid.shape == (5, 5, 4)
    assert codes(case) == ["ct-localizer", "ct-absent-slices"]


def test_only_scouts_is_no_image(writer):
    """A series of localizers is no volume."""

    def edit(k, ds):
        ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    writer.ct(GRID, edit_slice=edit)
    case = read(writer)
    assert case.image is None
    assert codes(case) == ["ct-localizer", "ct-unusable"]


def test_missing_slices_are_told(writer):
    """A hole in the series is kept as a wide step, with a finding."""
    (writer.ct(GRID)[2]).unlink()
    case = read(writer)
    assert case.image.grid.offsets_mm == (0, 3, 9, 12, 15)
    assert codes(case) == ["ct-missing-slices", "ct-absent-slices"]
    assert "about 1 slices" in case.findings[0].message


def test_irregular_spacing_is_told(writer):
    """Uneven slices stay where they are."""
    grid = axial_grid((5, 4, 4), offsets_mm=(0, 3, 6, 9.5, 12.5))
    writer.ct(grid)
    case = read(writer)
    assert case.image.grid.offsets_mm == pytest.approx(grid.offsets_mm)
    assert codes(case) == ["ct-irregular-spacing"]


def test_duplicates_decided_by_the_structure_set(writer):
    """Of two slices at one position the one the structure set names is used."""
    hu = np.full(GRID.shape, 40.0)
    writer.ct(GRID, hu)

    def same_series(ds):
        ds.SeriesInstanceUID = writer.uid("series ct")

    writer.ct(GRID, hu + 500, series="other", edit=same_series)
    case = read(writer)
    assert (case.image.hu() == 40).all()
    assert codes(case) == ["ct-duplicate-slices"]


def test_duplicates_that_nothing_decides(writer):
    """Two volumes in one series, none referenced: no image, and why."""
    writer.ct(GRID)
    writer.ct(
        GRID,
        series="other",
        edit=lambda ds: setattr(ds, "SeriesInstanceUID", writer.uid("series ct")),
    )

    def edit(ds):
        study = ds.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
        del study.RTReferencedSeriesSequence[0].ContourImageSequence

    writer.structures([BOX], edit=edit)
    case = read(writer, structures=False)
    assert case.image is None
    assert "different slices at one position" in case.findings[0].message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ImageOrientationPatient": [0, 1, 0, -1, 0, 0]}, "another orientation"),
        ({"PixelSpacing": [2.5, 1.5]}, "different size"),
        ({"FrameOfReferenceUID": "1.2.3"}, "frames of reference"),
        ({"ImagePositionPatient": None}, "without geometry"),
        ({"PixelSpacing": None}, "without geometry"),
    ],
)
def test_slices_that_do_not_fit_are_no_volume(writer, change, message):
    """One slice that does not fit makes the series unusable, by name."""

    def edit(k, ds):
        if k == 2:
            for keyword, value in change.items():
                if value is None:
                    delattr(ds, keyword)
                else:
                    setattr(ds, keyword, value)

    writer.ct(GRID, edit_slice=edit)
    case = read(writer)
    if "FrameOfReferenceUID" in change:
        assert len(case.image.paths) == 5
        return
    assert case.image is None
    assert codes(case) == ["ct-unusable"]
    assert message in case.findings[0].message


def test_gantry_tilt_is_refused_by_name(writer):
    """Slices that slide sideways are not a grid."""

    def edit(k, ds):
        x, y, z = ds.ImagePositionPatient
        ds.ImagePositionPatient = [x, y + 0.5 * k, z]

    writer.ct(GRID, edit_slice=edit)
    case = read(writer)
    assert case.image is None
    assert "sheared" in case.findings[0].message


def test_slices_beyond_the_structure_set_are_told(writer):
    """Slices that the structure set does not name are at most a remark."""

    def edit(ds):
        study = ds.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
        del study.RTReferencedSeriesSequence[0].ContourImageSequence[0]

    writer.ct(GRID)
    writer.structures([BOX], edit=edit)
    case = read(writer, structures=False)
    assert len(case.image.paths) == 6
    assert codes(case) == ["ct-unreferenced-slices"]


def test_series_found_by_frame(writer):
    """A series that the structure set does not name is found by its frame."""
    writer.ct(GRID)
    writer.ct_uids.clear()
    case = read(writer)
    assert case.image is not None
    assert codes(case) == ["ct-linked-by-frame"]


def test_two_series_in_the_frame_are_ambiguous(writer):
    """Two series and no reference: no image rather than the wrong one."""
    writer.ct(GRID)
    writer.ct(GRID, series="phase 50")
    writer.ct_uids.clear()
    case = read(writer)
    assert case.image is None
    assert codes(case) == ["ct-ambiguous"]


def test_changed_slice_is_noticed(writer):
    """HU of a slice that has moved since are refused."""
    writer.ct(GRID)
    image = read(writer).image

    def move(k, ds):
        ds.ImagePositionPatient = [1, 2, 3]

    writer.ct(GRID, edit_slice=move)
    with pytest.raises(InconsistentCase, match="load the case again"):
        image.hu()


def test_missing_pixels_are_noticed_when_read(writer):
    """A cut slice gives geometry but no HU."""
    paths = writer.ct(GRID)
    image = read(writer).image
    paths[3].write_bytes(paths[3].read_bytes()[:-10])
    with pytest.raises(UnreadableFile, match="ends within"):
        image.hu()


def test_blocks_are_read_from_the_slices_that_hold_them(writer):
    """Blocks of any slices, rows and columns in one pass; no other file is opened."""
    hu = np.random.default_rng(3).integers(-1000, 1000, GRID.shape).astype(float)
    paths = writer.ct(GRID, hu)
    image = read(writer).image
    windows = [
        (slice(1, 3), slice(None), slice(2, 4)),
        (slice(2, 3), slice(0, 1), slice(None)),
        (slice(0, 0), slice(0, 0), slice(0, 0)),
    ]
    for path in (paths[0], *paths[3:]):
        path.unlink()
    blocks = image.hu_in(windows)
    assert [block.tolist() for block in blocks] == [hu[window].tolist() for window in windows]
    assert {block.dtype for block in blocks} == {np.dtype(np.int16)}
    with pytest.raises(UnreadableFile):
        image.hu()


def test_hu_beyond_16_bits_are_refused(writer):
    """A rescale that leaves 16 bits is an error, not a wrap-around."""

    def edit(k, ds):
        ds.RescaleSlope = 1000

    writer.ct(GRID, np.full(GRID.shape, 100.0), edit_slice=edit)
    with pytest.raises((UnreadableFile, InvalidElement), match="do not fit 16 bits"):
        read(writer).image.hu()


def test_digest_follows_geometry_not_names(writer, tmp_path):
    """The digest is of UIDs and geometry: file names and pixels do not count."""
    writer.ct(GRID)
    first = read(writer).image.digest
    for path in tmp_path.glob("CT*"):
        path.unlink()
    writer.ct_uids.clear()
    writer.ct(GRID, np.ones(GRID.shape), names=lambda k: f"{9 - k}")
    assert read(writer).image.digest == first


def test_single_plane_structure_takes_the_slice_spacing(writer):
    """A structure of one plane is as thick as the slices it was drawn on."""
    writer.ct(GRID)
    writer.structures([Roi("A", prism(box_ring(10, 10), [1]))])
    case = read(writer, structures=False)
    assert case.structures["A"].volume_cc == pytest.approx(0.3)
