"""DVHs stored with the dose: cumulative Gy and cc, whatever the file made of them."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from tests.dicom_writer import CaseWriter, Roi, Rx, axial_grid, box_ring, prism

from planeval.dicom import read_case, scan_folder

GRID = axial_grid((5, 6, 7), spacing_mm=(5, 5, 5), origin_mm=(-15, -12, -10))
BOX = prism(box_ring(10, 10), [-5, 0, 5])


def dvh(
    data,
    *,
    kind="CUMULATIVE",
    units="CM3",
    scaling=1.0,
    statistics=(),
    roi=1,
    contribution="INCLUDED",
    dose_units="GY",
):
    item = Dataset()
    item.DVHType, item.DoseUnits, item.DoseType = kind, dose_units, "PHYSICAL"
    item.DVHDoseScaling, item.DVHVolumeUnits = scaling, units
    item.DVHNumberOfBins = len(data) // 2
    item.DVHData = [f"{value:g}" for value in data]
    reference = Dataset()
    reference.ReferencedROINumber, reference.DVHROIContributionType = roi, contribution
    item.DVHReferencedROISequence = [reference]
    for name, value in zip(("Minimum", "Maximum", "Mean"), statistics, strict=False):
        setattr(item, f"DVH{name}Dose", f"{value:g}")
    return item


def read(folder, *items, edit=None):
    writer = CaseWriter(folder)
    writer.structures([Roi("PTV", BOX), Roi("Liver", BOX)])
    writer.plan([Rx("PTV", 50.0)])

    def add(ds):
        ds.DVHSequence = list(items)
        if edit is not None:
            edit(ds)

    writer.dose(GRID, np.full(GRID.shape, 50.0), edit=add)
    case = read_case(scan_folder(folder))
    return case.tps_dvhs, [f.code for f in case.findings]


def test_cumulative(tmp_path):
    """Doses are the lower bin edges, the last edge has no volume."""
    (found,), codes = read(tmp_path, dvh([10, 1.5, 10, 1.2, 30, 0.3], statistics=(9, 49, 30)))
    assert found.structure == "PTV"
    assert found.dose_gy.tolist() == [0, 10, 20, 50]
    assert found.volume_cc.tolist() == [1.5, 1.2, 0.3, 0]
    assert (found.minimum_gy, found.maximum_gy, found.mean_gy) == (9, 49, 30)
    assert found.origin == "DVHSequence of RD.dose.dcm"
    assert codes == []


def test_differential_is_summed_up(tmp_path):
    """A differential curve becomes cumulative."""
    (found,), _ = read(tmp_path, dvh([10, 0.3, 10, 0.9, 30, 0.3], kind="DIFFERENTIAL"))
    assert found.volume_cc == pytest.approx([1.5, 1.2, 0.3, 0])


def test_dose_scaling(tmp_path):
    """DVHDoseScaling multiplies the bin widths."""
    (found,), _ = read(tmp_path, dvh([1000, 1.5, 1000, 1.2], scaling=0.01))
    assert found.dose_gy.tolist() == [0, 10, 20]


def test_percent_volumes_use_our_volume(tmp_path):
    """Relative volumes are scaled by the structure's own volume, and that is said."""
    (found,), codes = read(tmp_path, dvh([10, 100, 30, 50], units="PERCENT"))
    assert found.volume_cc == pytest.approx([1.5, 0.75, 0])
    assert "1.50 cc" in found.scale_note
    assert codes == ["tps-dvh-scale"]


def test_statistics_in_percent_although_gy(tmp_path):
    """A maximum that fits the curve only as percent of the prescription is read so."""
    (found,), codes = read(tmp_path, dvh([10, 1.5, 30, 1.2, 10, 0.1], statistics=(20, 98, 60)))
    assert (found.minimum_gy, found.maximum_gy, found.mean_gy) == (10, 49, 30)
    assert "percent of 50 Gy" in found.scale_note
    assert codes == ["tps-dvh-scale"]


