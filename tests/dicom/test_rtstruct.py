"""RTSTRUCT: every ROI is a solid, points, or unusable with a reason; doubts are findings."""

import copy
import pickle
from contextlib import contextmanager

import numpy as np
import pytest
from pydicom.dataset import Dataset
from tests.dicom_writer import (
    ORIENTATIONS,
    CaseWriter,
    Roi,
    axial_grid,
    box_ring,
    circle_ring,
    prism,
    turned_grid,
)

from planeval.dicom.files import open_file
from planeval.dicom.pydicom_datasets import quiet_pydicom
from planeval.dicom.rtstruct import read_structure_set
from planeval.errors import DataError, InvalidElement, MissingElement
from planeval.geometry.stack import AXIAL
from planeval.model import Method, Severity

BOX = prism(box_ring(20, 20), [-5, 0, 5])


@pytest.fixture
def writer(tmp_path):
    return CaseWriter(tmp_path)


def read(path, **options):
    with quiet_pydicom():
        return read_structure_set(open_file(path, path.name), **options)


def codes(structure_set):
    return [found.code for found in structure_set.findings]


def only(structure_set):
    (structure,) = structure_set.structures
    return structure


def test_plain_box(writer):
    """Three 20 x 20 mm contours 5 mm apart are 6 cc, with nothing to report."""
    found = read(writer.structures([Roi("PTV", BOX, type="PTV", colour=(1, 2, 3))]))
    structure = only(found)
    assert structure.volume_cc == pytest.approx(6.0)
    assert (structure.type, structure.colour, structure.number) == ("PTV", (1, 2, 3), 1)
    assert (structure.origin, structure.name_in_file) == ("drawn", "PTV")
    assert structure.stack.frame is AXIAL
    assert structure.frame_uid == writer.frame_uid
    assert found.label == "STRUCTURES"
    assert found.date == "20250102"
    assert codes(found) == []


def test_coordinates_are_kept_to_the_last_digit(writer):
    """Contour points reach the polygon exactly as they are written."""
    ring = [[1.2345, -7.1], [30.001, -7.1], [30.001, 12.3456]]
    found = read(writer.structures([Roi("A", prism(ring, [1.25, 3.75]))]))
    plane = only(found).stack.planes[1]
    assert plane.offset_mm == 3.75
    assert np.asarray(plane.area.exterior.coords)[:3].tolist() == ring


def test_method_is_handed_on(writer):
    """The method decides the end caps of the volume."""
    path = writer.structures([Roi("A", BOX)])
    assert only(read(path, method=Method(caps="none"))).volume_cc == pytest.approx(4.0)


def test_structures_keep_file_order(writer):
    """Structures come in the order of the file, usable or not."""
    rois = [Roi("Z", BOX), Roi("empty", None), Roi("A", BOX)]
    found = read(writer.structures(rois))
    assert [s.name for s in found.structures] == ["Z", "A"]
    assert [u.name for u in found.unusable] == ["empty"]


@pytest.mark.parametrize("contours", [None, ()])
def test_roi_without_contours_is_unusable_without_fuss(writer, contours):
    """An empty ROI is normal: a reason, no finding, no crash."""
    found = read(writer.structures([Roi("CTV", contours), Roi("PTV", BOX)]))
    assert found.unusable[0].reason == "it has no contours"
    assert codes(found) == []


def test_point_roi_becomes_a_point(writer):
    """A POINT ROI is a point of interest and has no volume."""
    found = read(writer.structures([Roi("ISO", [[[1, 2, 3]]], geometric_type="POINT")]))
    assert found.points[0].name == "ISO"
    assert found.points[0].position_mm == (1, 2, 3)
    assert "point" in found.unusable[0].reason
    assert codes(found) == []


def test_open_contours_have_no_volume(writer):
    """OPEN_PLANAR contours never get a volume."""
    found = read(writer.structures([Roi("wire", BOX, geometric_type="OPEN_PLANAR")]))
    assert not found.structures
    assert "only closed contours" in found.unusable[0].reason
    assert codes(found) == ["roi-unusable"]


