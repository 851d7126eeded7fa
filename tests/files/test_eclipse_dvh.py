"""The DVH text export of Eclipse: units, locales, encodings, plans, and what is refused."""

import numpy as np
import pytest

from planeval.errors import InvalidElement, MissingElement, UnreadableFile, UnsupportedData
from planeval.files.eclipse_dvh import read_eclipse_dvhs

ROWS = ((0, 0, 100), (500, 10, 100), (1000, 20, 60.5), (1500, 30, 3.53804e-05), (2000, 40, 0))
HEAD = "       Dose [cGy]   Relative dose [%] Ratio of Total Structure Volume [%]"


def export(
    *blocks: str,
    kind="Cumulative Dose Volume Histogram",
    plan="PLAN_1",
    prescribed="Prescribed dose [cGy]: 5000.0\n% for dose (%): 100.0",
) -> str:
    return (
        "Patient Name         : Doe, Jane (17)\nPatient ID           : 17\n"
        f"Comment              : a: b\nType                 : {kind}\n"
        "Description          : The cumulative DVH displays the percentage (relative)\n"
        "                       or volume (absolute) of structures that receive a dose\n\n"
        f"Plan: {plan}\n{prescribed}\n\n" + "\n".join(blocks)
    )


def block(
    name="LIVER",
    *,
    rows=ROWS,
    head=HEAD,
    plan="PLAN_1",
    volume="Volume [cc]: 200.0",
    doses="Min Dose [cGy]: 480.0\nMax Dose [cGy]: 1510.5\nMean Dose [cGy]: 1010.0",
) -> str:
    table = "\n".join("  ".join(str(value) for value in row) for row in rows)
    return (
        f"Structure: {name}\nApproval Status: Unapproved\nPlan: {plan}\nCourse: C1\n{volume}\n"
        f"Dose Cover.[%]: 100.0\nSampling Cover.[%]: 100.0\n{doses}\n"
        f"Equiv. Sphere Diam. [cm]: N/A\n\n{head}\n{table}\n"
    )


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "export.txt"
    path.write_bytes(text.encode(encoding))
    return read_eclipse_dvhs(path)


def only(export_read):
    ((_plan, dvh),) = export_read.dvhs
    return dvh


def test_a_cumulative_export_in_cgy_and_percent(tmp_path):
    """CGy become Gy, percent of the stated volume become cc, statistics follow."""
    found = read(tmp_path, export(block()))
    assert (found.patient_id, found.plans, found.skipped) == ("17", ("PLAN_1",), ())
    dvh = only(found)
    assert dvh.structure == "LIVER"
    assert dvh.dose_gy == pytest.approx([0, 5, 10, 15, 20])
    assert dvh.volume_cc == pytest.approx([200, 200, 121, 7.07608e-05, 0])
    assert (dvh.minimum_gy, dvh.maximum_gy, dvh.mean_gy) == pytest.approx((4.8, 15.105, 10.1))
    assert dvh.rounding_cc == pytest.approx(0.05)
    assert dvh.origin == "Eclipse text export export.txt"


def test_gy_and_absolute_volumes_are_taken_as_they_are(tmp_path):
    """Columns in any order; an absolute volume wins over the relative one."""
    head = (
        "Relative dose [%]  Dose [Gy]  Ratio of Total Structure Volume [%]  Structure Volume [cm³]"
    )
    rows = ((0, 0, 100, 200.04), (20, 10, 60.5, 121.02), (40, 20, 0, 0))
    doses = "Min Dose [Gy]: 4.8\nMax Dose [%]: 30.2\nMean Dose [Gy]: N/A"
    text = export(
        block(rows=rows, head=head, volume="Volume [cm³]: 200.0", doses=doses),
        prescribed="Prescribed dose [Gy]: 50.0\n% for dose (%): 100.0",
    )
    dvh = only(read(tmp_path, text))
    assert dvh.dose_gy == pytest.approx([0, 10, 20])
    assert dvh.volume_cc == pytest.approx([200.04, 121.02, 0])
    assert (dvh.minimum_gy, dvh.maximum_gy, dvh.mean_gy) == pytest.approx((4.8, 15.1, None))


def test_relative_doses_refer_to_the_prescription_and_its_percent(tmp_path):
    """50 Gy prescribed to 80 %: 100 % is 62.5 Gy."""
    head = "Relative dose [%]  Ratio of Total Structure Volume [%]"
    rows = ((0, 100), (80, 50), (100, 0))
    prescribed = "Prescribed dose [Gy]: 50.0\n% for dose (%): 80.0"
    dvh = only(read(tmp_path, export(block(rows=rows, head=head), prescribed=prescribed)))
    assert dvh.dose_gy == pytest.approx([0, 50, 62.5])


@pytest.mark.parametrize("prescribed", ["Prescribed dose [Gy]: not defined", "Course: C1"])
def test_relative_doses_of_nothing_are_left_out(tmp_path, prescribed):
    """A plan sum states no prescription: a percent of it is no dose."""
    head = "Relative dose [%]  Ratio of Total Structure Volume [%]"
    text = export(block(rows=((0, 100), (80, 50)), head=head), prescribed=prescribed)
    with pytest.raises(MissingElement, match="prescribed dose that the export does not state"):
        read(tmp_path, text)


