"""Finding plans in any folder, and choosing among the versions of a course."""

import shutil

import pydicom
import pytest
from tests.cohort.small_plans import edit, rois, write_plan

from planeval.cohort.finding_plans import find_plans
from planeval.errors import UnreadableFile


def codes(index):
    """Label -> code of every plan."""
    return {plan.label: plan.code.value for plan in index.plans}


def test_plans_are_found_in_any_folder(export):
    """Patients in nested and shared folders are told apart; each plan has its own objects."""
    index = find_plans(export)
    assert codes(index) == {"ONE": "taken", "TWO": "taken", "THREE": "taken"}
    for plan in index.plans:
        assert {entry.patient_id for entry in plan.entries} == {plan.patient_id}
        assert [entry.kind for entry in plan.entries] == ["RTPLAN", "RTSTRUCT", "RTDOSE"]
        assert plan.rois == ("External", "Liver", "GTV", "PTV", "SpinalCord")


def test_all_files_of_all_patients_in_one_folder(tmp_path):
    """A flat export is no different."""
    for number in range(4):
        source = tmp_path / "source" / str(number)
        write_plan(source, f"P{number}", label=f"L{number}")
        for file in source.iterdir():
            (tmp_path / "flat").mkdir(exist_ok=True)
            shutil.copy(file, tmp_path / "flat" / f"{number}{file.name}")
    index = find_plans(tmp_path / "flat")
    assert [plan.is_taken for plan in index.plans] == [True] * 4


def test_case_ids_do_not_depend_on_the_place(export, tmp_path):
    """A moved export has the same ids."""
    before = {plan.case_id for plan in find_plans(export).plans}
    shutil.move(export, tmp_path / "elsewhere")
    assert {plan.case_id for plan in find_plans(tmp_path / "elsewhere").plans} == before


def test_copies_are_listed_and_not_taken(export):
    """A byte-for-byte copy of a whole export adds listed copies and no plan."""
    shutil.copytree(export / "a", export / "z copy")
    index = find_plans(export)
    assert len(index.taken) == 3
    (copy,) = [plan for plan in index.plans if plan.code.value == "copy"]
    assert copy.file == "z copy/RP.plan.dcm"
    assert "a/RP.plan.dcm" in copy.reason


def test_a_re_export_in_another_encoding_is_the_same_plan(export):
    """Implicit VR, other file meta and creation dates: still the same objects."""
    (export / "again").mkdir()
    for file in (export / "a").iterdir():
        dataset = pydicom.dcmread(file)
        dataset.InstanceCreationDate = "20260101"
        dataset.file_meta.ImplementationVersionName = "OTHER"
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        dataset.save_as(export / "again" / file.name, implicit_vr=True, little_endian=True)
    index = find_plans(export)
    assert [p.code.value for p in index.plans if p.label == "ONE"] == ["taken", "copy"]
    assert not [f for f in index.findings if f.code == "duplicate-uid"]


def test_two_contents_of_one_plan_uid_are_not_chosen_between(export):
    """The same plan UID with another label is a conflict that the user decides."""
    dataset = pydicom.dcmread(export / "a" / "RP.plan.dcm")
    dataset.RTPlanLabel = "CHANGED"
    dataset.save_as(export / "changed.dcm")
    index = find_plans(export)
    assert codes(index) | {"TWO": "", "THREE": ""} == {
        "ONE": "same-uid", "CHANGED": "same-uid", "TWO": "", "THREE": "",
    }  # fmt: skip
    assert len({plan.case_id for plan in index.plans}) == 4


def test_a_dose_without_its_plan_is_a_case_with_each_structure_set(tmp_path):
    """Two structure sets of the frame make two cases with ids of their own."""
    writer = write_plan(tmp_path, "P1")
    (tmp_path / "RP.plan.dcm").unlink()
    writer.structures(rois(), what="second")
    index = find_plans(tmp_path, approval="any")
    assert len(index.plans) == len({plan.case_id for plan in index.plans}) == 2
    assert [plan.code.value for plan in find_plans(tmp_path).plans] == ["not-approved"] * 2


def test_two_contents_of_a_structure_set_uid_are_a_problem(export):
    """A plan whose structure set is there in two versions is refused with the reason."""
    dataset = pydicom.dcmread(export / "a" / "RS.structures.dcm")
    dataset.StructureSetROISequence[1].ROIName = "Hepar"
    dataset.save_as(export / "other.dcm")
    (plan,) = [plan for plan in find_plans(export).plans if plan.label == "ONE"]
    assert plan.code.value == "problem"
    assert plan.problem_code == "ambiguous-selection"
    assert "2 structure sets" in plan.reason


def versions(tmp_path, *edits):
    """Plans of one course, A, B, ..., on one structure set."""
    first = write_plan(tmp_path, "P1", label="A", plan=edits[0])
    for number, change in enumerate(edits[1:]):
        label = "BCDEF"[number]
        write_plan(tmp_path / label, "P1", label=label, what=label, frame=first, plan=change)
        for file in (tmp_path / label).iterdir():
            share_frame(file, first)
    return codes(find_plans(tmp_path))


def share_frame(file, writer):
    dataset = pydicom.dcmread(file)
    dataset.FrameOfReferenceUID = writer.frame_uid
    dataset.save_as(file)


