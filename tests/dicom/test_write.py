"""Written structure sets: legal by the standard, and read back as what was written."""

import shutil
import subprocess
from datetime import datetime

import numpy as np
import pydicom
import pytest
import shapely
from tests.dicom_writer import (
    CaseWriter,
    Roi,
    circle_ring,
    prism,
    turned_grid,
)
from tests.phantoms import disc

import planeval as pe
from planeval.dicom.write import write_structures
from planeval.errors import GeometryError, MissingElement, ReportError
from planeval.geometry.booleans import combine
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, PlaneFrame, Slab
from planeval.model import CaseData, Identity, Structure

HOLED = shapely.Polygon(
    disc(24).exterior.coords, [disc(5, (-10, 3), 30).exterior.coords, disc(4, (9, 0)).exterior]
)
ISLAND = shapely.union(HOLED, disc(2, (-10, 3), 16))

# PS3.3 A.19.3 and the modules it names: (path of sequences, keyword, type)
ATTRIBUTES = [
    ("", "PatientName", 2), ("", "PatientID", 2), ("", "PatientBirthDate", 2),
    ("", "PatientSex", 2),
    ("", "StudyInstanceUID", 1), ("", "StudyDate", 2), ("", "StudyTime", 2),
    ("", "ReferringPhysicianName", 2), ("", "StudyID", 2), ("", "AccessionNumber", 2),
    ("", "Modality", 1), ("", "SeriesInstanceUID", 1), ("", "SeriesNumber", 2),
    ("", "OperatorsName", 2), ("", "Manufacturer", 2),
    ("", "FrameOfReferenceUID", 1), ("", "PositionReferenceIndicator", 2),
    ("", "StructureSetLabel", 1), ("", "StructureSetDate", 2), ("", "StructureSetTime", 2),
    ("", "StructureSetROISequence", 1), ("", "ROIContourSequence", 1),
    ("", "RTROIObservationsSequence", 1),
    ("", "ApprovalStatus", 1), ("", "SOPClassUID", 1), ("", "SOPInstanceUID", 1),
    ("ReferencedFrameOfReferenceSequence", "FrameOfReferenceUID", 1),
    ("ReferencedFrameOfReferenceSequence RTReferencedStudySequence", "ReferencedSOPClassUID", 1),
    ("ReferencedFrameOfReferenceSequence RTReferencedStudySequence", "ReferencedSOPInstanceUID", 1),
    ("ReferencedFrameOfReferenceSequence RTReferencedStudySequence RTReferencedSeriesSequence",
     "SeriesInstanceUID", 1),
    ("ReferencedFrameOfReferenceSequence RTReferencedStudySequence RTReferencedSeriesSequence",
     "ContourImageSequence", 1),
    ("StructureSetROISequence", "ROINumber", 1),
    ("StructureSetROISequence", "ReferencedFrameOfReferenceUID", 1),
    ("StructureSetROISequence", "ROIName", 2),
    ("StructureSetROISequence", "ROIGenerationAlgorithm", 2),
    ("ROIContourSequence", "ReferencedROINumber", 1),
    ("ROIContourSequence ContourSequence", "ContourGeometricType", 1),
    ("ROIContourSequence ContourSequence", "NumberOfContourPoints", 1),
    ("ROIContourSequence ContourSequence", "ContourData", 1),
    ("ROIContourSequence ContourSequence ContourImageSequence", "ReferencedSOPClassUID", 1),
    ("ROIContourSequence ContourSequence ContourImageSequence", "ReferencedSOPInstanceUID", 1),
    ("RTROIObservationsSequence", "ObservationNumber", 1),
    ("RTROIObservationsSequence", "ReferencedROINumber", 1),
    ("RTROIObservationsSequence", "RTROIInterpretedType", 2),
    ("RTROIObservationsSequence", "ROIInterpreter", 2),
]  # fmt: skip