def test_open_contours_beside_closed_ones_are_left_out(writer):
    """Closed contours make the solid, the others are named."""
    kinds = ["CLOSED_PLANAR", "CLOSED_PLANAR", "OPEN_PLANAR"]
    found = read(writer.structures([Roi("A", BOX, geometric_type=kinds)]))
    assert len(only(found).stack.planes) == 2
    assert codes(found) == ["open-contours-ignored"]


def test_repeated_name_is_renamed(writer):
    """The second PTV is called PTV [2], and that is said."""
    found = read(writer.structures([Roi("PTV", BOX), Roi("PTV", BOX), Roi("PTV", BOX)]))
    assert [s.name for s in found.structures] == ["PTV", "PTV [2]", "PTV [3]"]
    assert [s.name_in_file for s in found.structures] == ["PTV"] * 3
    assert codes(found) == ["roi-name-repeated"] * 2


def test_renaming_does_not_collide(writer):
    """A name that looks like a renamed one is left its name."""
    found = read(writer.structures([Roi("A", BOX), Roi("A [2]", BOX), Roi("A", BOX)]))
    assert [s.name for s in found.structures] == ["A", "A [2]", "A [3]"]


def test_repeated_number_is_matched_in_order(writer):
    """Two ROIs of one number with two sets of contours go by file order, with a finding."""
    small = prism(box_ring(10, 10), [-5, 0, 5])
    found = read(writer.structures([Roi("A", BOX, number=7), Roi("B", small, number=7)]))
    assert [round(s.volume_cc, 6) for s in found.structures] == [6.0, 1.5]
    assert codes(found) == ["roi-number-repeated"]


def test_repeated_number_that_cannot_be_matched_is_unusable(writer):
    """Two ROIs of one number and one set of contours: nobody knows whose it is."""
    found = read(writer.structures([Roi("A", BOX, number=7), Roi("B", None, number=7)]))
    assert not found.structures
    assert all("unknown" in roi.reason for roi in found.unusable)


def test_contours_of_an_undefined_roi_are_reported(writer):
    """Contours whose ROI number nobody defines are named, not attached."""

    def edit(ds):
        ds.ROIContourSequence[0].ReferencedROINumber = 99

    found = read(writer.structures([Roi("A", BOX)], edit=edit))
    assert codes(found) == ["contours-without-roi"]
    assert found.unusable[0].reason == "it has no contours"


def test_roi_of_another_frame_is_unusable(writer):
    """An ROI drawn in another frame needs a registration."""
    rois = [Roi("A", BOX), Roi("MR", BOX, frame_uid="1.2.3.4"), Roi("B", BOX)]
    found = read(writer.structures(rois))
    assert [s.name for s in found.structures] == ["A", "B"]
    assert "1.2.3.4" in found.unusable[0].reason
    assert codes(found) == ["roi-unusable"]


def test_case_frame_decides(writer):
    """The frame of the dose decides which ROIs are usable, not the majority."""
    rois = [Roi("A", BOX), Roi("MR", BOX, frame_uid="1.2.3.4"), Roi("B", BOX)]
    found = read(writer.structures(rois), frame_uid="1.2.3.4")
    assert [s.name for s in found.structures] == ["MR"]


def test_points_of_another_frame_are_no_points(writer):
    """A POINT in another frame has no place in this case."""
    rois = [Roi("A", BOX), Roi("P", [[[1, 2, 3]]], geometric_type="POINT", frame_uid="1.2")]
    assert read(writer.structures(rois)).points == ()


def test_unstated_frames_are_a_finding(writer):
    """ROIs without a frame UID are read and the assumption is told."""

    def edit(ds):
        del ds.StructureSetROISequence[0].ReferencedFrameOfReferenceUID

    found = read(writer.structures([Roi("A", BOX)], edit=edit))
    assert only(found).volume_cc == pytest.approx(6.0)
    assert codes(found) == ["frame-unknown"]


def test_missing_optional_sequences(writer):
    """No observations, no frame sequence, no colours: still a structure."""

    def edit(ds):
        del ds.RTROIObservationsSequence
        del ds.ReferencedFrameOfReferenceSequence
        for item in ds.ROIContourSequence:
            del item.ROIDisplayColor

    structure = only(read(writer.structures([Roi("A", BOX)], edit=edit)))
    assert structure.type == ""
    assert structure.volume_cc == pytest.approx(6.0)


