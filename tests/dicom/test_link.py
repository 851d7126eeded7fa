"""One case from a folder: by reference first, by frame with a finding, never by guess."""

import pickle

import numpy as np
import pytest
from tests.dicom_writer import BeamSpec, CaseWriter, Roi, Rx, axial_grid, box_ring, prism

from planeval.dicom import list_plans, read_case, scan_folder
from planeval.errors import (
    AmbiguousSelection,
    InconsistentCase,
    MissingElement,
)
from planeval.model import Rx as UserRx

GRID = axial_grid((5, 6, 7), spacing_mm=(5, 5, 5), origin_mm=(-15, -12, -10))
BOX = prism(box_ring(10, 10), [-5, 0, 5])


def complete(folder, *, name="", dose=50.0, patient="P1", label="PLAN"):
    """Write CT, structures, plan and dose; ``name`` keeps several cases of a folder apart."""
    writer = CaseWriter(folder, patient_id=patient, label=name)
    prefix = f"{name}/" if name else ""
    writer.ct(GRID, names=lambda k: f"{prefix}CT{k}")
    writer.structures([Roi("PTV", BOX), Roi("Liver", BOX)], name=f"{prefix}RS", label=f"S{name}")
    writer.plan([Rx("PTV", 50.0)], name=f"{prefix}RP", label=label)
    writer.dose(GRID, np.full(GRID.shape, dose), name=f"{prefix}RD")
    return writer


def read(folder, **options):
    return read_case(scan_folder(folder), **options)


def codes(case):
    return [found.code for found in case.findings]


def test_complete_case(tmp_path):
    """Image, structures, plan, dose, prescription, points, sources: all there, nothing doubtful."""
    writer = complete(tmp_path)
    case = read(tmp_path)
    assert list(case.structures) == ["PTV", "Liver"]
    assert case.identity.patient_id == "P1"
    assert case.identity.patient_name == "Test^Patient"
    assert case.image.grid.shape == GRID.shape
    assert case.plans[0].label == "PLAN"
    assert [(p.target, p.total_gy, p.fractions) for p in case.prescriptions] == [("PTV", 50, 25)]
    assert case.points[0].kind == "ISOCENTRE"
    assert case.frame_uid == writer.frame_uid
    assert [source.kind for source in case.sources] == ["RTSTRUCT", "RTPLAN", "RTDOSE", "CT"]
    assert {source.file for source in case.sources} == {"RS", "RP", "RD", "CT0"}
    assert all(len(source.digest) == 64 for source in case.sources)
    assert case.structure_set_label == "S"
    assert codes(case) == []


def test_case_survives_pickling(tmp_path):
    """A case goes through pickle with its numbers, and its image still reads."""
    complete(tmp_path)
    case = pickle.loads(pickle.dumps(read(tmp_path)))
    assert case.structures["PTV"].volume_cc == pytest.approx(1.5)
    assert case.image.hu().shape == GRID.shape


def test_no_absolute_path_in_sources_and_findings(tmp_path):
    """Where a file lies on this machine is not part of the case."""
    writer = complete(tmp_path)
    writer.ct_uids.clear()
    writer.structures([Roi("PTV", BOX[:1]), Roi("PTV", BOX)], name="RS")
    case = read(tmp_path)
    text = repr(case.sources) + repr(case.findings)
    assert str(tmp_path) not in text


def test_several_plans_need_a_choice(tmp_path):
    """Two plans: the message lists both and names the option."""
    complete(tmp_path, name="a", label="A")
    complete(tmp_path, name="b", label="B", dose=40.0)
    with pytest.raises(AmbiguousSelection, match=r"2 plans: a/RP \(A.*b/RP \(B.*--plan"):
        read(tmp_path)


@pytest.mark.parametrize("by", ["label", "uid", "file", "path"])
def test_plan_by_label_uid_file_or_path(tmp_path, by):
    """All four ways choose the same plan, and its own objects follow."""
    complete(tmp_path, name="a", label="A")
    writer = complete(tmp_path, name="b", label="B", dose=40.0)
    choice = {
        "label": "B", "uid": writer.plan_uid, "file": "b/RP", "path": tmp_path / "b" / "RP",
    }[by]  # fmt: skip
    case = read(tmp_path, plan=choice)
    assert case.plans[0].label == "B"
    assert case.dose.terms[0].gy.max() == pytest.approx(40)
    assert case.structure_set_label == "Sb"


def test_chosen_dose_leads_to_its_plan(tmp_path):
    """--dose alone is enough where it names its plan."""
    complete(tmp_path, name="a", label="A")
    complete(tmp_path, name="b", label="B", dose=40.0)
    assert read(tmp_path, dose="b/RD").plans[0].label == "B"


