"""DVHs stored with the dose: cumulative Gy and cc, whatever the file made of them."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from tests.dicom_writer import BeamSpec, CaseWriter, Roi, Rx, axial_grid, box_ring, prism

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
    case = read_data(folder, *items, edit=edit)
    return case.tps_dvhs, [f.code for f in case.findings]


def read_data(folder, *items, edit=None, **options):
    writer = CaseWriter(folder)
    writer.structures([Roi("PTV", BOX), Roi("Liver", BOX)])
    writer.plan([Rx("PTV", 50.0)])

    def add(ds):
        ds.DVHSequence = list(items)
        if edit is not None:
            edit(ds)

    writer.dose(GRID, np.full(GRID.shape, 50.0), edit=add)
    return read_case(scan_folder(folder), **options)


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
        (dvh([10, 1.5, 10, 1.0], kind="NATURAL"), "NATURAL with DVHVolumeUnits CM3"),
        (dvh([10, 1.5, 10, 1.0], kind="SPECIAL"), "DVHType is SPECIAL"),
        (dvh([10, 1.5, 10, 1.0], dose_units="RELATIVE"), "a prescription is never taken"),
        (dvh([10, 1.5, 10, 1.0], dose_units="CGY"), "DoseUnits is CGY"),
        (dvh([10, 1.5, 10, 1.0], units="PER_U"), "CUMULATIVE with DVHVolumeUnits PER_U"),
        (dvh([10, 1.5, 10, 1.0], units="ML"), "DVHVolumeUnits is ML"),
        (dvh([10, 1.5, 10, 1.0], scaling=0.0), "DVHDoseScaling is 0"),
        (dvh([10, 1.5, 10]), "3 numbers"),
        (dvh([10, 1.5, -10, 1.0]), "negative"),
        (dvh([10, -1.5, 10, 1.0]), "negative"),
        (dvh([10, 100, 10, 50], units="PERCENT", roi=99), "not known"),
    ],
)
def test_unusable_curves_are_skipped_with_a_reason(tmp_path, item, reason):
    """A curve that is no DVH in Gy and cc is left out, and why: in a finding and for the report."""
    case = read_data(tmp_path, item)
    assert case.tps_dvhs == ()
    assert [f.code for f in case.findings] == ["tps-dvh-skipped"]
    (unread,) = case.tps_unread
    assert reason in unread.reason
    assert unread.origin == "DVHSequence of RD.dose.dcm"
    assert unread.reason in case.findings[0].message


def at_normalization(value):
    """DVHNormalizationDoseValue of the module."""

    def edit(ds):
        ds.DVHNormalizationDoseValue = f"{value:g}"

    return edit


RELATIVE = {"dose_units": "RELATIVE"}


@pytest.mark.parametrize(
    ("data", "statistics", "note"),
    [
        ([20, 1.5, 20, 1.2, 60, 0.3], (18, 98, 60), "in percent, 100 is 50 Gy"),
        ([0.2, 1.5, 0.2, 1.2, 0.6, 0.3], (0.18, 0.98, 0.6), "as shares, 1 is 50 Gy"),
    ],
)
def test_relative_doses_refer_to_the_normalization_dose(tmp_path, data, statistics, note):
    """Percent or shares of 1 of 50 Gy: the same curve and statistics in Gy, and how it was read."""
    item = dvh(data, statistics=statistics, **RELATIVE)
    case = read_data(tmp_path, item, edit=at_normalization(50))
    (found,) = case.tps_dvhs
    assert found.dose_gy == pytest.approx([0, 10, 20, 50])
    assert found.volume_cc.tolist() == [1.5, 1.2, 0.3, 0]
    numbers = (found.minimum_gy, found.maximum_gy, found.mean_gy)
    assert numbers == pytest.approx((9, 49, 30))
    assert note in found.scale_note
    assert "DVHNormalizationDoseValue" in found.scale_note
    assert [f.code for f in case.findings] == ["tps-dvh-scale"]


def test_relative_doses_of_one_file_share_their_scale(tmp_path):
    """The hottest curve tells what the others are written in; one in Gy keeps its own units."""
    hot = dvh([0.5, 1.5, 0.5, 1.0], **RELATIVE)
    cold = dvh([0.1, 1.5, 0.1, 0.2], roi=2, **RELATIVE)
    plain = dvh([10, 1.5, 30, 0.5], roi=2)
    found, _codes = read(tmp_path, hot, cold, plain, edit=at_normalization(50))
    assert [dvh.dose_gy.tolist() for dvh in found] == [[0, 25, 50], [0, 5, 10], [0, 10, 40]]
    assert found[2].scale_note == ""


@pytest.mark.parametrize(
    ("data", "value", "reason"),
    [
        ([50, 1.5, 50, 1.0], None, "DVHNormalizationDoseValue does not say of which dose"),
        ([50, 1.5, 50, 1.0], 0, "DVHNormalizationDoseValue does not say of which dose"),
        ([50, 1.5, 50, 1.0], 5000, "more than the 50 Gy of the dose grid"),
        ([0.1, 1.5, 0.2, 1.0], 50, "whether 1 or 100 stands for it cannot be told"),
        ([100, 1.5, 200, 1.0, 10, 1], 50, "above the 50 Gy of the dose grid as percent and as"),
    ],
)
def test_relative_doses_without_an_answer(tmp_path, data, value, reason):
    """No reference, one that is no dose in Gy, a scale that cannot be told: never the prescription."""
    edit = None if value is None else at_normalization(value)
    case = read_data(tmp_path, dvh(data, **RELATIVE), edit=edit)
    assert case.tps_dvhs == ()
    assert case.prescriptions[0].total_gy == 50
    assert reason in case.tps_unread[0].reason
    assert ("--relative-reference" in case.tps_unread[0].reason) is ("percent" not in reason)


@pytest.mark.parametrize(("scale", "data"), [(100, [10, 1.5, 20, 1.0]), (1, [0.1, 1.5, 0.2, 1.0])])
def test_the_user_says_what_relative_doses_are(tmp_path, scale, data):
    """A statement wins over the file: 30 % of 40 Gy is 12 Gy."""
    case = read_data(
        tmp_path, dvh(data, **RELATIVE), edit=at_normalization(50),
        relative_reference_gy=40.0, relative_scale=scale,
    )  # fmt: skip
    (found,) = case.tps_dvhs
    assert found.dose_gy == pytest.approx([0, 4, 12])
    assert f"{scale} is 40 Gy (stated)" in found.scale_note


def test_another_type_of_dose_is_not_compared(tmp_path):
    """An EFFECTIVE DVH beside a PHYSICAL grid is of something else."""
    item = dvh([10, 1.5, 40, 0.1])
    item.DoseType = "EFFECTIVE"
    case = read_data(tmp_path, item)
    assert case.tps_dvhs == ()
    assert case.tps_unread[0].reason == "its DoseType is EFFECTIVE, that of the dose grid PHYSICAL"


def test_a_natural_dvh_of_a_point_source(tmp_path):
    """D = A/r^2 gives V = 4/3 pi A^(3/2) u: constant volume per u, cut off at 4 and 25 Gy."""
    per_u = 4 / 3 * np.pi
    item = dvh([4, 0, *[1, per_u] * 21], kind="NATURAL", units="PER_U")
    (found,), codes = read(tmp_path, item)
    edges = np.arange(4.0, 26.0)
    assert found.dose_gy.tolist() == [0, *edges]
    volumes = per_u * (edges**-1.5 - 25.0**-1.5)
    assert found.volume_cc[1:] == pytest.approx(volumes, abs=2e-5)
    assert found.volume_cc[0] == found.volume_cc[1]
    assert "volumes per u = D^(-3/2), D in GY" in found.scale_note
    assert codes == ["tps-dvh-scale"]


def test_a_natural_dvh_in_percent_of_a_dose(tmp_path):
    """The u of its own units: the volumes do not depend on what a percent is in Gy."""
    item = dvh([16, 0, 20, 3000, 64, 2000], kind="NATURAL", units="PER_U", **RELATIVE)
    (found,), _ = read(tmp_path, item, edit=at_normalization(50))
    last = 2000 * (36**-1.5 - 100**-1.5)
    assert found.volume_cc == pytest.approx([3000 * (16**-1.5 - 36**-1.5) + last] * 2 + [last, 0.0])
    assert found.dose_gy == pytest.approx([0, 8, 18, 50])


def test_a_natural_dvh_with_volume_at_no_dose_cannot_be_turned_back(tmp_path):
    """At 0 Gy u is infinite; so it is for a bin without width there."""
    for n, data in enumerate(([4, 0.5, 1, 2], [0, 0, 4, 0.5, 1, 2])):
        item = dvh(data, kind="NATURAL", units="PER_U")
        case = read_data(tmp_path / str(n), item)
        assert "u = D^(-3/2) is infinite there" in case.tps_unread[0].reason


def test_dvhs_of_parts_of_the_dose_are_not_compared(tmp_path):
    """The DVH of one of two BEAM doses is not that of their sum."""
    writer = CaseWriter(tmp_path)
    writer.structures([Roi("PTV", BOX)])
    writer.plan([Rx("PTV", 50.0)], beams=(BeamSpec(1, "A"), BeamSpec(2, "B")))

    def add(ds):
        ds.DVHSequence = [dvh([10, 1.5, 15, 0.1])]

    for beam in (1, 2):
        writer.dose(
            GRID, np.full(GRID.shape, 25.0), edit=add, summation="BEAM", beams=(beam,),
            what=f"beam {beam}",
        )  # fmt: skip
    case = read_case(scan_folder(tmp_path))
    assert case.tps_dvhs == ()
    reasons = {each.reason for each in case.tps_unread}
    assert reasons == {"it is of one of the 2 doses that are added up here"}
    assert len(case.tps_unread) == 2
    assert "tps-dvh-skipped" in {f.code for f in case.findings}


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