def test_missing_roi_sequence_is_an_error(writer):
    """Without StructureSetROISequence the file defines nothing."""

    def edit(ds):
        del ds.StructureSetROISequence

    with pytest.raises(MissingElement, match=r"StructureSetROISequence \(3006,0020\)"):
        read(writer.structures([Roi("A", BOX)], edit=edit))


def test_wrong_number_in_roi_number_is_an_error(writer):
    """A ROINumber that is text is refused with file and element."""

    def edit(ds):
        item = ds.StructureSetROISequence[0]
        del item.ROINumber
        item.add_new(0x30060022, "LO", "seven")

    with pytest.raises(InvalidElement, match=r"RS\.structures\.dcm: ROINumber \(3006,0022\)"):
        read(writer.structures([Roi("A", BOX)], edit=edit))


def test_long_contour_data_as_un(writer):
    """ContourData beyond 64 kB is stored as UN and reads the same."""
    ring = circle_ring(50, points=4000)
    found = read(writer.structures([Roi("BODY", prism(ring, [0, 5, 10]), decimals=6)]))
    area = 4000 / 2 * 50**2 * np.sin(2 * np.pi / 4000)
    assert only(found).volume_cc == pytest.approx(area * 15 / 1000, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0\\0\\0\\1\\0\\0\\1\\1", "8 numbers, not a multiple of 3"),
        ("0\\0\\0\\1\\x\\0\\1\\1\\0", "not a number"),
        ("0\\0\\0\\nan\\0\\0\\1\\1\\0", "not finite"),
    ],
)
def test_broken_contour_data_makes_one_roi_unusable(writer, text, reason):
    """A broken contour costs its ROI, not the file."""
    rois = [Roi("bad", BOX, texts=[None, text, None]), Roi("good", BOX)]
    found = read(writer.structures(rois))
    assert [s.name for s in found.structures] == ["good"]
    assert reason in found.unusable[0].reason
    assert codes(found) == ["roi-unusable"]


def test_short_contours_are_dropped(writer):
    """A contour of two points is left out, with a finding."""
    found = read(writer.structures([Roi("A", [*BOX, [[0, 0, 10], [1, 0, 10]]])]))
    assert len(only(found).stack.planes) == 3
    assert codes(found) == ["contour-dropped"]


def test_only_short_contours_is_unusable(writer):
    """Nothing but short contours leaves nothing."""
    found = read(writer.structures([Roi("A", [[[0, 0, 10], [1, 0, 10]]])]))
    assert "3 points" in found.unusable[0].reason


def test_contours_without_area_are_unusable(writer):
    """Contours that are lines enclose nothing."""
    found = read(writer.structures([Roi("A", [[[0, 0, 0], [5, 0, 0], [9, 0, 0]]])]))
    assert "no area" in found.unusable[0].reason


def test_wrong_point_count_is_a_finding(writer):
    """NumberOfContourPoints that differs from the data is told; the data count."""

    def edit(ds):
        ds.ROIContourSequence[0].ContourSequence[0].NumberOfContourPoints = 17

    found = read(writer.structures([Roi("A", BOX)], edit=edit))
    assert only(found).volume_cc == pytest.approx(6.0)
    assert codes(found) == ["contour-count-mismatch"]


def test_missing_type_is_taken_as_closed(writer):
    """Contours without ContourGeometricType are closed, with a finding."""

    def edit(ds):
        for contour in ds.ROIContourSequence[0].ContourSequence:
            del contour.ContourGeometricType

    found = read(writer.structures([Roi("A", BOX)], edit=edit))
    assert only(found).volume_cc == pytest.approx(6.0)
    assert codes(found) == ["contour-type-missing"]