def drawn_case(tmp_path, orientation="HFS", *, planes=20, spacing=2.5):
    """A case with a CT in an orientation and one drawn cylinder; returns (case, grid)."""
    grid = turned_grid(
        orientation, (planes, 40, 50), spacing_mm=(spacing, 2.0, 2.0), origin_mm=(-43.5, -31.0, 12)
    )
    writer = CaseWriter(tmp_path / "export")
    writer.ct(grid)
    middle = grid.to_patient([[planes / 2, 20, 25]])[0]
    centre = grid.axes @ middle
    first = float(np.asarray(grid.origin_mm) @ grid.axes[2])
    heights = [first + offset for offset in grid.offsets_mm[4:12]]
    ring = circle_ring(12, (centre[0], centre[1]))
    rois = [
        Roi("GTV", prism(ring, heights, row=grid.row, column=grid.column), 7, "GTV"),
        Roi("Empty", (), 12),
    ]
    writer.structures(rois, slab_images=True)
    return pe.load(tmp_path / "export", need_dose=False), grid


def solid_in(frame, shape, low, high, centre=(0.0, 0.0)):
    """A derived structure: one prism of a shape moved to (u, v)."""
    area = shapely.affinity.translate(shape, *centre)
    return Structure("PTV", PlanarStack(frame, slabs=[Slab(low, high, area)]), origin="derived")


def read_again(tmp_path, written):
    """The written file together with the CT."""
    export = tmp_path / "again"
    export.mkdir()
    shutil.copy(written.path, export)
    for slice_path in (tmp_path / "export").glob("CT*"):
        shutil.copy(slice_path, export)
    return pe.load(export, need_dose=False)


OBLIQUE = tuple(np.round([np.cos(0.3), np.sin(0.3), 0, 0, 0, -1], 6))


@pytest.mark.parametrize("xor", [False, True])
@pytest.mark.parametrize("orientation", ["HFS", "FFP", "HFDR", "SAGITTAL", OBLIQUE])
def test_read_back_equal(tmp_path, orientation, xor):
    """Holes and islands come back with equal polygons on the image's planes, in any orientation."""
    case, _grid = drawn_case(tmp_path, orientation)
    gtv = case.structure("GTV")
    frame = gtv.stack.frame
    heights = np.array([plane.offset_mm for plane in gtv.stack.planes])
    u, v = shapely.get_coordinates(gtv.stack.planes[0].area.centroid)[0]
    ptv = solid_in(frame, ISLAND, heights[0] - 1.25, heights[-1] + 1.25, (u, v))
    written = write_structures(tmp_path / "RS.dcm", [ptv], like=case, xor=xor)
    again = read_again(tmp_path, written).structure("PTV")
    assert [p.offset_mm for p in again.stack.planes] == pytest.approx(heights.tolist(), abs=1e-3)
    # another choice of axes in the plane must not matter: compare what is where in the patient
    for plane in again.stack.planes:
        points = shapely.get_coordinates(plane.area)
        uvw = np.column_stack([points, np.full(len(points), plane.offset_mm)])
        back = frame.to_plane(again.stack.frame.to_patient(uvw))[:, :2]
        moved = shapely.transform(plane.area, lambda _xy, back=back: back)
        wanted = shapely.affinity.translate(ISLAND, u, v)
        assert shapely.symmetric_difference(moved, wanted).area < 0.02
    assert again.volume_cc == pytest.approx(ptv.volume_cc, rel=1e-4)
    assert again.type == "PTV"
    assert written.findings == ()
    assert again.frame_uid == gtv.frame_uid


def dataset_of(path):
    return pydicom.dcmread(path)


def items_at(dataset, path):
    found = [dataset]
    for keyword in path.split():
        found = [item for each in found for item in each[keyword].value]
    return found


@pytest.fixture
def liver():
    return pe.load("test_data/hepatic-pvtt")


def test_every_needed_attribute_is_there(tmp_path, liver):
    """Types 1 and 2 of all modules of the RT Structure Set IOD (PS3.3 A.19.3), typed from the text."""
    written = write_structures(tmp_path / "RS.dcm", [liver.structure("Liver - GTV")], like=liver)
    dataset = dataset_of(written.path)
    for path, keyword, kind in ATTRIBUTES:
        for item in items_at(dataset, path):
            assert keyword in item, f"{path} {keyword}"
            if kind == 1:
                assert item[keyword].value not in (None, ""), f"{path} {keyword}"
    assert dataset.ApprovalStatus == "UNAPPROVED"
    assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert "ReviewDate" not in dataset  # 2C: only of what was approved or rejected


