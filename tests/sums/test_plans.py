"""Plan sums: what is added, what is kept, what is refused."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from tests.sums.conftest import first_dose, second_dose, write

import planeval as pe
from planeval.errors import InconsistentCase, UnsupportedData
from planeval.geometry.grid import Grid


def both(x, y, z):
    return first_dose(x, y, z) + second_dose(x, y, z)


def centroid_dose(function, structure):
    (x0, y0, z0), (x1, y1, z1) = structure.bounds_mm
    return function((x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2)


def test_a_sum_on_different_grids_is_the_sum_of_the_doses(first, second):
    """At points, in Mean and in the prescription's plans; each term keeps its grid and fractions."""
    total = pe.plan_sum([first.load(), second.load()])
    for point in [(0, 0, 0), (11.3, -7.1, 4.4), (-14, 9, -6)]:
        assert float(total.dose_at(*point)) == pytest.approx(both(*point), abs=1e-4)
    liver = total.structure("Liver")
    assert float(total.metric("Mean[Gy]", liver)) == pytest.approx(
        centroid_dose(both, liver), abs=1e-3
    )
    assert [term.fractions for term in total.dose.terms] == [25, 5]
    assert [plan.label for plan in total.plans] == ["A", "B"]
    assert total.dose.summation == "SUM"
    assert total.data.registrations == ()


def test_eqd2_converts_each_plan_with_its_own_fractions(first, second):
    """The mean of EQD2 of the sum is the sum of the means of EQD2, and not EQD2 of the sum."""
    one, other = first.load(), second.load()
    total = pe.plan_sum([one, other])
    parts = [float(c.metric("EQD2_3:Mean[Gy]", one.structure("Liver"))) for c in (one, other)]
    assert float(total.metric("EQD2_3:Mean[Gy]", "Liver")) == pytest.approx(sum(parts), abs=5e-3)


def test_order_changes_the_leader_and_not_the_dose(first, second):
    """A + b and b + a have the same dose everywhere both are known."""
    one = pe.plan_sum([first.load(), second.load()])
    other = pe.plan_sum([second.load(), first.load()])
    for text in ("Mean[Gy]", "D2%[Gy]", "Min[Gy]", "EQD2_3:D95%[Gy]"):
        assert float(one.metric(text, "Liver")) == pytest.approx(
            float(other.metric(text, "Liver")), abs=1e-3
        )


def test_outside_one_grid_the_sum_is_unknown(first, tmp_path):
    """A term that ends inside the liver leaves the rest outside; nothing is padded with 0."""
    small = Grid(
        (-46, -43, -38), (1, 0, 0), (0, 1, 0), 3, 3, 30, 15, tuple(3.0 * k for k in range(26))
    )
    half = write(tmp_path, "half", second_dose, grid=small)
    total = pe.plan_sum([first.load(), half.load()])
    value = total.metric("Mean[Gy]", "Liver")
    assert "lie outside the dose grid" in value.reason
    assert not total.dose_at(20, 0, 0).is_defined
    assert float(total.metric("OutsideDoseGrid[%]", "Liver")) == pytest.approx(
        100 * 20.5 / 36, abs=2
    )


def test_plans_with_one_target_prescribe_together(first, second):
    """50 Gy and 50 Gy to the PTV are 100 Gy to it; the origin names both plans."""
    total = pe.plan_sum([first.load(), second.load()])
    (rx,) = total.prescriptions
    assert (rx.target, rx.total_gy, rx.fractions, rx.kind) == ("PTV", 100.0, None, "SUM")
    assert "plan 'A'" in rx.origin
    assert "plan 'B'" in rx.origin
    stated = pe.plan_sum([first.load(), second.load()], rx={"PTV": pe.Rx(66, 33)})
    assert float(stated.metric("D50%[%]", "PTV")) == pytest.approx(
        100 * float(stated.metric("D50%[Gy]", "PTV")) / 66
    )


def test_plans_with_targets_of_their_own_keep_their_prescriptions(first, tmp_path):
    """Two lesions in two plans: both targets are there, each with its own dose."""
    other = write(tmp_path, "B", second_dose, fractions=5, target="PTV2", rx=40.0)
    total = pe.plan_sum([first.load(), other.load()])
    assert {(rx.target, rx.total_gy) for rx in total.prescriptions} == {("PTV", 50), ("PTV2", 40)}
    assert total.prescription_of("PTV2").total_gy == 40
    assert "PTV2" in total.structures