def test_nested_contours_are_a_hole(writer):
    """A contour in another is a hole; the finding gives the cc of filling it."""
    hole = prism(box_ring(10, 10), [-5, 0, 5])
    found = read(writer.structures([Roi("shell", [*BOX, *hole])]))
    assert only(found).volume_cc == pytest.approx(4.5)
    assert codes(found) == ["nested-contours"]
    assert "1.50 cc" in found.findings[0].message


def test_xor_contours(writer):
    """CLOSEDPLANAR_XOR combines by even-odd, and that is its definition: no finding."""
    hole = prism(box_ring(10, 10), [-5, 0, 5])
    roi = Roi("shell", [*BOX, *hole], geometric_type="CLOSEDPLANAR_XOR")
    found = read(writer.structures([roi]))
    assert only(found).volume_cc == pytest.approx(4.5)
    assert codes(found) == []


def test_mixed_types_use_the_xor_rule(writer):
    """CLOSED_PLANAR and XOR mixed: XOR rule, with a finding."""
    shifted = prism(box_ring(20, 20, (10, 0)), [-5, 0, 5])
    kinds = ["CLOSED_PLANAR"] * 3 + ["CLOSEDPLANAR_XOR"] * 3
    found = read(writer.structures([Roi("A", [*BOX, *shifted], geometric_type=kinds)]))
    assert only(found).volume_cc == pytest.approx(6.0)
    assert codes(found) == ["contour-types-mixed"]


def test_misspelled_xor_is_read_as_xor(writer):
    """CLOSED_PLANAR_XOR is not a DICOM term; it can mean one thing only."""
    hole = prism(box_ring(10, 10), [-5, 0, 5])

    def edit(ds):
        for contour in ds.ROIContourSequence[0].ContourSequence:
            contour.add_new(0x30060042, "LO", "CLOSED_PLANAR_XOR")

    found = read(writer.structures([Roi("shell", [*BOX, *hole])], edit=edit))
    assert only(found).volume_cc == pytest.approx(4.5)
    assert codes(found) == ["contour-type-misspelled"]


def test_duplicates_count_once(writer):
    """A contour that is there twice counts once, with a finding."""
    found = read(writer.structures([Roi("A", [*BOX, BOX[1]])]))
    assert only(found).volume_cc == pytest.approx(6.0)
    assert codes(found) == ["duplicate-contour"]


def test_overlaps_are_united(writer):
    """Partly overlapping contours are united, with a finding."""
    shifted = prism(box_ring(20, 20, (10, 0)), [-5, 0, 5])
    found = read(writer.structures([Roi("A", [*BOX, *shifted])]))
    assert only(found).volume_cc == pytest.approx(9.0)
    assert codes(found) == ["overlapping-contours"]


def test_self_crossing_is_a_finding(writer):
    """A contour that winds twice around a part is told with its cc."""
    twice = [[0, 0], [20, 0], [20, 20], [0, 20], [0, 0], [5, 5], [15, 5], [15, 15], [5, 15], [5, 5]]
    found = read(writer.structures([Roi("A", prism(twice, [-5, 0, 5]))]))
    assert only(found).volume_cc == pytest.approx(4.5)
    assert codes(found) == ["self-crossing-contour"]


def test_gap_is_a_finding(writer):
    """Missing planes are not filled; the finding says what filling would add."""
    found = read(writer.structures([Roi("A", prism(box_ring(20, 20), [0, 5, 10, 30, 35]))]))
    assert only(found).volume_cc == pytest.approx(10.0)
    assert codes(found) == ["contour-gap"]
    assert "6.00 cc" in found.findings[0].message


def test_heights_within_a_hundredth_are_one_plane(writer):
    """Two parts whose z differs by rounding lie in one plane."""
    parts = [*BOX, *prism(box_ring(5, 5, (40, 0)), [-5.004, 0.003, 5])]
    structure = only(read(writer.structures([Roi("A", parts)])))
    assert len(structure.stack.planes) == 3
    assert structure.volume_cc == pytest.approx(6.375)


def test_single_plane_takes_the_stated_slab_thickness(writer):
    """One plane is as thick as ContourSlabThickness says."""
    found = read(writer.structures([Roi("A", BOX[:1], slab_thickness_mm=4)]))
    assert only(found).volume_cc == pytest.approx(1.6)
    assert codes(found) == ["single-plane"]


