"""RTPLAN and RT Ion Plan: prescriptions with their origin, groups, beams, points."""

import pytest
from tests.dicom_writer import BeamSpec, CaseWriter, Roi, Rx, box_ring, prism

from planeval.dicom.files import open_file
from planeval.dicom.pydicom_datasets import quiet_pydicom
from planeval.dicom.rtplan import read_plan

ROIS = [Roi("PTV1", prism(box_ring(9, 9), [0, 3])), Roi("PTV2", prism(box_ring(9, 9), [0, 3]))]


@pytest.fixture
def writer(tmp_path):
    made = CaseWriter(tmp_path)
    made.structures(ROIS)
    return made


def read(path, names=None):
    findings = []
    with quiet_pydicom():
        plan = read_plan(open_file(path, path.name), names or {1: "PTV1", 2: "PTV2"}, findings)
    return plan, [found.code for found in findings]


def test_identity_of_the_plan(writer):
    """Label, date, approval, intent and the structure set it was planned on."""
    plan, codes = read(writer.plan([Rx("PTV1", 50)], label="Liver SBRT"))
    assert (plan.label, plan.date, plan.approval) == ("Liver SBRT", "20250103", "APPROVED")
    assert plan.intent == "CURATIVE"
    assert plan.structure_set_uid == writer.structure_uid
    assert (plan.fractions, plan.is_ion) == (25, False)
    assert codes == []


def test_every_target_level_is_a_prescription(writer):
    """Two levels are two prescriptions, in file order, each with its structure."""
    plan, _ = read(writer.plan([Rx("PTV1", 55), Rx("PTV2", 50)]))
    assert [(p.target, p.total_gy, p.fractions, p.kind) for p in plan.prescriptions] == [
        ("PTV1", 55, 25, "VOLUME"),
        ("PTV2", 50, 25, "VOLUME"),
    ]
    assert plan.prescriptions[0].origin == "RTPLAN dose reference 1"
    assert plan.prescriptions[0].fraction_gy == 2.2


def test_the_unique_name_is_used(writer):
    """The prescription names the structure as the case does, not as the file does."""
    plan, _ = read(writer.plan([Rx("PTV1", 55)]), {1: "PTV1 [2]"})
    assert plan.prescriptions[0].target == "PTV1 [2]"


def test_site_prescription(writer):
    """A SITE prescription keeps its text."""
    plan, codes = read(writer.plan([Rx("Liver", 55, kind="SITE")]))
    assert [(p.target, p.kind) for p in plan.prescriptions] == [("Liver", "SITE")]
    assert codes == []


def test_coordinates_are_points_never_prescriptions(writer):
    """A COORDINATES reference with a dose is a point."""
    rx = Rx("calc", 55, kind="COORDINATES", point_mm=(1, 2, 3))
    plan, codes = read(writer.plan([rx]))
    assert plan.prescriptions == ()
    assert plan.reference_points == (("calc", (1, 2, 3)),)
    assert codes == ["prescription-absent"]


def test_organ_limits_are_no_prescriptions(writer):
    """ORGAN_AT_RISK references are not targets."""
    plan, codes = read(writer.plan([Rx("PTV1", 20, role="ORGAN_AT_RISK"), Rx("PTV2", 50)]))
    assert [p.target for p in plan.prescriptions] == ["PTV2"]
    assert codes == []


def test_target_without_dose_is_no_prescription(writer):
    """A TARGET reference without TargetPrescriptionDose gives nothing, and nothing is derived."""
    plan, codes = read(writer.plan([Rx("PTV1", None)]))
    assert plan.prescriptions == ()
    assert codes == ["prescription-absent"]


def test_volume_without_roi_is_a_site_with_a_finding(writer):
    """VOLUME without ReferencedROINumber cannot be attached to a structure."""
    plan, codes = read(writer.plan([Rx("somewhere", 50)]))
    assert [(p.target, p.kind) for p in plan.prescriptions] == [("somewhere", "SITE")]
    assert codes == ["prescription-without-roi"]


def test_unknown_roi_number_is_a_finding(writer):
    """A prescription to an ROI that is not there is kept and told."""
    plan, codes = read(writer.plan([Rx("PTV9", 50, roi_number=9)]))
    assert plan.prescriptions[0].target == "PTV9"
    assert codes == ["prescription-unknown-roi"]


def test_dose_of_zero_is_left_out(writer):
    """A target dose of 0 is not a prescription."""
    _, codes = read(writer.plan([Rx("PTV1", 0)]))
    assert codes == ["prescription-invalid", "prescription-absent"]


def test_repeated_reference_counts_once(writer):
    """The same level to the same target twice is one prescription."""
    plan, _ = read(writer.plan([Rx("PTV1", 50), Rx("PTV1", 50)]))
    assert len(plan.prescriptions) == 1


def test_no_fraction_count(writer):
    """Without NumberOfFractionsPlanned the fractions are unknown, and that is told."""
    plan, codes = read(writer.plan([Rx("PTV1", 50)], fractions=None))
    assert plan.fractions is None
    assert plan.prescriptions[0].fractions is None
    assert codes == ["fractions-unknown"]


def test_several_fraction_groups(writer):
    """Several groups: the plan has no single count, the prescription neither."""
    beams = (BeamSpec(1, group=1), BeamSpec(2, group=2))
    plan, codes = read(writer.plan([Rx("PTV1", 50)], groups={1: 20, 2: 5}, beams=beams))
    assert [(g.number, g.fractions, g.beam_numbers) for g in plan.fraction_groups] == [
        (1, 20, (1,)),
        (2, 5, (2,)),
    ]
    assert plan.fractions is None
    assert plan.prescriptions[0].fractions is None
    assert codes == ["fraction-groups-several"]


@pytest.mark.parametrize("ion", [False, True])
def test_beams(writer, ion):
    """Beams with metersets, delivery types and isocentres, in photon and ion plans."""
    beams = (
        BeamSpec(1, "arc", meterset=310.5, isocentre_mm=(1, 2, 3)),
        BeamSpec(2, "kV", "SETUP", None),
    )
    plan, _ = read(writer.plan([Rx("PTV1", 50)], beams=beams, ion=ion))
    assert plan.is_ion is ion
    arc, setup = plan.beams
    assert (arc.name, arc.meterset, arc.isocentre_mm) == ("arc", 310.5, (1, 2, 3))
    assert (setup.delivery_type, setup.meterset) == ("SETUP", None)
    assert [beam.number for beam in plan.treatment_beams] == [1]


@pytest.mark.parametrize("status", ["UNAPPROVED", "REJECTED", None])
def test_approval_is_told(writer, status):
    """Anything but APPROVED is a finding."""

    def edit(ds):
        if status is None:
            del ds.ApprovalStatus
        else:
            ds.ApprovalStatus = status

    _, codes = read(writer.plan([Rx("PTV1", 50)], edit=edit))
    assert codes == ["plan-not-approved"]


def test_optional_parts_may_be_missing(writer):
    """No dose references, no beams, no groups, no date: a plan that says little."""

    def edit(ds):
        for keyword in ("DoseReferenceSequence", "BeamSequence", "FractionGroupSequence"):
            delattr(ds, keyword)
        del ds.RTPlanDate

    plan, codes = read(writer.plan([Rx("PTV1", 50)], edit=edit))
    assert (plan.beams, plan.fraction_groups, plan.date) == ((), (), "")
    assert codes == ["fractions-unknown", "prescription-absent"]
