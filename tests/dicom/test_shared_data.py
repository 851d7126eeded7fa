"""Real exports: read with credible values, or refused with a reason a user would accept."""

from pathlib import Path

import numpy as np
import pytest

from planeval.dicom import list_plans, read_case, scan_folder
from planeval.dicom.files import open_file
from planeval.dicom.pydicom_datasets import quiet_pydicom
from planeval.dicom.rtdose import read_dose_file
from planeval.dicom.rtplan import read_plan
from planeval.dicom.rtstruct import read_structure_set
from planeval.errors import (
    AmbiguousSelection,
    InconsistentCase,
    InvalidElement,
    MissingElement,
    PlanevalError,
    UnsupportedData,
)
from planeval.model import Rx

DATA = next(
    (
        parent.parent / "shared" / "data"
        for parent in Path(__file__).resolve().parents
        if (parent / "pyproject.toml").exists()
    ),
    Path("absent"),
)
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.is_dir(), reason="no data beside the checkout"),
]


def read(folder, **options):
    return read_case(scan_folder(DATA / folder), **options)


def volumes(case):
    return {name: s.volume_cc for name, s in case.structures.items()}


def test_eclipse_prostate():
    """Six structures within 2 % of the planning system's volumes, ten empty ROIs, 46 Gy in 23."""
    case = read("eclipse-prostate")
    found = volumes(case)
    stated = {"BODY": 10593.0, "Bladder": 116.8, "PTV": 48.6, "Rectum": 30.3}
    for name, cc in stated.items():
        assert found[name] == pytest.approx(cc, rel=0.02)
    assert len(case.unusable) == 10
    assert [(p.total_gy, p.fractions) for p in case.prescriptions] == [(46, 23)]
    assert case.dose.terms[0].gy.max() == pytest.approx(47.0756, abs=1e-3)


def test_breast_dvh_sequence():
    """Nine stored DVHs, their statistics read as percent of 14 Gy, their volumes near ours."""
    case = read("breast-dvhsequence")
    assert len(case.tps_dvhs) == 9
    body = next(dvh for dvh in case.tps_dvhs if dvh.structure == "BODY")
    assert body.maximum_gy == pytest.approx(14.68, abs=0.01)
    assert "percent of 14 Gy" in body.scale_note
    found = volumes(case)
    for dvh in case.tps_dvhs:
        if dvh.volume_cc[0] > 10 and dvh.structure != "BODY":
            assert found[dvh.structure] == pytest.approx(dvh.volume_cc[0], rel=0.03)
    assert case.unusable["Areola"].reason == "it has no contours"


def test_proton_water():
    """The plan's PatientID is another one: refused, or read with an error-level finding."""
    with pytest.raises(InconsistentCase, match="different patients"):
        read("proton-water")
    case = read("proton-water", accept_mismatch=True)
    assert case.dose.type == "EFFECTIVE"
    assert case.plans[0].is_ion
    assert case.points[0].name == "LoPo"
    codes = {found.code for found in case.findings}
    assert "patient-mismatch" in codes
    assert not codes & {"dose-beam-sum-differs", "dose-beam-sum-unchecked"}


def test_proton_beams_sum_to_the_plan():
    """Without the PLAN dose the two BEAM doses are added, to the same field."""
    index = scan_folder(DATA / "proton-water")
    whole = read_case(index, accept_mismatch=True).dose.terms[0]
    parts = type(index)(tuple(e for e in index.entries if e.summation != "PLAN"))
    added = read_case(parts, accept_mismatch=True).dose.terms[0]
    assert np.abs(added.gy - whole.gy).max() < 1e-3


def test_brain_srs_needs_a_choice():
    """Three plans in one folder: the message lists them."""
    with pytest.raises(AmbiguousSelection, match=r"3 plans.*VMAT.*--plan"):
        read("brain-srs")


@pytest.mark.parametrize(("plan", "peak"), [("VMAT", 52.495), ("imrt 4", 61.971)])
def test_brain_srs_raystation(plan, peak):
    """RayStation plans share one structure set; GTVs of a few cc are right to a few percent."""
    case = read("brain-srs", plan=plan)
    assert case.dose.terms[0].gy.max() == pytest.approx(peak, abs=1e-3)
    assert case.plans[0].fractions == 5
    assert volumes(case)["GTV_4"] == pytest.approx(2.2, rel=0.03)
    assert len([p for p in case.points if p.kind == "ROI"]) == 4


def test_brain_srs_gamma_knife():
    """A descending offset vector is kept."""
    case = read("brain-srs", plan="Plan1")
    assert case.dose.terms[0].grid.offsets_mm[:2] == (0, -1)


def test_abdomen_without_a_plan():
    """A PLAN dose without RTPLAN, with the user's prescription."""
    case = read("abdomen-aria", rx=Rx(50, 25))
    assert set(case.structures) == {"STOMACH", "CTV", "PTV"}
    assert case.prescriptions[0].kind == "USER"


def test_nelms_pairs():
    """Structures and doses that pair by frame need choices; volumes are those of the shapes."""
    with pytest.raises(AmbiguousSelection):
        read("nelms")
    case = read(
        "nelms",
        structures="structures/Cylinder_10_0.dcm",
        dose="dose/Linear_SupInf_1mm_Aligned.dcm",
    )
    (cylinder,) = case.structures.values()
    assert cylinder.volume_cc == pytest.approx(np.pi * 1.2**2 * 2.5, rel=0.002)
    assert "dose-completeness-unknown" in {found.code for found in case.findings}


def test_thorax_is_refused_without_dose_and_read_for_its_image():
    """No dose, and the plan names another structure set; the image and 9 structures are there."""
    with pytest.raises(MissingElement, match="no RTDOSE"):
        read("thorax-liver")
    with pytest.raises(InconsistentCase, match="which is not in the folder"):
        read("thorax-liver", need_dose=False)
    case = read("thorax-liver", need_dose=False, accept_mismatch=True)
    assert case.image.grid.shape == (105, 512, 512)
    assert case.image.hu().min() >= -1024
    assert volumes(case)["LIVER"] == pytest.approx(938, rel=0.01)


def outcome(entry):
    """Read one file and check its values; return our error if it is refused."""
    try:
        file = open_file(entry.path, entry.file)
        if entry.kind == "RTDOSE":
            assert 0 < read_dose_file(file).gy.max() < 1000
        elif entry.kind == "RTSTRUCT":
            assert all(s.volume_cc > 0 for s in read_structure_set(file).structures)
        elif entry.kind == "RTPLAN":
            read_plan(file, {}, [])
    except PlanevalError as error:
        return error
    return None


@pytest.mark.parametrize("path", sorted((DATA / "oddities").rglob("*.dcm")), ids=lambda p: p.name)
def test_oddities_read_or_refuse(path):
    """Every odd file is indexed, and read or refused by one of our errors that names it."""
    index = scan_folder(path)
    assert index.entries
    list_plans(index)
    with quiet_pydicom():
        errors = [error for error in map(outcome, index.entries) if error]
    for error in errors:
        assert isinstance(error, (InvalidElement, MissingElement, UnsupportedData))
        assert path.name in str(error)
