"""The RTDOSE of a sum: what it holds, that it reads back equal, that it is reproducible."""

import shutil

import numpy as np
import pydicom
import pytest
from tests.sums.conftest import first_dose, rigid, second_dose, write

import planeval as pe
from planeval.dicom.write_dose import write_dose_file
from planeval.dose.summation import common_grid, resampled
from planeval.errors import GeometryError, InconsistentCase, ReportError
from planeval.geometry.grid import Grid
from planeval.model import Registration


def read_back(path, export, tmp_path):
    """The written dose with the structures of a plan, loaded like any other folder."""
    folder = tmp_path / "back"
    folder.mkdir()
    for file in export.folder.glob("RS*.dcm"):
        shutil.copy(file, folder)
    shutil.copy(path, folder / "RD.sum.dcm")
    return pe.load(folder)


def test_the_sum_reads_back_equal(first, second, tmp_path):
    """Voxel by voxel within the 32-bit quantisation, and in every metric inside the common block."""
    total = pe.plan_sum([first.load(), second.load()])
    path = pe.write_dose(tmp_path / "sum" / "RD.dcm", total)
    back = read_back(path, first, tmp_path)
    term = back.dose.terms[0]
    k, j, i = np.indices(term.grid.shape).reshape(3, -1)
    points = term.grid.to_patient(np.stack([k, j, i], 1))
    expected = first_dose(*points.T) + second_dose(*points.T)
    inner = np.ones(term.grid.shape, dtype=bool)
    for axis in range(3):
        for end in (0, -1):
            inner[(slice(None),) * axis + (end,)] = False
    written = np.asarray(term.gy, dtype=float)
    assert np.abs(written - expected.reshape(term.gy.shape))[inner].max() < 1e-4
    assert np.allclose(written, resampled(total.dose, term.grid), rtol=3e-7, atol=1e-6)
    assert back.dose.summation == "MULTI_PLAN"
    assert float(back.metric("Mean[Gy]", "PTV")) == pytest.approx(
        float(total.metric("Mean[Gy]", "PTV")), abs=1e-3
    )


def test_the_file_names_every_plan_and_is_the_same_each_time(first, second, tmp_path):
    """MULTI_PLAN, all plans and the structure sets referenced, no clock and no chance in it."""
    total = pe.plan_sum([first.load(), second.load()])
    one, other = (pe.write_dose(tmp_path / f"{n}.dcm", total) for n in "ab")
    assert one.read_bytes() == other.read_bytes()
    ds = pydicom.dcmread(one)
    assert [item.ReferencedSOPInstanceUID for item in ds.ReferencedRTPlanSequence] == [
        plan.uid for plan in total.plans
    ]
    assert ds.DoseComment == "planeval sum, fractions 25+5"
    assert (ds.DoseSummationType, ds.DoseType, ds.DoseUnits) == ("MULTI_PLAN", "PHYSICAL", "GY")
    assert ds.PatientID == "P1"
    assert ds.FrameOfReferenceUID == total.data.frame_uid
    assert len(ds.ReferencedStructureSetSequence) == 2


def test_an_exported_eqd2_says_so_and_is_not_converted_again(first, second, tmp_path):
    """EFFECTIVE, alpha/beta and fractions in the comment; EQD2 of it is refused."""
    total = pe.plan_sum([first.load(), second.load()])
    path = pe.write_dose(tmp_path / "eqd2.dcm", total, biology="EQD2_3")
    ds = pydicom.dcmread(path)
    assert (ds.DoseType, ds.DoseComment) == ("EFFECTIVE", "EQD2 a/b=3 Gy, fractions 25+5")
    back = read_back(path, first, tmp_path)
    assert float(back.metric("Mean[Gy]", "PTV")) == pytest.approx(
        float(total.metric("EQD2_3:Mean[Gy]", "PTV")), abs=0.02
    )
    assert "nothing is converted twice" in back.metric("EQD2_3:Mean[Gy]", "PTV").reason


def test_only_the_common_block_is_written(first, tmp_path):
    """A grid that ends earlier cuts the file; no voxel is made up."""
    small = Grid(
        (-46, -43, -38), (1, 0, 0), (0, 1, 0), 3, 3, 30, 15, tuple(3.0 * k for k in range(26))
    )
    half = write(tmp_path, "half", second_dose, grid=small)
    total = pe.plan_sum([first.load(), half.load()])
    grid = common_grid(total.dose)
    assert grid.shape == (26, 30, 15)
    assert np.isfinite(resampled(total.dose, grid)).all()


def test_a_turned_grid_leaves_a_block_without_holes(first, elsewhere):
    """The largest faces of what is unknown go first until nothing unknown is left."""
    one, other = first.load(), elsewhere.load()
    registration = Registration(other.data.frame_uid, one.data.frame_uid, rigid())
    total = pe.plan_sum([one, other], registrations=[registration])
    grid = common_grid(total.dose)
    gy = resampled(total.dose, grid)
    assert np.isfinite(gy).all()
    k, j, i = np.indices(grid.shape).reshape(3, -1)
    points = grid.to_patient(np.stack([k, j, i], 1))
    expected = (first_dose(*points.T) + second_dose(*points.T)).reshape(grid.shape)
    assert np.abs(gy - expected)[1:-1, 1:-1, 1:-1].max() < 2e-3


def test_refusals_of_the_writer(first, second, tmp_path):
    """No common block, unknown fractions, a folder that is a file, an array that does not fit."""
    case = first.load()
    grid = case.dose.terms[0].grid
    blocked = tmp_path / "file"
    blocked.write_text("x")
    with pytest.raises(ReportError, match="cannot be written"):
        pe.write_dose(blocked / "RD.dcm", case)
    unknown = write(tmp_path / "u", "U", second_dose, fractions=None).load()
    total = pe.plan_sum([case, unknown])
    with pytest.raises(InconsistentCase, match="no EQD2_3: the number of fractions"):
        pe.write_dose(tmp_path / "x.dcm", total, biology="EQD2_3")
    wrong = {"comment": "", "dose_type": "PHYSICAL", "case": case.data, "grid": grid}
    for gy in (np.zeros((1, 2, 3)), np.full(grid.shape, np.nan), np.full(grid.shape, -1.0)):
        with pytest.raises(ValueError, match="must fit its grid"):
            write_dose_file(tmp_path / "y.dcm", gy=gy, **wrong)
    thin = Grid((-46, -43, -40), (1, 0, 0), (0, 1, 0), 3, 3, 30, 32, (0.0, 1.0))
    beside = write(tmp_path / "thin", "T", lambda x, y, z: 1 + 0 * x, grid=thin).load()
    with pytest.raises((GeometryError, InconsistentCase), match=r"common"):
        pe.write_dose(tmp_path / "z.dcm", pe.plan_sum([case, beside]))