def test_values_keep_their_representation(tmp_path, liver):
    """pydicom, told to be strict, reads every value; decimal strings have at most 16 characters."""
    long = Structure("PTV " + "x" * 90 + "\\\n", liver.structure("PTV").stack, colour=(300, -1, 9))
    written = write_structures(
        tmp_path / "RS.dcm", [long], like=liver, label="a label of more than 16", description="d" * 3000
    )  # fmt: skip
    dataset = dataset_of(written.path)
    with pydicom.config.strict_reading():
        for element in dataset_of(written.path).iterall():
            assert element.value is not None
    assert len(dataset.StructureSetLabel) <= 16
    assert len(dataset.StructureSetDescription) <= 1024
    assert len(dataset.StructureSetROISequence[0].ROIName) <= 64
    assert list(dataset.ROIContourSequence[0].ROIDisplayColor) == [255, 0, 9]
    raw = dataset.ROIContourSequence[0].ContourSequence[0].ContourData
    assert max(len(str(value)) for value in raw) <= 16
    (code,) = [f.code for f in written.findings]
    assert code == "write-name-changed"


def test_independent_programs_accept_it(tmp_path, liver):
    """Dcmdump parses it and dciodvfy finds no error against the IOD, where they are installed."""
    written = write_structures(
        tmp_path / "RS.dcm", [liver.structure("Liver - GTV")], like=liver, with_originals=True
    )
    if shutil.which("dcmdump"):
        run = subprocess.run(["dcmdump", "-q", written.path], capture_output=True, check=True)
        assert b"RTStructureSetStorage" in run.stdout
        assert not run.stderr
    if shutil.which("dciodvfy"):
        run = subprocess.run(
            ["dciodvfy", written.path], capture_output=True, text=True, check=False
        )
        assert "RTStructureSet" in run.stderr
        assert "Error" not in run.stderr


def test_same_patient_study_and_frame_but_a_new_object(tmp_path, liver):
    """The file belongs to the case and is no copy of any of its objects."""
    first, second = (
        write_structures(tmp_path / f"{n}.dcm", [liver.structure("PTV")], like=liver) for n in "12"
    )
    original, dataset = dataset_of("test_data/hepatic-pvtt/RS.dcm"), dataset_of(first.path)
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyID", "StudyTime"):
        assert dataset[keyword].value == original[keyword].value
    frame = original.StructureSetROISequence[0].ReferencedFrameOfReferenceUID
    assert frame == dataset.FrameOfReferenceUID
    known = {original.SOPInstanceUID, original.SeriesInstanceUID}
    uids = {first.uid, first.series_uid, second.uid, second.series_uid}
    assert len(uids | known) == 6


def test_slices_are_referenced_where_they_are(tmp_path, liver):
    """Each contour names the slice that has its z."""
    written = write_structures(tmp_path / "RS.dcm", [liver.structure("Liver - GTV")], like=liver)
    heights = {
        uid: float(z)
        for uid, z in zip(
            liver.image.sop_uids,
            liver.image.grid.to_patient([[k, 0, 0] for k in range(64)])[:, 2],
            strict=True,
        )
    }
    for contour in items_at(dataset_of(written.path), "ROIContourSequence ContourSequence"):
        (image,) = contour.ContourImageSequence
        assert heights[image.ReferencedSOPInstanceUID] == pytest.approx(contour.ContourData[2])


def test_a_flipped_frame_still_finds_its_slices(tmp_path):
    """Slices counted from feet to head and from head to feet are told apart."""
    case, grid = drawn_case(tmp_path, "FFS")
    written = write_structures(tmp_path / "RS.dcm", [case.structure("GTV")], like=case)
    z = {
        uid: p[2]
        for uid, p in zip(
            case.image.sop_uids, grid.to_patient([[k, 0, 0] for k in range(20)]), strict=True
        )
    }
    contours = items_at(dataset_of(written.path), "ROIContourSequence ContourSequence")
    assert len({c.ContourImageSequence[0].ReferencedSOPInstanceUID for c in contours}) == 8
    for contour in contours:
        uid = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
        assert z[uid] == pytest.approx(contour.ContourData[2])