def test_statistics_in_cgy(tmp_path):
    """A maximum that fits the curve only as cGy is read so."""
    (found,), _ = read(tmp_path, dvh([10, 1.5, 40, 0.1], statistics=(900, 4900, 3000)))
    assert found.maximum_gy == pytest.approx(49)
    assert "cGy" in found.scale_note


def test_statistics_that_fit_nothing_are_left_out(tmp_path):
    """A maximum that contradicts the curve in every unit is not repeated."""
    (found,), _ = read(tmp_path, dvh([10, 1.5, 40, 0.1], statistics=(1, 3, 2)))
    assert found.maximum_gy is None
    assert "left out" in found.scale_note


def test_axis_in_percent_although_gy(tmp_path):
    """A curve that ends far above the dose grid is in percent."""
    (found,), codes = read(tmp_path, dvh([50, 1.5, 49, 0.5, 1, 0.1]))
    assert found.dose_gy[-1] == pytest.approx(50)
    assert codes == ["tps-dvh-scale"]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (dvh([10, 1.5, 10, 1.0], kind="NATURAL"), "NATURAL"),
        (dvh([10, 1.5, 10, 1.0], dose_units="RELATIVE"), "RELATIVE"),
        (dvh([10, 1.5, 10, 1.0], units="PER_U"), "PER_U"),
        (dvh([10, 1.5, 10]), "3 numbers"),
        (dvh([10, 1.5, -10, 1.0]), "negative"),
        (dvh([10, -1.5, 10, 1.0]), "negative"),
        (dvh([10, 100, 10, 50], units="PERCENT", roi=99), "not known"),
    ],
)
def test_unusable_curves_are_skipped_with_a_reason(tmp_path, item, reason):
    """A curve that is no DVH in Gy and cc is left out, and why."""
    found, codes = read(tmp_path, item)
    assert found == ()
    assert codes == ["tps-dvh-skipped"]


def test_rounding_below_zero_is_zero(tmp_path):
    """A last bin of minus a millionth of a millionth is 0."""
    (found,), codes = read(tmp_path, dvh([10, 1.5, 40, -1e-13]))
    assert found.volume_cc.min() == 0
    assert codes == []


def test_dvh_of_another_structure_set_keeps_numbers(tmp_path):
    """ROI numbers of another structure set are not turned into names."""

    def edit(ds):
        reference = Dataset()
        reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
        reference.ReferencedSOPInstanceUID = "1.2.3"
        ds.ReferencedStructureSetSequence = [reference]

    (found,), _ = read(tmp_path, dvh([10, 1.5, 40, 0.1]), edit=edit)
    assert found.structure == "ROI 1"


def test_excluded_structures_are_named(tmp_path):
    """A DVH of a difference says so in its name."""
    item = dvh([10, 1.5, 40, 0.1])
    out = Dataset()
    out.ReferencedROINumber, out.DVHROIContributionType = 2, "EXCLUDED"
    item.DVHReferencedROISequence = [*item.DVHReferencedROISequence, out]
    (found,), _ = read(tmp_path, item)
    assert found.structure == "PTV - Liver"


def test_a_combination_keeps_what_it_includes_and_excludes(tmp_path):
    """DVHROIContributionType: the names by themselves, so that the same solid can be made."""
    item = dvh([10, 1.5, 10, 1.2], units="CM3")
    second = dvh([10, 1.5], roi=2, contribution="EXCLUDED").DVHReferencedROISequence[0]
    item.DVHReferencedROISequence = [item.DVHReferencedROISequence[0], second]
    (found,), _codes = read(tmp_path, item)
    assert (found.structure, found.includes, found.excludes) == (
        "PTV - Liver", ("PTV",), ("Liver",),
    )  # fmt: skip


def test_percent_volumes_are_marked_as_ours(tmp_path):
    """A comparison of volumes would compare planeval with itself."""
    (found,), _codes = read(tmp_path, dvh([10, 100, 10, 50], units="PERCENT"))
    assert found.volume_is_ours
    (found,), _codes = read(tmp_path / "cc", dvh([10, 1.5, 10, 1.2]))
    assert not found.volume_is_ours