def test_single_plane_takes_the_image_spacing(writer):
    """Without a slab thickness the image's slice spacing counts."""
    grid = axial_grid((5, 4, 4), spacing_mm=(3, 1, 1))
    found = read(writer.structures([Roi("A", BOX[:1])]), image=grid)
    assert only(found).volume_cc == pytest.approx(1.2)


def test_single_plane_across_the_image_planes_is_unusable(writer):
    """The spacing of an image counts only along its own planes."""
    grid = turned_grid("SAGITTAL", (5, 4, 4), spacing_mm=(3, 1, 1))
    found = read(writer.structures([Roi("A", BOX[:1])]), image=grid)
    assert "volume is unknown" in found.unusable[0].reason


def test_single_plane_of_unknown_thickness_is_unusable(writer):
    """Nobody states a thickness: there is no volume, and no guess."""
    found = read(writer.structures([Roi("A", BOX[:1])]))
    assert "volume is unknown" in found.unusable[0].reason
    assert codes(found) == ["roi-unusable"]


@pytest.mark.parametrize(
    ("caps", "found_codes"),
    [("half", []), ("tapered", []), ("none", ["single-plane-no-volume"])],
)
def test_single_plane_without_end_caps_is_a_finding(writer, caps, found_codes):
    """Whoever says its thickness: caps 'none' leaves no volume, and the reader of the case is told."""
    path = writer.structures([Roi("A", BOX[:1], slab_thickness_mm=4), Roi("B", BOX)])
    found = read(path, method=Method(caps=caps))
    assert codes(found) == ["single-plane", *found_codes]
    told = [each for each in found.findings if each.code == "single-plane-no-volume"]
    for each in told:
        assert (each.where, each.severity) == ("A", Severity.WARNING)
        assert "no volume, so that no metric of it is defined" in each.message
    volumes = {each.name: each.volume_cc for each in found.structures}
    assert (volumes["A"] == 0) == bool(found_codes)
    assert volumes["B"] > 0


def test_stated_plane_spacing_counts(writer):
    """SourcePixelPlanesCharacteristics gives the spacing where it is there."""

    def edit(ds):
        planes = Dataset()
        planes.SpacingBetweenSlices = 4
        ds.ROIContourSequence[0].SourcePixelPlanesCharacteristicsSequence = [planes]

    structure = only(read(writer.structures([Roi("A", BOX)], edit=edit)))
    assert structure.stack.spacing_mm == 4


FRAMES = {
    "sagittal": ((0, 1, 0), (0, 0, 1)),
    "sagittal, mirrored": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "oblique": ((0.8, 0.6, 0), (0, 0, 1)),
    "doubly oblique": ((0.6, 0.8, 0), (-0.64, 0.48, 0.6)),
}


@pytest.mark.parametrize("frame", FRAMES)
def test_planes_of_any_direction(writer, frame):
    """A box drawn on turned planes has its volume and its corners."""
    row, column = FRAMES[frame]
    contours = prism(box_ring(30, 20), [-4, 0, 4, 8], row=row, column=column)
    found = read(writer.structures([Roi("A", contours)]))
    structure = only(found)
    assert structure.volume_cc == pytest.approx(30 * 20 * 16 / 1000, rel=1e-4)
    corners = np.concatenate(contours)
    low, high = structure.bounds_mm
    half_cap = 2 * np.abs(np.cross(row, column))
    assert low == pytest.approx(corners.min(axis=0) - half_cap, abs=1e-3)
    assert high == pytest.approx(corners.max(axis=0) + half_cap, abs=1e-3)
    assert codes(found) == ["oblique-contours"]


def test_sagittal_and_coronal_frames_are_exact(writer):
    """Planes along the patient axes get a frame of zeros and ones in spite of rounded points."""
    rng = np.random.default_rng(0)
    contours = prism(circle_ring(15), [0, 2, 4], row=(0, 1, 0), column=(0, 0, 1))
    noisy = [points + rng.normal(0, 0.003, points.shape) for points in contours]
    frame = only(read(writer.structures([Roi("A", noisy)]))).stack.frame
    assert set(np.abs(frame.axes).ravel()) == {0.0, 1.0}