def test_chosen_structures_lead_to_their_plan(tmp_path):
    """--structures alone is enough where one plan names them."""
    complete(tmp_path, name="a", label="A")
    complete(tmp_path, name="b", label="B", dose=40.0)
    assert read(tmp_path, structures="Sb").plans[0].label == "B"


def test_unknown_choice_lists_what_there_is(tmp_path):
    """A choice that fits nothing shows the candidates."""
    complete(tmp_path)
    with pytest.raises(AmbiguousSelection, match=r"--plan 'X' fits no RTPLAN.*RP"):
        read(tmp_path, plan="X")


def test_choice_that_fits_two(tmp_path):
    """A label that two plans share chooses neither."""
    complete(tmp_path, name="a", label="A")
    complete(tmp_path, name="b", label="A")
    with pytest.raises(AmbiguousSelection, match="fits 2 objects"):
        read(tmp_path, plan="A")


def test_only_plan_with_a_dose_is_taken_with_a_finding(tmp_path):
    """A plan without a dose is not a possible answer where a dose is needed."""
    complete(tmp_path, name="a", label="A")
    other = complete(tmp_path, name="b", label="B")
    (other.folder / "b" / "RD").unlink()
    case = read(tmp_path)
    assert case.plans[0].label == "A"
    assert codes(case) == ["plan-chosen"]


def test_two_patients_are_two_plans(tmp_path):
    """Mixed patients in one folder do not mix in a case."""
    complete(tmp_path, name="a", patient="P1", label="A")
    complete(tmp_path, name="b", patient="P2", label="B")
    case = read(tmp_path, plan="B")
    assert case.identity.patient_id == "P2"
    assert len(case.sources) == 4


def test_different_patient_refuses(tmp_path):
    """A dose of another patient refuses, even with consent, unless the frame is the same."""

    def edit(ds):
        ds.PatientID = "P9"
        ds.FrameOfReferenceUID = ""

    writer = complete(tmp_path)
    writer.dose(GRID, np.full(GRID.shape, 50.0), name="RD", edit=edit)
    for accept in (False, True):
        with pytest.raises(InconsistentCase, match=r"different patients: .*'P1'.*'P9'"):
            read(tmp_path, accept_mismatch=accept)


def test_renamed_patient_in_one_frame_can_be_accepted(tmp_path):
    """One frame of reference under two PatientIDs can be accepted, as an error-level finding."""
    writer = complete(tmp_path)

    def rename(ds):
        ds.PatientID = "P9"

    writer.plan([Rx("PTV", 50.0)], name="RP", edit=rename)
    with pytest.raises(InconsistentCase, match="different patients"):
        read(tmp_path)
    assert "patient-mismatch" in codes(read(tmp_path, accept_mismatch=True))


def test_empty_patient_id_is_a_finding(tmp_path):
    """An empty PatientID proves nothing; it is told."""

    def edit(ds):
        ds.PatientID = ""

    complete(tmp_path).dose(GRID, np.full(GRID.shape, 50.0), name="RD", edit=edit)
    assert codes(read(tmp_path)) == ["patient-id-missing"]


def test_plan_of_an_absent_structure_set_refuses(tmp_path):
    """A plan that names a structure set which is not there refuses; consent is an error finding."""

    def edit(ds):
        ds.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID = "1.2.3"

    complete(tmp_path).plan([Rx("PTV", 50.0)], name="RP", edit=edit)
    with pytest.raises(InconsistentCase, match=r"RP refers to structure set 1\.2\.3, which is not"):
        read(tmp_path)
    with pytest.raises(InconsistentCase, match=r"refers to structures 1\.2\.3, but RS is"):
        read(tmp_path, structures="RS")
    case = read(tmp_path, accept_mismatch=True)
    assert codes(case) == ["reference-mismatch"]
    assert case.findings[0].severity.value == "error"


def test_plan_without_reference_links_by_frame_with_a_finding(tmp_path):
    """No reference at all: the frame of reference links, and the finding says so."""

    def edit(ds):
        del ds.ReferencedStructureSetSequence

    complete(tmp_path).plan([Rx("PTV", 50.0)], name="RP", edit=edit)
    assert codes(read(tmp_path)) == ["linked-by-frame"]