def test_planes_go_on_beyond_the_image(tmp_path):
    """A solid that leaves the CT is drawn there too, without slices, and the user hears of it."""
    case, _grid = drawn_case(tmp_path)
    ptv = solid_in(AXIAL, disc(10), 12 - 6.25, 12 + 6.25)
    written = write_structures(tmp_path / "RS.dcm", [ptv], like=case)
    contours = items_at(dataset_of(written.path), "ROIContourSequence ContourSequence")
    assert [c.ContourData[2] for c in contours] == [7.0, 9.5, 12.0, 14.5, 17.0]
    assert ["ContourImageSequence" in c for c in contours] == [False, False, True, True, True]
    (found,) = written.findings
    assert found.code == "write-plane-without-slice"
    assert "2 of 5" in found.message
    assert read_again(tmp_path, written).structure("PTV").volume_cc == pytest.approx(
        ptv.volume_cc, rel=1e-4
    )


def test_numbers_never_collide(tmp_path, liver):
    """New ROIs are numbered above every number of the case, those without a solid included."""
    case, _grid = drawn_case(tmp_path)
    new = solid_in(AXIAL, disc(10), 20, 30)
    written = write_structures(tmp_path / "1.dcm", [new], like=case)
    assert [s.number for s in written.structures] == [13]  # 7 is GTV, 12 is Empty
    written = write_structures(tmp_path / "2.dcm", [new], like=case, with_originals=True)
    assert [(s.name, s.number) for s in written.structures] == [("GTV", 7), ("PTV", 13)]
    assert "write-roi-left-out" in [f.code for f in written.findings]


def test_repeated_numbers_are_replaced(tmp_path):
    """Originals that share a number get numbers of their own, and that is said."""
    one, two = (
        Structure(name, PlanarStack(AXIAL, [DrawnPlane(0, disc(9)), DrawnPlane(2, disc(9))]), number=3)
        for name in ("A", "B")
    )  # fmt: skip
    data = CaseData(Identity(study_uid="1.2"), {"A": one, "B": two}, frame_uid="1.3")
    written = write_structures(tmp_path / "RS.dcm", [one, two], like=data)
    assert [s.number for s in written.structures] == [3, 4]
    assert "write-number-changed" in [f.code for f in written.findings]


def test_nothing_is_overwritten(tmp_path, liver):
    """An existing file stays as it is."""
    path = tmp_path / "RS.dcm"
    path.write_bytes(b"precious")
    with pytest.raises(ReportError, match=r"RS\.dcm exists and is not overwritten"):
        write_structures(path, [liver.structure("PTV")], like=liver)
    assert path.read_bytes() == b"precious"
    with pytest.raises(ReportError, match="cannot be written"):
        write_structures(tmp_path / "no" / "RS.dcm", [liver.structure("PTV")], like=liver)


def test_a_seed_makes_the_same_file(tmp_path, liver):
    """Seed, content and date decide every byte; other content has other UIDs under one seed."""
    when = datetime(2025, 1, 2, 3, 4, 5)
    same = [
        write_structures(tmp_path / f"{n}", [liver.structure("PTV")], like=liver, seed="s", when=when)
        for n in "12"
    ]  # fmt: skip
    assert same[0].path.read_bytes() == same[1].path.read_bytes()
    other = write_structures(
        tmp_path / "3", [liver.structure("CTV")], like=liver, seed="s", when=when
    )
    assert other.uid != same[0].uid