def test_structures_on_one_oblique_image_share_a_frame(writer):
    """A tiny ROI takes the frame of a large one, so that both can be combined."""
    row, column = (0.8, 0.6, 0), (-0.36, 0.48, 0.8)
    large = prism(circle_ring(60), [0, 3, 6], row=row, column=column)
    tiny = prism(circle_ring(1.5), [0, 3, 6], row=row, column=column)
    rois = [Roi("tiny", tiny, decimals=2), Roi("large", large, decimals=2)]
    one, other = read(writer.structures(rois)).structures
    assert one.stack.frame is other.stack.frame


def test_tilted_within_tolerance_is_axial(writer):
    """Contours whose z wobbles by less than 0.1 mm are axial."""
    tilt = np.array([[0, 0, 0.05], [0, 0, 0], [0, 0, -0.05], [0, 0, 0]])
    wobble = [points + tilt for points in BOX]
    assert only(read(writer.structures([Roi("A", wobble)]))).stack.frame is AXIAL


def test_contour_that_is_not_planar_is_unusable(writer):
    """A contour bent out of its plane has no area anyone stated."""
    bent = [BOX[0], BOX[1] + [[0, 0, 3], [0, 0, 0], [0, 0, 3], [0, 0, 0]], BOX[2]]
    found = read(writer.structures([Roi("A", bent)]))
    assert "not planar" in found.unusable[0].reason


def test_planes_that_are_not_parallel_are_unusable(writer):
    """Axial and sagittal contours in one ROI are not one stack."""
    mixed = [*BOX, *prism(box_ring(20, 20), [0], row=(0, 1, 0), column=(0, 0, 1))]
    found = read(writer.structures([Roi("A", mixed)]))
    assert "not parallel" in found.unusable[0].reason


@pytest.mark.parametrize("position", list(ORIENTATIONS))
def test_patient_position_does_not_matter(writer, position):
    """Contours are in patient coordinates: the image's orientation changes nothing."""
    writer.ct(turned_grid(position, (3, 4, 4)))
    found = read(writer.structures([Roi("A", BOX)], slab_images=True))
    assert only(found).volume_cc == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("charset", "encoding", "name"),
    [
        ("ISO_IR 192", "utf-8", "肝脏 PTV"),
        ("GB18030", "gb18030", "肝脏"),
        ("GBK", "gbk", "食管"),
        ("ISO_IR 100", "latin-1", "Größe"),
        ("ISO_IR 13", "shift_jis", "ｶﾝｿﾞｳ"),
        (["", "ISO 2022 IR 87"], "iso2022_jp_2", "肝臓"),
    ],
)
def test_names_in_many_scripts(writer, charset, encoding, name):
    """ROI names are decoded by the declared character set."""

    def edit(ds):
        ds.SpecificCharacterSet = charset
        ds.StructureSetROISequence[0].add_new(0x30060026, "UN", name.encode(encoding))

    found = read(writer.structures([Roi("x", BOX)], edit=edit))
    assert only(found).name == name


def test_undeclared_utf8_is_read_and_noted(writer):
    """Text without a character set that is valid UTF-8 is read so, and the file remembers."""

    def edit(ds):
        del ds.SpecificCharacterSet
        ds.PatientName = "A"
        ds.StructureSetROISequence[0].add_new(0x30060026, "UN", "肝脏".encode())

    path = writer.structures([Roi("x", BOX)], edit=edit)
    with quiet_pydicom():
        file = open_file(path, path.name)
        assert only(read_structure_set(file)).name == "肝脏"
    assert file.root.problems.undeclared == ["ROIName"]


def test_hostile_names_stay_data(writer):
    """Markup and control characters in names are kept as they are."""
    name = '<script>alert("x")</script>\x1b[31m'
    found = read(writer.structures([Roi(name.replace("\x1b", "?"), BOX)]))
    assert only(found).name == name.replace("\x1b", "?")


def test_no_structures_at_all(writer):
    """A structure set with no ROI is empty, not an error."""
    found = read(writer.structures([]))
    assert found.structures == ()