def test_a_plan_sum_with_absolute_doses_is_read(tmp_path):
    """Absolute columns need no prescription."""
    text = export(block(plan="SUM"), prescribed="").replace("Plan: PLAN_1", "Plan sum: SUM")
    assert read(tmp_path, text.replace("Plan: SUM", "Plan sum: SUM")).plans == ("SUM",)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_decimal_commas_and_encodings(tmp_path, encoding):
    """The same numbers, written on a German Windows."""
    rows = [("0", "0", "100"), ("500,5", "10,01", "60,5"), ("1000", "20", "3,5e-005")]
    text = export(
        block(
            "Leber ü", rows=rows, volume="Volume [cm³]: 1.200,5", doses="Mean Dose [cGy]: 480,25"
        ),
        prescribed="Prescribed dose [cGy]: 5000,0\n% for dose (%): 100,0",
    )
    dvh = only(read(tmp_path, text, encoding))
    assert dvh.structure == "Leber ü"
    assert dvh.dose_gy == pytest.approx([0, 5.005, 10])
    assert dvh.volume_cc == pytest.approx([1200.5, 726.3025, 1200.5 * 3.5e-7])
    assert dvh.mean_gy == pytest.approx(4.8025)


def test_a_differential_export_is_added_up(tmp_path):
    """cm3 per Gy at the middles of bins: 10 cc between 9 and 11 Gy, 30 cc between 19 and 21."""
    dose = np.arange(0, 31, 1.0)
    density = np.where((dose >= 9.5) & (dose <= 10.5), 10.0, 0) + np.where(dose == 20, 30.0, 0)
    head = "Dose [Gy]  dVolume / dDose [cm³ / Gy]"
    rows = list(zip(dose, density, strict=True))
    text = export(
        block(rows=rows, head=head, volume="Volume [cm³]: 40.0"),
        kind="Differential Dose Volume Histogram",
    )
    dvh = only(read(tmp_path, text))
    assert dvh.volume_cc[0] == pytest.approx(40)
    assert np.interp([9, 12, 22], dvh.dose_gy, dvh.volume_cc) == pytest.approx([40, 30, 0])
    assert "added up" in dvh.scale_note


def test_differential_per_cgy_and_percent(tmp_path):
    """% per cGy of a stated volume: the same solid."""
    dose = np.arange(0, 3100, 100.0)
    density = np.where(dose == 1000, 25 / 100, 0) + np.where(dose == 2000, 75 / 100, 0)
    head = "Dose [cGy]  dVolume / dDose [% / cGy]"
    text = export(
        block(rows=list(zip(dose, density, strict=True)), head=head, volume="Volume [cm³]: 40.0"),
        kind="Differential Dose Volume Histogram",
    )
    dvh = only(read(tmp_path, text))
    assert np.interp([9, 12, 22], dvh.dose_gy, dvh.volume_cc) == pytest.approx([40, 30, 0])


def test_several_structures_and_plans(tmp_path):
    """Every block says its plan; a structure without a table is left out with the reason."""
    text = export(
        block("A"), block("B", rows=()), block("A", plan="PLAN_2"), block("C: odd", plan="PLAN_2")
    )
    found = read(tmp_path, text)
    assert [(plan, dvh.structure) for plan, dvh in found.dvhs] == [
        ("PLAN_1", "A"), ("PLAN_2", "A"), ("PLAN_2", "C: odd"),
    ]  # fmt: skip
    assert found.skipped == ("B: no table",)


def test_percent_volumes_without_a_volume_are_left_out(tmp_path):
    """A share of an unknown volume is no volume."""
    with pytest.raises(MissingElement, match="volume that the export does not state in cc"):
        read(tmp_path, export(block(volume="Volume [cc]: N/A")))


def test_a_row_that_is_cut_is_an_error(tmp_path):
    """Half a row would shift every column."""
    rows = (*ROWS[:2], (1000, 20), *ROWS[3:])
    with pytest.raises(InvalidElement, match=r"LIVER: '1000  20' is not a row of 3 numbers"):
        read(tmp_path, export(block(rows=rows)))


def test_other_files_are_refused(tmp_path):
    """Text that is no export, and a path that is not there."""
    with pytest.raises(UnsupportedData, match="not a DVH export of Eclipse"):
        read(tmp_path, "Dose,Volume\n0,100\n")
    with pytest.raises(UnsupportedData, match="not a DVH export of Eclipse"):
        read(tmp_path, export(block(), kind="Isodose"))
    with pytest.raises(UnreadableFile, match=r"nowhere\.txt"):
        read_eclipse_dvhs(tmp_path / "nowhere.txt")


def test_falling_doses_are_left_out(tmp_path):
    """A curve that goes back is misprinted."""
    rows = (*ROWS[:2], (300, 6, 60), *ROWS[3:])
    with pytest.raises(MissingElement, match="doses that fall"):
        read(tmp_path, export(block(rows=rows)))