def test_no_reference_and_no_frame_links_the_only_set(tmp_path):
    """Without reference and frame the only structure set is taken, with a finding."""

    def strip(ds):
        for keyword in ("ReferencedStructureSetSequence", "FrameOfReferenceUID"):
            if keyword in ds:
                delattr(ds, keyword)

    def strip_structures(ds):
        del ds.ReferencedFrameOfReferenceSequence
        for item in ds.StructureSetROISequence:
            del item.ReferencedFrameOfReferenceUID

    writer = complete(tmp_path)
    writer.structures([Roi("PTV", BOX)], name="RS", edit=strip_structures)
    writer.plan([Rx("PTV", 50.0)], name="RP", edit=strip)
    writer.dose(GRID, np.full(GRID.shape, 50.0), name="RD", edit=strip)
    found = codes(read(tmp_path))
    assert found[:2] == ["linked-by-presence", "frame-unknown"]


def test_two_structure_sets_in_one_frame_are_ambiguous(tmp_path):
    """Without a reference two structure sets need a choice."""

    def edit(ds):
        del ds.ReferencedStructureSetSequence

    writer = complete(tmp_path)
    writer.structures([Roi("GTV", BOX)], what="second", name="RS2", label="second")
    writer.plan([Rx("PTV", 50.0)], name="RP", edit=edit)
    with pytest.raises(AmbiguousSelection, match=r"2 structure sets fit.*--structures"):
        read(tmp_path)
    assert list(read(tmp_path, structures="second").structures) == ["GTV"]


def test_dose_without_reference_links_by_frame(tmp_path):
    """A dose that names no plan belongs to the only plan of its frame, with a finding."""

    def edit(ds):
        del ds.ReferencedRTPlanSequence

    complete(tmp_path).dose(GRID, np.full(GRID.shape, 50.0), name="RD", edit=edit)
    case = read(tmp_path)
    assert codes(case) == ["linked-by-frame"]
    assert case.dose.terms[0].fractions == 25


def test_dose_of_another_plan_refuses(tmp_path):
    """A dose that names another plan is not this plan's dose."""

    def edit(ds):
        ds.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID = "1.2.3"

    complete(tmp_path).dose(GRID, np.full(GRID.shape, 50.0), name="RD", edit=edit)
    with pytest.raises(InconsistentCase, match="no dose of plan PLAN"):
        read(tmp_path)
    with pytest.raises(InconsistentCase, match=r"RD refers to plan 1\.2\.3"):
        read(tmp_path, plan="PLAN", dose="RD")
    assert "reference-mismatch" in codes(read(tmp_path, accept_mismatch=True))
    assert read(tmp_path, dose="RD").plans == ()


def test_other_frame_refuses(tmp_path):
    """A dose in another frame than every structure needs a registration."""

    def edit(ds):
        ds.FrameOfReferenceUID = "1.2.3"

    complete(tmp_path).dose(GRID, np.full(GRID.shape, 50.0), name="RD", edit=edit)
    with pytest.raises(InconsistentCase, match=r"frame of reference 1\.2\.3.*registration"):
        read(tmp_path)


def test_dose_without_frame_is_a_finding(tmp_path):
    """An absent frame UID is told; the structures' frame counts."""

    def edit(ds):
        del ds.FrameOfReferenceUID

    writer = complete(tmp_path)
    writer.dose(GRID, np.full(GRID.shape, 50.0), name="RD", edit=edit)
    case = read(tmp_path)
    assert codes(case) == ["frame-unknown"]
    assert case.frame_uid == writer.frame_uid


def test_roi_of_another_frame_is_unusable_in_the_case(tmp_path):
    """One foreign ROI does not spoil the others."""
    writer = complete(tmp_path)
    writer.structures([Roi("PTV", BOX), Roi("MR", BOX, frame_uid="1.2.3")], name="RS")
    case = read(tmp_path)
    assert list(case.structures) == ["PTV"]
    assert "1.2.3" in case.unusable["MR"].reason


def test_no_dose(tmp_path):
    """No dose refuses unless none is needed."""
    complete(tmp_path)
    (tmp_path / "RD").unlink()
    with pytest.raises(MissingElement, match="no RTDOSE of plan PLAN"):
        read(tmp_path)
    case = read(tmp_path, need_dose=False)
    assert case.dose is None
    assert case.structures["PTV"].volume_cc == pytest.approx(1.5)


def test_no_structures(tmp_path):
    """No structure set refuses."""
    complete(tmp_path)
    (tmp_path / "RS").unlink()
    with pytest.raises((MissingElement, InconsistentCase), match=r"RTSTRUCT|structure set"):
        read(tmp_path)


def test_empty_folder(tmp_path):
    """An empty folder says what is missing."""
    with pytest.raises(MissingElement, match="no DICOM objects"):
        read(tmp_path)


def test_user_prescription_replaces_the_plans(tmp_path):
    """--rx counts, with the plan's fractions, and the difference is told."""
    complete(tmp_path)
    case = read(tmp_path, rx=UserRx(55))
    assert [(p.target, p.total_gy, p.fractions, p.kind) for p in case.prescriptions] == [
        ("", 55, 25, "USER")
    ]
    assert codes(case) == ["prescription-replaced"]
    assert case.plans[0].prescriptions[0].total_gy == 50