def test_contour_sequence_that_is_no_sequence_is_an_error(writer):
    """A ContourSequence of another VR is refused."""

    def edit(ds):
        item = ds.ROIContourSequence[0]
        del item.ContourSequence
        item.add_new(0x30060040, "LO", "contours")

    with pytest.raises(DataError, match="ContourSequence"):
        read(writer.structures([Roi("A", BOX)], edit=edit))


MANY = [
    Roi("holes", [*prism(box_ring(40, 40), [0, 5]), *prism(box_ring(8, 8), [0, 5])]),
    Roi("elsewhere", BOX, frame_uid="1.2.3.4"),
    Roi("gap", prism(box_ring(20, 20), [0, 5, 20, 25])),
    Roi("empty", None),
    Roi("broken", BOX, texts=[None, "1\\x\\3", None]),
    Roi("sagittal", [np.roll(points, 1, axis=1) for points in BOX]),
    Roi("point", [[[1, 2, 3]]], geometric_type="POINT"),
    Roi("other kind", BOX),
    Roi("crossing", [[[0, 0, 0], [20, 20, 0], [20, 0, 0], [0, 20, 0]]], slab_thickness_mm=3),
    Roi("sagittal too", [np.roll(points, 1, axis=1) + 1 for points in BOX]),
]
"""ROIs of every kind: what becomes of one must not depend on its neighbours."""


@pytest.fixture(params=[2, 3, 20])
def in_shares(request, monkeypatch):
    """Have ROIs read in shares as other processes would: on copies, with results that were sent."""

    @contextmanager
    def begun(work, items, workers):
        assert workers == len(items) - 1
        tasks = [copy.deepcopy((work, item)) for item in items]
        yield lambda: [pickle.loads(pickle.dumps(task(item))) for task, item in tasks]

    def start():
        monkeypatch.setattr("planeval.dicom.rtstruct.WORTH_A_PROCESS", 1)
        monkeypatch.setattr("planeval.dicom.rtstruct.SHARES", request.param)
        monkeypatch.setattr("planeval.dicom.rtstruct.cores", lambda: 99)
        monkeypatch.setattr("planeval.dicom.rtstruct.begun", begun)

    return start


def test_shares_of_the_rois_change_nothing(writer, in_shares):
    """Read side by side, a file gives the same structures, reasons, findings and text problems."""

    def edit(ds):
        del ds.SpecificCharacterSet
        ds.ROIContourSequence[7].ContourSequence[0].add_new(0x30060042, "CS", "GESCHLOSSEN_Ä")

    path = writer.structures(MANY, edit=edit)
    file, other = (open_file(path, path.name) for _ in range(2))
    whole = read_structure_set(file)
    in_shares()
    shared = read_structure_set(other)
    assert shared.findings == whole.findings
    assert shared.unusable == whole.unusable
    assert shared.points == whole.points
    assert other.root.problems == file.root.problems
    assert file.root.problems.undeclared
    for one, same in zip(shared.structures, whole.structures, strict=True):
        assert (one.name, one.number, one.colour) == (same.name, same.number, same.colour)
        assert one.stack.frame.is_same(same.stack.frame)
        assert (one.stack.frame is AXIAL) == (same.stack.frame is AXIAL)
        for mine, theirs in zip(one.stack.planes, same.stack.planes, strict=True):
            assert mine.offset_mm == theirs.offset_mm
            assert mine.area.equals_exact(theirs.area, 0)
    oblique = [one.stack.frame for one in shared.structures if one.name.startswith("sagittal")]
    assert oblique[0] is oblique[1]


def test_error_in_another_share_is_told(writer, in_shares):
    """What cannot be read at all is an error, whoever reads it."""

    def edit(ds):
        contour = ds.ROIContourSequence[1].ContourSequence[0]
        contour.add_new(0x30060046, "LO", "several")

    path = writer.structures([Roi("A", BOX), Roi("B", BOX)], edit=edit)
    in_shares()
    with pytest.raises(InvalidElement, match=r"ROI 'B'.*NumberOfContourPoints"):
        read(path)
