"""RTDOSE: absolute Gy on the right voxels, in any orientation, or a refusal with a reason."""

import numpy as np
import pytest
from tests.dicom_writer import ORIENTATIONS, CaseWriter, axial_grid, turned_grid

from planeval.dicom.files import open_file
from planeval.dicom.pydicom_datasets import quiet_pydicom
from planeval.dicom.rtdose import RelativeScale, read_dose_file
from planeval.errors import InvalidElement, MissingElement, UnsupportedData

GRID = axial_grid((4, 5, 6), spacing_mm=(3, 2, 1.5), origin_mm=(-10, -20, -30))


@pytest.fixture
def writer(tmp_path):
    return CaseWriter(tmp_path)


def read(path, relative=None):
    with quiet_pydicom():
        return read_dose_file(open_file(path, path.name), relative)


def codes(dose):
    return [found.code for found in dose.findings]


def linear(grid):
    """A dose that names its own place: 100 + x + 2 y + 3 z at every voxel centre."""
    k, j, i = np.indices(grid.shape)
    points = grid.to_patient(np.stack([k.ravel(), j.ravel(), i.ravel()], axis=1))
    return (200 + points @ [1.0, 2.0, 3.0]).reshape(grid.shape)


@pytest.mark.parametrize("bits", [16, 32])
def test_values_and_grid(writer, bits):
    """Stored integers times scaling are Gy, on the grid that was written."""
    gy = linear(GRID)
    dose = read(writer.dose(GRID, gy, bits=bits))
    assert dose.gy == pytest.approx(gy, abs=gy.max() / 2**15 if bits == 16 else 1e-5)
    assert dose.gy.dtype == np.float32
    assert not dose.gy.flags.writeable
    assert dose.grid.shape == (4, 5, 6)
    assert dose.grid.origin_mm == GRID.origin_mm
    assert (dose.grid.row_step_mm, dose.grid.column_step_mm) == (2, 1.5)
    assert dose.grid.offsets_mm == GRID.offsets_mm
    assert dose.grid.frame_uid == writer.frame_uid
    assert codes(dose) == []


def test_float32_keeps_six_digits(writer):
    """Large 32-bit integers lose less than one part in a million."""
    stored = np.array([[[1, 2**31 + 12345], [4294967295, 77777777]]] * 2, dtype=np.uint32)
    grid = axial_grid((2, 2, 2))

    def edit(ds):
        ds.PixelData = stored.tobytes()
        ds.DoseGridScaling = "1.23456789e-08"

    dose = read(writer.dose(grid, np.zeros(grid.shape), edit=edit))
    assert dose.gy == pytest.approx(stored * 1.23456789e-08, rel=1e-6)


@pytest.mark.parametrize("orientation", list(ORIENTATIONS))
@pytest.mark.parametrize("falling", [False, True])
def test_every_orientation(writer, orientation, falling):
    """Every voxel lies where the standard says, for rising and falling offsets."""
    offsets = [0, -3, -6, -9] if falling else [0, 3, 6, 9]
    grid = turned_grid(
        orientation, (4, 5, 6), spacing_mm=(3, 2, 1.5), origin_mm=(5, -7, 11), offsets_mm=offsets
    )
    dose = read(writer.dose(grid, linear(grid)))
    assert dose.gy == pytest.approx(linear(dose.grid), abs=1e-4)
    assert dose.grid.to_patient([[3, 4, 5]]) == pytest.approx(grid.to_patient([[3, 4, 5]]))


def test_oblique_orientation(writer):
    """Six cosines of any direction are kept."""
    grid = turned_grid((0.6, 0.8, 0, -0.48, 0.36, 0.8), (3, 4, 5), origin_mm=(1, 2, 3))
    dose = read(writer.dose(grid, linear(grid)))
    assert dose.gy == pytest.approx(linear(dose.grid), abs=1e-3)


def test_irregular_offsets_are_kept(writer):
    """Irregular plane distances are neither resampled nor averaged."""
    offsets = (0.0, 2.0, 5.0, 11.0)
    grid = axial_grid((4, 5, 6), offsets_mm=offsets)
    assert read(writer.dose(grid, linear(grid))).grid.offsets_mm == offsets


