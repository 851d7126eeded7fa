"""Plan checks and agreement on real exports: what fires is there, and nothing else fires."""

from dataclasses import replace

import pytest
from tests.shared.test_tps_agreement import DATA, eclipse_curves

import planeval as pe
from planeval.agreement import agreement_rows
from planeval.model import TpsDvh
from planeval.protocol.anatomy import named_organs

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.is_dir(), reason="no data beside the checkout"),
]

REAL = {
    # a CBCT field exported as TREATMENT
    "eclipse-prostate/dicom": ({}, ["imaging-beam-as-treatment"]),
    # a wire of 6 mm on the skin
    # the left lung is drawn on the first slice
    "breast-dvhsequence": (
        {},
        ["dose-grid-coarse", "organ-cut-by-scan", "target-outside-body"],
    ),
    # the exported grid is cut off at the target's side
    "abdomen-aria/dicom": ({"rx": pe.Rx(55, 25)}, ["dose-grid-cut"]),
    # a structure set two years younger than the plan, set-up beams as TREATMENT, no dose
    "thorax-liver": (
        {"need_dose": False, "structures": "20191031-215249_m.dcm", "accept_mismatch": True},
        ["dates-out-of-order", "imaging-beam-as-treatment"],
    ),
    "proton-water/plan03_ramp_full": ({"accept_mismatch": True}, []),
    # three isocentres, metastases of 4 mm on a 3 mm grid
    "brain-srs/raystation-imrt": ({}, ["isocentres-several", "dose-grid-coarse"]),
    # a fraction group without beams
    "brain-srs/gammaknife-testdose": ({}, ["beam-without-fraction-group"]),
}


@pytest.mark.parametrize("name", REAL)
def test_checks_find_what_is_there(name):
    """Each code was looked at by hand; the comments say what it is."""
    options, wanted = REAL[name]
    case = pe.load(DATA / name, **options)
    found = pe.plan_checks(case, named_organs(case.structures)).findings
    assert [each.code for each in found] == wanted


def test_the_beams_point_fits_the_dose_of_a_ray_station_plan():
    """BeamDose at its point against the dose grid, for 8 beams in 5 fractions, within 10 %."""
    brain = DATA / "brain-srs"
    case = pe.load(brain / "raystation-vmat", brain / "raystation-imrt", plan="VMAT")
    rows = {row.id: row for row in pe.plan_checks(case).rows}
    assert rows["beam-point"].state == "clean"


@pytest.mark.parametrize("system", ["Eclipse", "CERR", "SlicerRT"])
def test_prostate_tables_agree_or_are_explained(system):
    """Only the volumes of the two smallest structures differ by more than 1 %: end caps."""
    curves = eclipse_curves(system)
    case = pe.load(DATA / "eclipse-prostate/dicom")
    dvhs = []
    for name in case.structures:
        cc, dose, percent = curves[name.replace(" ", "").lower()]
        dvhs.append(TpsDvh(name, dose, percent * cc / 100, includes=(name,), rounding_cc=0.05))
    rows = agreement_rows(pe.Case(replace(case.data, tps_dvhs=tuple(dvhs))))
    assert {row.state.value for row in rows} <= {"agrees", "explained"}
    rules = {row.structure: {rule.value for rule in row.rules} for row in rows if row.rules}
    assert set(rules) <= {"PTV", "Rectum"}
    assert all(each == {"end-caps"} for each in rules.values())


def test_stored_dvhs_of_the_breast_case_are_explained():
    """End caps for what is small, sampling for a maximum, dose-free tissue for the body."""
    rows = {row.structure: row for row in agreement_rows(pe.load(DATA / "breast-dvhsequence"))}
    assert {row.state.value for row in rows.values()} == {"agrees", "explained"}
    assert {name for name, row in rows.items() if row.state == "agrees"} == {"Breast", "Heart"}
    assert [rule.value for rule in rows["BODY"].rules] == ["low-dose"]
    assert [rule.value for rule in rows["Tumor Bed"].rules] == ["end-caps"]


def test_the_aria_export_agrees_or_is_explained():
    """Three structures have contours; the others say that they are not there."""
    export = DATA / "abdomen-aria/tps-dvh/Jane_Doe.dvh"
    case = pe.load(DATA / "abdomen-aria/dicom", rx=pe.Rx(55, 25), tps_dvhs=[export])
    rows = {row.structure: row for row in agreement_rows(case)}
    assert len(rows) == 10
    compared = {name: row.state.value for name, row in rows.items() if not row.reason}
    assert compared == {"STOMACH": "explained", "CTV": "agrees", "PTV": "explained"}
    assert all(
        {rule.value for rule in rows[name].rules} == {"sampling"} for name in ("STOMACH", "PTV")
    )
    assert rows["LIVER"].reason == "LIVER is not a structure of this case"


def test_a_wrong_dose_scale_of_a_real_export_is_not_explained():
    """The same export 2 % higher: every structure above a few Gy differs."""
    export = DATA / "abdomen-aria/tps-dvh/Jane_Doe.dvh"
    case = pe.load(DATA / "abdomen-aria/dicom", rx=pe.Rx(55, 25), tps_dvhs=[export])
    scaled = tuple(
        replace(dvh, dose_gy=dvh.dose_gy * 1.02, mean_gy=(dvh.mean_gy or 0) * 1.02)
        for dvh in case.data.tps_dvhs
    )
    rows = agreement_rows(pe.Case(replace(case.data, tps_dvhs=scaled)), names={"CTV", "PTV"})
    assert {row.state.value for row in rows} == {"differs"}