def test_refusals(tmp_path, liver):
    """What cannot be written honestly is refused with a reason."""
    ptv = liver.structure("PTV")
    path = tmp_path / "RS.dcm"
    with pytest.raises(ValueError, match="no structures"):
        write_structures(path, [], like=liver)
    with pytest.raises(ValueError, match="two structures are named 'PTV'"):
        write_structures(path, [Structure("PTV", ptv.stack)], like=liver, with_originals=True)
    empty = combine(ptv.stack, ptv.stack, shapely.difference)
    with pytest.raises(GeometryError, match="'CTV2': an empty structure"):
        write_structures(path, [Structure("CTV2", empty)], like=liver)
    thin = Structure("Thin", PlanarStack(AXIAL, slabs=[Slab(0.4, 0.6, disc(5))]))
    with pytest.raises(GeometryError, match="thinner than the distance of the planes"):
        write_structures(path, [thin], like=liver)
    elsewhere = Structure("E", ptv.stack, frame_uid="1.2.3")
    with pytest.raises(GeometryError, match=r"frame of reference 1\.2\.3"):
        write_structures(path, [elsewhere], like=liver)
    with pytest.raises(MissingElement, match="frame of reference"):
        write_structures(path, [ptv], like=CaseData(Identity(study_uid="1"), {}))
    with pytest.raises(MissingElement, match="StudyInstanceUID"):
        write_structures(path, [ptv], like=CaseData(Identity(), {}, frame_uid="1.2"))
    no_image = CaseData(Identity(study_uid="1"), {}, frame_uid="1.2")
    slabs = Structure("S", PlanarStack(AXIAL, slabs=[Slab(0, 9, disc(5))]))
    with pytest.raises(GeometryError, match="load the case with its CT"):
        write_structures(path, [slabs], like=no_image)
    assert not path.exists()


def test_without_an_image_the_drawn_planes_are_used(tmp_path):
    """A derived solid is cut at the planes of the finest structure beside it, and beyond its ends."""
    planes = [DrawnPlane(float(z), disc(9)) for z in (1, 3, 5)]
    coarse = [DrawnPlane(float(z), disc(30)) for z in (0, 5, 10)]
    drawn = Structure("GTV", PlanarStack(AXIAL, planes), 1, origin="drawn")
    liver = Structure("Liver", PlanarStack(AXIAL, coarse), 2, origin="drawn")
    data = CaseData(Identity(study_uid="1"), {"L": liver, "G": drawn}, frame_uid="1.2")
    ptv = solid_in(AXIAL, HOLED, -2, 8)
    written = write_structures(tmp_path / "RS.dcm", [ptv], like=data)
    contours = items_at(dataset_of(written.path), "ROIContourSequence ContourSequence")
    assert [c.ContourData[2] for c in contours] == [-1, 1, 3, 5, 7]
    assert pe.load(written.path, need_dose=False).structure("PTV").volume_cc == pytest.approx(
        ptv.volume_cc, rel=1e-4
    )


def test_one_plane_without_image_says_that_its_thickness_is_lost(tmp_path):
    """DICOM has no place left for the thickness of a single contour."""
    stack = PlanarStack(AXIAL, [DrawnPlane(4.0, disc(9))], spacing_mm=3.0)
    data = CaseData(Identity(study_uid="1"), {}, frame_uid="1.2")
    one = Structure("GTV", stack, origin="drawn")
    written = write_structures(tmp_path / "RS.dcm", [one], like=data)
    assert written.structures[0].drawn_cc == pytest.approx(one.volume_cc, rel=1e-5)
    assert [f.code for f in written.findings] == ["write-thickness-unstated"]
    unknown = Structure("GTVn", PlanarStack(AXIAL, [DrawnPlane(4.0, disc(9))]), origin="drawn")
    with pytest.raises(GeometryError, match="no stated thickness"):
        write_structures(tmp_path / "2.dcm", [unknown], like=data)


def test_planes_across_the_image_are_their_own(tmp_path):
    """Sagittal contours on an axial CT keep their planes, name no slice, and say so."""
    case, _grid = drawn_case(tmp_path)
    sagittal = PlaneFrame((0, 1, 0), (0, 0, 1))
    stack = PlanarStack(sagittal, [DrawnPlane(x, disc(9, (10, 30))) for x in (0.0, 2.0, 4.0)])
    made = Structure("CTV", stack, origin="drawn")
    written = write_structures(tmp_path / "RS.dcm", [made], like=case)
    assert [f.code for f in written.findings] == ["write-planes-not-of-image"]
    again = read_again(tmp_path, written).structure("CTV")
    assert again.volume_cc == pytest.approx(made.volume_cc, rel=1e-4)