def test_the_latest_approved_version_is_taken(tmp_path):
    """Date, then time, decide; the others are superseded."""
    found = versions(
        tmp_path,
        edit(RTPlanDate="20250101", RTPlanTime="235959"),
        edit(RTPlanDate="20250103", RTPlanTime="080000"),
        edit(RTPlanDate="20250103", RTPlanTime="090000"),
    )
    assert found == {"A": "superseded", "B": "superseded", "C": "taken"}


def test_versions_that_are_equally_late_are_not_chosen_between(tmp_path):
    """The same date and time: both are refused, an older one is still superseded."""
    found = versions(tmp_path, edit(RTPlanDate="20240101"), edit(), edit())
    assert found == {"A": "superseded", "B": "tied", "C": "tied"}


def test_what_is_not_for_the_patient_is_never_taken(tmp_path):
    """Unapproved, rejected and verification plans are listed, however late they are."""

    def verifies(dataset):
        reference = pydicom.Dataset()
        reference.ReferencedSOPInstanceUID = "1.2.3.4"
        reference.RTPlanRelationship = "VERIFIED_PLAN"
        dataset.ReferencedRTPlanSequence = [reference]
        dataset.RTPlanDate = "20250201"

    found = versions(
        tmp_path,
        edit(RTPlanDate="20250101"),
        edit(RTPlanDate="20250201", ApprovalStatus="UNAPPROVED"),
        edit(RTPlanDate="20250201", ApprovalStatus="REJECTED"),
        edit(RTPlanDate="20250201", PlanIntent="VERIFICATION"),
        verifies,
    )
    assert found == {
        "A": "taken", "B": "not-approved", "C": "rejected", "D": "verification",
        "E": "verification",
    }  # fmt: skip


def test_any_approval_takes_the_latest_that_is_not_rejected(tmp_path):
    """The user may say that a research export has no approvals."""
    write_plan(tmp_path, "P1", label="A", plan=edit(ApprovalStatus="UNAPPROVED"))
    assert codes(find_plans(tmp_path)) == {"A": "not-approved"}
    assert codes(find_plans(tmp_path, approval="any")) == {"A": "taken"}


def test_two_lesions_on_one_image_are_two_courses(tmp_path):
    """Plans that prescribe to different targets do not supersede each other."""
    first = write_plan(tmp_path, "P1", label="PTV plan")
    write_plan(tmp_path / "2", "P1", label="GTV plan", what="2", frame=first, target="GTV")
    for file in (tmp_path / "2").iterdir():
        share_frame(file, first)
    assert codes(find_plans(tmp_path)) == {"PTV plan": "taken", "GTV plan": "taken"}


def test_a_new_image_is_a_new_course(tmp_path):
    """The same target in another frame of reference is another course."""
    write_plan(tmp_path / "1", "P1", label="first")
    second = write_plan(tmp_path / "2", "P1", label="second", what="2")
    for file in (tmp_path / "2").iterdir():
        dataset = pydicom.dcmread(file)
        text = dataset.to_json().replace(second.frame_uid, second.uid("other frame"))
        changed = pydicom.Dataset.from_json(text)
        changed.file_meta = dataset.file_meta
        changed.save_as(file, enforce_file_format=True)
    assert codes(find_plans(tmp_path)) == {"first": "taken", "second": "taken"}


def test_the_latest_plan_without_a_dose_is_a_problem_and_not_replaced(tmp_path):
    """An older plan never stands in silently for the one that was treated."""
    first = write_plan(tmp_path, "P1", label="A")
    write_plan(
        tmp_path / "B", "P1", label="B", what="B", frame=first, plan=edit(RTPlanDate="20260101")
    )
    for file in (tmp_path / "B").iterdir():
        share_frame(file, first)
    (tmp_path / "B" / "RD.doseB.dcm").unlink()
    index = find_plans(tmp_path)
    assert codes(index) == {"A": "superseded", "B": "problem"}
    assert "no RTDOSE" in next(plan.reason for plan in index.plans if plan.label == "B")


def test_objects_of_another_patient_are_never_combined(tmp_path):
    """A structure set that is there only under another PatientID is missing."""
    write_plan(tmp_path, "P1", label="A")
    dataset = pydicom.dcmread(tmp_path / "RS.structures.dcm")
    dataset.PatientID = "P2"
    dataset.save_as(tmp_path / "RS.structures.dcm")
    (plan,) = find_plans(tmp_path).plans
    assert plan.code.value == "problem"
    assert "no RTSTRUCT" in plan.reason


def test_an_object_without_a_patient_id_goes_to_the_patient_of_its_frame(tmp_path):
    """An empty PatientID does not lose the object."""
    write_plan(tmp_path, "P1", dose=edit(PatientID=""))
    (plan,) = find_plans(tmp_path).plans
    assert plan.is_taken
    assert plan.count("RTDOSE") == 1


def test_unreadable_files_are_named(export):
    """A cut file is a finding; the other plans are found."""
    file = export / "a" / "RD.dose.dcm"
    file.write_bytes(file.read_bytes()[:200])
    index = find_plans(export)
    assert codes(index)["ONE"] == "problem"
    assert codes(index)["TWO"] == "taken"


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    """A typing error is no empty cohort."""
    with pytest.raises(UnreadableFile, match="no such file or folder"):
        find_plans(tmp_path / "nowhere")