@pytest.mark.parametrize("orientation", ["HFS", "HFP", "FFS", "FFP"])
@pytest.mark.parametrize("z0", [-30.0, 12.5])
def test_absolute_offsets(writer, orientation, z0):
    """Offsets that start with z are patient z, also where the normal points down."""
    grid = turned_grid(orientation, (4, 5, 6), origin_mm=(1, 2, z0), offsets_mm=[0, 3, 6, 9])
    heights = grid.to_patient([[k, 0, 0] for k in range(4)])[:, 2]

    def edit(ds):
        ds.GridFrameOffsetVector = [f"{z:g}" for z in heights]

    dose = read(writer.dose(grid, linear(grid), edit=edit))
    assert dose.grid.to_patient([[k, 0, 0] for k in range(4)])[:, 2] == pytest.approx(heights)
    assert dose.gy == pytest.approx(linear(dose.grid), abs=1e-4)


def test_offsets_that_can_be_read_in_two_ways(writer):
    """Z = 0 with the normal pointing down: read as offsets, with a finding."""
    grid = turned_grid("FFP", (4, 5, 6), origin_mm=(1, 2, 0))
    dose = read(writer.dose(grid, linear(grid)))
    assert codes(dose) == ["dose-offsets-ambiguous"]
    assert dose.grid.to_patient([[3, 0, 0]])[0, 2] == pytest.approx(-9)


@pytest.mark.parametrize(
    ("orientation", "offsets", "message"),
    [
        ("HFS", [5, 8, 11, 14], "neither 0 nor the z"),
        ("SAGITTAL", [-30, -27, -24, -21], "must start with 0"),
        ("HFDR", [-30, -27, -24, -21], "must start with 0"),
        ("HFS", [0, 3, 6], "3 values for 4 frames"),
        ("HFS", [0, 3, 3, 6], "neither rise nor fall"),
        ("HFS", [0, 6, 3, 9], "neither rise nor fall"),
    ],
)
def test_offsets_that_are_not_legal(writer, orientation, offsets, message):
    """Anything but the two legal forms is refused."""
    grid = turned_grid(orientation, (4, 5, 6), origin_mm=(1, 2, -30))

    def edit(ds):
        ds.GridFrameOffsetVector = offsets

    with pytest.raises(InvalidElement, match=message):
        read(writer.dose(grid, linear(grid), edit=edit))


@pytest.mark.parametrize(
    "keyword",
    [
        "GridFrameOffsetVector",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "DoseGridScaling",
        "DoseUnits",
        "Rows",
        "BitsAllocated",
        "PixelData",
    ],
)
def test_needed_elements(writer, keyword):
    """An element that the answer depends on is missed by name and tag."""

    def edit(ds):
        delattr(ds, keyword)

    with pytest.raises(MissingElement, match=rf"RD\.dose\.dcm: {keyword} \("):
        read(writer.dose(GRID, linear(GRID), edit=edit))


@pytest.mark.parametrize("scaling", ["0", "-1e-5"])
def test_scaling_must_be_positive(writer, scaling):
    """A scaling of 0 or below cannot be right."""

    def edit(ds):
        ds.DoseGridScaling = scaling

    with pytest.raises(InvalidElement, match="DoseGridScaling"):
        read(writer.dose(GRID, linear(GRID), edit=edit))


def test_directions_that_are_not_perpendicular(writer):
    """A skewed orientation is refused."""

    def edit(ds):
        ds.ImageOrientationPatient = [1, 0, 0, 0.1, 1, 0]

    with pytest.raises(InvalidElement, match=r"not of length 1|right angles"):
        read(writer.dose(GRID, linear(GRID), edit=edit))


def test_negative_dose_is_an_error(writer):
    """Signed data with negative values cannot be dose."""

    def edit(ds):
        ds.PixelRepresentation = 1
        ds.PixelData = np.full(GRID.shape, -5, dtype="<i4").tobytes()

    with pytest.raises(InvalidElement, match="negative dose"):
        read(writer.dose(GRID, linear(GRID), edit=edit))