def test_a_whole_plan_prescription_is_not_added_up(first, second):
    """50 Gy to plan A and 40 Gy to plan B are two levels: they may be two lesions."""
    total = pe.plan_sum([first.load(rx=pe.Rx(50, 25)), second.load(rx=pe.Rx(40, 5))])
    assert [rx.total_gy for rx in total.prescriptions] == [50, 40]
    assert not total.metric("V95%[%]", "PTV").is_defined


def test_a_sum_pickles(first, second):
    """The data survive; the numbers are the same."""
    total = pe.plan_sum([first.load(), second.load()])
    again = pickle.loads(pickle.dumps(total))
    assert float(again.metric("Mean[Gy]", "PTV")) == float(total.metric("Mean[Gy]", "PTV"))


def test_structures_drawn_differently_are_named(first, tmp_path):
    """The first plan's PTV is used, and a finding gives both volumes."""
    total = pe.plan_sum([first.load(), write(tmp_path, "B", second_dose).load()])
    assert not [f for f in total.findings if f.code == "structure-differs"]
    case = first.load()
    larger = replace(case.structures["Liver"], name="PTV")
    changed = pe.Case(
        replace(
            write(tmp_path / "again", "D", second_dose).load().data,
            structures={"PTV": larger},
        ),
        case.method,
    )
    (found,) = [f for f in pe.plan_sum([case, changed]).findings if f.code == "structure-differs"]
    assert found.where == "PTV"


def test_what_is_no_sum_is_refused(first, second, tmp_path):
    """Each refusal says which plan and why."""
    one = first.load()
    stranger = write(tmp_path / "stranger", "B", second_dose, patient="P2").load()
    with pytest.raises(InconsistentCase, match="different patients: 'P1', 'P2'"):
        pe.plan_sum([one, stranger])
    with pytest.raises(InconsistentCase, match="plan 'A' is there twice"):
        pe.plan_sum([one, first.load()])
    with pytest.raises(ValueError, match="at least two cases"):
        pe.plan_sum([one])
    weighted = write(tmp_path / "weighted", "E", second_dose, dose_type="EFFECTIVE").load()
    with pytest.raises(InconsistentCase, match="PHYSICAL and EFFECTIVE"):
        pe.plan_sum([one, weighted])
    allowed = pe.plan_sum([one, weighted], allow_effective=True)
    assert allowed.dose.type == "EFFECTIVE"
    several = write(tmp_path / "multi", "M", second_dose, summation="MULTI_PLAN").load()
    with pytest.raises(UnsupportedData, match="MULTI_PLAN"):
        pe.plan_sum([one, several])
    empty = pe.Case(replace(second.load().data, dose=None))
    with pytest.raises(InconsistentCase, match="plan 'B' has no dose"):
        pe.plan_sum([one, empty])
    far = Grid((900, 0, 0), (1, 0, 0), (0, 1, 0), 3, 3, 9, 9, (0.0, 3.0, 6.0))
    apart = write(tmp_path / "far", "F", lambda x, y, z: 1 + 0 * x, grid=far).load()
    with pytest.raises(InconsistentCase, match="no common region"):
        pe.plan_sum([one, apart])
    unframed = pe.Case(replace(second.load().data, frame_uid=""))
    with pytest.raises(InconsistentCase, match="plan 'B' states no frame of reference"):
        pe.plan_sum([one, unframed])
    coarse = second.load(method=pe.Method(lattice_cells=100))
    with pytest.raises(ValueError, match="different methods"):
        pe.plan_sum([one, coarse])


def test_identity_in_doubt_is_a_finding(first, second):
    """An empty PatientID proves nothing, another birth date speaks against it."""
    one, other = first.load(), second.load()
    nameless = replace(other.data, identity=replace(other.data.identity, patient_id=""))
    codes = {f.code for f in pe.plan_sum([one, pe.Case(nameless)]).findings}
    assert "patient-id-missing" in codes
    older = replace(other.data, identity=replace(other.data.identity, birth_date="19300101"))
    codes = {f.code for f in pe.plan_sum([one, pe.Case(older)]).findings}
    assert "patient-birth-date" in codes


def test_three_plans_and_sums_of_sums(first, second, tmp_path):
    """A sum is a case and can be added to again."""
    third = write(tmp_path, "T", lambda x, y, z: 5 + 0 * x, fractions=3).load()
    total = pe.plan_sum([pe.plan_sum([first.load(), second.load()]), third])
    assert float(total.dose_at(3, 2, 1)) == pytest.approx(both(3, 2, 1) + 5, abs=1e-4)
    assert [term.fractions for term in total.dose.terms] == [25, 5, 3]
    assert np.isclose(total.prescription_of("PTV").total_gy, 150)