def test_a_volume_that_the_planes_cannot_show_is_said(tmp_path):
    """A slab that ends between two slices is not what its contours stand for."""
    case, _grid = drawn_case(tmp_path)
    ptv = solid_in(AXIAL, disc(10), 21.0, 23.0)  # holds the plane at 22 only: 2.5 mm, not 2
    written = write_structures(tmp_path / "RS.dcm", [ptv], like=case)
    assert [f.code for f in written.findings] == ["write-volume-differs"]
    assert written.structures[0].drawn_cc == pytest.approx(ptv.volume_cc * 2.5 / 2, rel=1e-4)


def test_slivers_are_left_out(tmp_path):
    """A left-over of polygon operations does not become a contour."""
    case, _grid = drawn_case(tmp_path)
    area = shapely.union(disc(10), shapely.box(20, 0, 20.05, 0.1))
    written = write_structures(tmp_path / "RS.dcm", [solid_in(AXIAL, area, 20, 30)], like=case)
    assert [f.code for f in written.findings] == ["write-part-left-out"]
    assert written.structures[0].contours == 4


def test_names_of_sixteen_characters(tmp_path, liver):
    """Short names are of TG-263 form and unique; without them the user hears of the form."""
    stack = liver.structure("PTV").stack
    pair = [
        Structure("PTV 5500 liver segment 8", stack),
        Structure("PTV 5500 liver segment 7", stack),
    ]
    written = write_structures(tmp_path / "1.dcm", pair, like=liver, short_names=True)
    assert [s.name for s in written.structures] == ["PTV_5500_liver_s", "PTV_5500_liver_2"]
    written = write_structures(tmp_path / "2.dcm", pair, like=liver)
    assert {f.code for f in written.findings} == {"write-name-not-tg263"}


def test_a_long_contour_stays_decimal_text(tmp_path, liver):
    """More than 64 kB of coordinates fit, because the value representation is implicit."""
    stack = PlanarStack(AXIAL, slabs=[Slab(0.0, 4.0, disc(90, points=3000))])
    written = write_structures(tmp_path / "RS.dcm", [Structure("PTV2", stack)], like=liver)
    dataset = dataset_of(written.path)
    assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ImplicitVRLittleEndian
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    assert contour["ContourData"].VR == "DS"
    assert len(contour.ContourData) == 3 * contour.NumberOfContourPoints > 8_000


def test_provenance(tmp_path, liver):
    """Who made it, from what, and that nobody has approved it."""
    written = write_structures(
        tmp_path / "RS.dcm", [liver.structure("Liver - GTV")], like=liver, description="by rule X."
    )
    dataset = dataset_of(written.path)
    assert f"planeval {pe.__version__}" in dataset.StructureSetDescription
    assert "by rule X." in dataset.StructureSetDescription
    assert liver.data.sources[0].uid in dataset.StructureSetDescription
    roi = dataset.StructureSetROISequence[0]
    assert roi.ROIGenerationAlgorithm == "AUTOMATIC"
    assert "Liver - GTV" in roi.ROIDescription


def test_values_that_are_not_legal_are_left_empty(tmp_path):
    """A de-identified study date that is no date is not handed on; name and ID are, as they are."""
    identity = Identity("P\u00e41", "Anon^肝=^", "1960", "female", "1.2", "61d6b371-5759")
    stack = PlanarStack(AXIAL, [DrawnPlane(0, disc(9)), DrawnPlane(2, disc(9))])
    data = CaseData(identity, {}, frame_uid="1.3")
    written = write_structures(
        tmp_path / "RS.dcm", [Structure("GTV", stack, origin="drawn")], like=data
    )
    assert [f.code for f in written.findings] == ["write-value-left-out"] * 3
    dataset = dataset_of(written.path)
    assert (dataset.StudyDate, dataset.PatientSex, dataset.PatientBirthDate) == ("", "", "")
    assert dataset.PatientID == "P\u00e41"
    assert str(dataset.PatientName) == "Anon^肝=^"