def test_signed_data_without_negatives_is_fine(writer):
    """PixelRepresentation 1 alone is no reason to refuse."""

    def edit(ds):
        ds.PixelRepresentation = 1

    assert read(writer.dose(GRID, linear(GRID), edit=edit)).gy.max() > 0


def test_error_dose_is_refused(writer):
    """DoseType ERROR is a difference, not a dose."""
    with pytest.raises(UnsupportedData, match="DoseType is ERROR"):
        read(writer.dose(GRID, linear(GRID), dose_type="ERROR"))


def test_effective_dose_is_said(writer):
    """EFFECTIVE dose is read and named."""
    dose = read(writer.dose(GRID, linear(GRID), dose_type="EFFECTIVE"))
    assert dose.type == "EFFECTIVE"
    assert codes(dose) == ["dose-effective"]


def test_missing_dose_type_is_physical_with_a_finding(writer):
    """An absent DoseType is assumed PHYSICAL, and that is said."""

    def edit(ds):
        del ds.DoseType

    dose = read(writer.dose(GRID, linear(GRID), edit=edit))
    assert (dose.type, codes(dose)) == ("PHYSICAL", ["dose-type-missing"])


def test_relative_dose_needs_both_numbers(writer):
    """RELATIVE dose is refused, and the message names the options."""
    with pytest.raises(UnsupportedData, match=r"--relative-reference GY --relative-scale 1\|100"):
        read(writer.dose(GRID, linear(GRID), units="RELATIVE"))


@pytest.mark.parametrize(("scale", "peak"), [(100, 100.0), (1, 1.0)])
def test_relative_dose_with_a_reference(writer, scale, peak):
    """100 % is the reference; the finding says so."""
    path = writer.dose(GRID, np.full(GRID.shape, peak), units="RELATIVE")
    dose = read(path, RelativeScale(55.0, scale))
    assert dose.gy.max() == pytest.approx(55.0, rel=1e-6)
    assert codes(dose) == ["dose-relative"]


@pytest.mark.parametrize(("reference", "scale"), [(0, 100), (55, 10), (-1, 1)])
def test_relative_scale_is_checked(reference, scale):
    """The reference is above 0 and the scale is 1 or 100."""
    with pytest.raises(ValueError, match="relative"):
        RelativeScale(reference, scale)


def test_unknown_units_are_refused(writer):
    """CGY is not a DICOM dose unit; nothing is guessed."""
    with pytest.raises(UnsupportedData, match="DoseUnits is CGY"):
        read(writer.dose(GRID, linear(GRID), units="CGY"))


@pytest.mark.parametrize("frames", [None, 1])
def test_single_plane_is_refused(writer, frames):
    """A 2-D dose plane gives no DVH."""

    def edit(ds):
        if frames is None:
            del ds.NumberOfFrames
        else:
            ds.NumberOfFrames = frames

    with pytest.raises(UnsupportedData, match="single plane"):
        read(writer.dose(GRID, linear(GRID), edit=edit))


def test_too_little_pixel_data(writer):
    """Fewer bytes than rows x columns x frames are refused before anything is allocated."""

    def edit(ds):
        ds.Rows = 60000
        ds.Columns = 60000

    with pytest.raises(InvalidElement, match="480 bytes where 4 x 60000 x 60000"):
        read(writer.dose(GRID, linear(GRID), edit=edit))


def test_padding_after_pixel_data_is_fine(writer):
    """Odd lengths are padded; a few bytes more are no error."""

    def edit(ds):
        ds.PixelData = ds.PixelData + b"\0\0"

    assert read(writer.dose(GRID, linear(GRID), edit=edit)).grid.shape == GRID.shape


def test_other_bit_depths_are_refused(writer):
    """Only 16 and 32 bits are legal in RTDOSE."""

    def edit(ds):
        ds.BitsAllocated = 8

    with pytest.raises(UnsupportedData, match="BitsAllocated is 8"):
        read(writer.dose(GRID, linear(GRID), edit=edit))


def test_zero_dose_is_a_finding(writer):
    """A dose of zeros is read, and is told."""
    assert codes(read(writer.dose(GRID, np.zeros(GRID.shape)))) == ["dose-zero"]