def test_user_prescription_that_agrees_is_silent(tmp_path):
    """Stating what the plan says is no finding."""
    complete(tmp_path)
    assert codes(read(tmp_path, rx=UserRx(50, 25))) == []


def test_user_prescriptions_per_target(tmp_path):
    """Several levels, and a name that is not there is told."""
    complete(tmp_path)
    case = read(tmp_path, rx={"PTV": UserRx(50), "PVT": UserRx(40)})
    assert [(p.target, p.total_gy) for p in case.prescriptions] == [("PTV", 50), ("PVT", 40)]
    assert codes(case) == ["prescription-unknown-target", "prescription-replaced"]


def test_fractions_against_the_plan_refuse(tmp_path):
    """--fx that contradicts NumberOfFractionsPlanned is an error."""
    complete(tmp_path)
    with pytest.raises(InconsistentCase, match=r"5 fractions were given.*planned for 25"):
        read(tmp_path, rx=UserRx(50, 5))


def test_prescription_without_a_plan(tmp_path):
    """--rx and --fx stand in for a plan."""
    complete(tmp_path)
    (tmp_path / "RP").unlink()
    case = read(tmp_path, rx=UserRx(50, 25))
    assert case.prescriptions[0].fractions == 25
    assert case.plans == ()


def test_relative_options_belong_together(tmp_path):
    """One of the two alone is a wrong call."""
    complete(tmp_path)
    with pytest.raises(ValueError, match="needed together"):
        read(tmp_path, relative_reference_gy=50.0)


def test_relative_dose_through_the_case(tmp_path):
    """A RELATIVE dose with both options is a case in Gy."""
    complete(tmp_path).dose(GRID, np.full(GRID.shape, 100.0), name="RD", units="RELATIVE")
    case = read(tmp_path, relative_reference_gy=50.0, relative_scale=100)
    assert case.dose.terms[0].gy.max() == pytest.approx(50)
    assert codes(case) == ["dose-relative"]


def test_undeclared_text_is_a_finding(tmp_path):
    """Names beyond ASCII without a character set are told once per file."""

    def edit(ds):
        del ds.SpecificCharacterSet
        ds.StructureSetROISequence[0].add_new(0x30060026, "UN", "肝脏".encode())

    complete(tmp_path).structures([Roi("PTV", BOX)], name="RS", edit=edit)
    case = read(tmp_path)
    assert "肝脏" in case.structures
    assert codes(case) == ["text-undeclared"]


def test_undecodable_text_is_a_finding(tmp_path):
    """Bytes that do not fit the declared character set are told."""

    def edit(ds):
        ds.StructureSetROISequence[0].add_new(0x30060026, "UN", b"Leber\xff\xfe")

    complete(tmp_path).structures([Roi("PTV", BOX)], name="RS", edit=edit)
    assert "text-undecodable" in codes(read(tmp_path))


def test_isocentres_are_listed_once(tmp_path):
    """Beams that share an isocentre give one point."""
    writer = complete(tmp_path)
    beams = [BeamSpec(n, f"b{n}", isocentre_mm=(1, 2, 3 if n < 3 else 4)) for n in (1, 2, 3)]
    writer.plan([Rx("PTV", 50.0)], name="RP", beams=beams)
    points = [(p.name, p.position_mm) for p in read(tmp_path).points]
    assert points == [("Isocentre b1", (1, 2, 3)), ("Isocentre b3", (1, 2, 4))]


def test_list_plans(tmp_path):
    """Every plan with what belongs to it; problems are told, not raised."""
    complete(tmp_path, name="a", label="A")
    other = complete(tmp_path, name="b", label="B")
    (other.folder / "b" / "RD").unlink()
    first, second = list_plans(scan_folder(tmp_path))
    assert (first.label, first.doses, first.slices, first.problem) == ("A", 1, 5, "")
    assert (first.plan_file, first.structures_file) == ("a/RP", "a/RS")
    assert second.doses == 0
    assert "no RTDOSE of plan B" in second.problem


def test_list_plans_without_a_plan(tmp_path):
    """A dose without its plan is listed with the structures of its frame."""
    complete(tmp_path)
    (tmp_path / "RP").unlink()
    (entry,) = list_plans(scan_folder(tmp_path))
    assert (entry.plan_uid, entry.dose_file, entry.structures_file) == ("", "RD", "RS")
    assert entry.problem == ""
    case = read(tmp_path, dose=entry.dose_uid, structures=entry.structures_uid)
    assert case.dose is not None
