"""Comparing records: what is refused, what is said, differences, trends and changed outcomes."""

from dataclasses import replace

import pytest
from tests.report.samples import limit, record, row

from planeval.errors import InconsistentCase, UndecidedProtocol
from planeval.model import Method, Outcome, Status, Value
from planeval.model.comparison import Change, Trend
from planeval.model.rows import GroupMode, RowGroup, RowKind
from planeval.protocol.comparison import LETTERS, compare_records
from planeval.units import Unit


def judged(name, number, status, operator="<=", band=0.05, **more):
    """A counted row with a limit of 20."""
    value = Value.of(number, Unit.GY, number - band, number + band)
    reason = "its reason" if status in (Status.NOT_EVALUABLE, Status.NOT_APPLICABLE) else ""
    return row(
        name, "Mean[Gy]", value, status, per_protocol=limit(operator, 20), reason=reason, **more
    )


def plan(*rows, **changes):
    """A record with these rows alone."""
    made = record(rows=tuple(rows), information=(), targets=(), margins=())
    return replace(made, **changes)


def pair(first, second):
    """The only row of two plans, in the second plan."""
    (compared,) = compare_records([plan(first), plan(second)]).rows
    return compared.plans[1]


def test_a_difference_is_this_minus_the_first_with_both_bands():
    """18 +- 0.05 to 19 +- 0.05 is 1 within 0.9 to 1.1."""
    found = pair(judged("Liver", 18, Status.PASS), judged("Liver", 19, Status.PASS))
    difference = found.difference
    assert (difference.low, difference.value, difference.high) == pytest.approx((0.9, 1.0, 1.1))
    assert difference.unit is Unit.GY
    assert not found.is_within_bands


def test_overlapping_bands_are_said():
    """18.00 and 18.08 with bands of 0.05 may be the same."""
    found = pair(judged("Liver", 18, Status.PASS), judged("Liver", 18.08, Status.PASS))
    assert found.is_within_bands


@pytest.mark.parametrize(
    ("operator", "after", "trend"),
    [
        ("<=", 17, Trend.BETTER),
        ("<=", 19, Trend.WORSE),
        (">=", 17, Trend.WORSE),
        (">", 19, Trend.BETTER),
        ("<", 18, Trend.EQUAL),
    ],
)
def test_better_is_away_from_the_limit(operator, after, trend):
    """Less is better under an upper limit, more above a lower one."""
    sides = (judged("X", number, Status.PASS, operator) for number in (18, after))
    assert pair(*sides).trend is trend


def test_without_a_limit_there_is_no_better():
    """An information row differs, and that is all."""
    sides = (row("X", "Mean[Gy]", Value.of(n, Unit.GY), None) for n in (1, 2))
    assert pair(*sides).trend is Trend.NO_LIMIT


STATUSES = list(Status)
ORDER = [Status.FAIL, Status.ACCEPTABLE, Status.PASS]


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
def test_every_change_of_outcome(before, after):
    """Only FAIL, ACCEPTABLE and PASS have an order; what is missing is neither better nor worse."""
    change = pair(judged("X", 1, before), judged("X", 1, after)).change
    if before is after:
        assert change is Change.NONE
    elif before in ORDER and after in ORDER:
        rises = ORDER.index(after) > ORDER.index(before)
        assert change is (Change.BETTER if rises else Change.WORSE)
    else:
        assert change is Change.OTHER


def test_an_undefined_value_has_no_difference():
    """The reason names the side."""
    gone = row(
        "X", "Mean[Gy]", Value.undefined("no X", Unit.GY), Status.NOT_EVALUABLE, reason="no X"
    )
    found = pair(judged("X", 18, Status.PASS), gone)
    assert found.difference.reason == "no value in this plan: no X"
    assert found.trend is Trend.UNKNOWN
    assert found.change is Change.OTHER


def test_a_row_that_only_one_plan_has_is_not_lost():
    """It stands with a reason in the other."""
    result = compare_records([plan(judged("A", 1, Status.PASS)), plan(judged("B", 1, Status.PASS))])
    assert [each.structure for each in result.rows] == ["A", "B"]
    assert result.rows[0].plans[1].value.reason == "this plan has no such row"
    assert result.rows[0].plans[1].change is Change.OTHER
    assert result.rows[1].plans[1].difference.reason == "the first plan has no such row"


def test_rows_are_paired_by_id_not_by_place():
    """Another order is no difference."""
    rows = [judged("A", 1, Status.PASS), judged("B", 2, Status.FAIL)]
    result = compare_records([plan(*rows), plan(*reversed(rows))])
    assert not result.changes
    assert all(each.plans[1].trend is Trend.EQUAL for each in result.rows)


def test_only_what_decides_makes_a_plan_worse():
    """A member of an OR group may fail while the group passes; a reference never counts."""

    def group(member):
        return RowGroup(
            "g", RowKind.LIMIT, GroupMode.ANY, (judged("A", 1, member), judged("B", 1, Status.PASS)),
            Outcome(Status.PASS),
        )  # fmt: skip

    def reference(status):
        return judged("C", 1, status, kind=RowKind.REFERENCE)

    result = compare_records(
        [
            plan(group(Status.PASS), reference(Status.PASS)),
            plan(group(Status.FAIL), reference(Status.FAIL)),
        ]
    )
    assert {row.id for row in result.changes} == {"constraint/A-Mean[Gy]", "constraint/C-Mean[Gy]"}
    assert not result.is_worse
    worse = compare_records([plan(judged("A", 1, Status.PASS)), plan(judged("A", 1, Status.FAIL))])
    assert worse.is_worse
    back = compare_records([plan(judged("A", 1, Status.FAIL)), plan(judged("A", 1, Status.PASS))])
    assert not back.is_worse


def test_limits_that_depend_on_the_plan_are_kept():
    """A limit from a table of prescriptions may differ."""
    sides = [plan(row("X", "Mean[Gy]", Value.of(1, Unit.GY), Status.PASS, per_protocol=limit("<=", n)))
             for n in (13, 18)]  # fmt: skip
    (compared,) = compare_records(sides).rows
    assert compared.limits_differ
    assert [each.per_protocol.limit for each in compared.plans] == [13, 18]


def with_identity(**changes):
    made = record()
    return replace(made, identity=replace(made.identity, **changes))


def test_different_patients_are_refused():
    """The message has both ids."""
    with pytest.raises(InconsistentCase, match=r"different patients.*'PE-1'.*'PE-2'"):
        compare_records([record(), with_identity(patient_id="PE-2")])


def test_different_birth_dates_are_refused():
    """One PatientID may have been given twice."""
    with pytest.raises(InconsistentCase, match="different birth dates"):
        compare_records([record(), with_identity(birth_date="19610102")])


def test_a_missing_patient_id_is_said():
    """It is compared, and unproven."""
    found = compare_records([record(), with_identity(patient_id=" ")]).findings
    assert "patient-id-missing" in {each.code for each in found}


def test_different_protocols_are_refused():
    """Also two versions of one."""
    made = record()
    other = replace(made, protocol=replace(made.protocol, sha256="f" * 64, version="1.1"))
    with pytest.raises(UndecidedProtocol, match=r"hcc-test 1\.0.*hcc-test 1\.1"):
        compare_records([made, other])


def test_different_methods_are_refused():
    """End caps change every volume."""
    made = record()
    other = replace(made, provenance=replace(made.provenance, method=Method(caps="none")))
    with pytest.raises(InconsistentCase, match="different methods"):
        compare_records([made, other])


@pytest.mark.parametrize("count", [0, 1, len(LETTERS) + 1])
def test_two_to_eight_plans(count):
    """Fewer are no comparison; more cannot be told apart."""
    with pytest.raises(ValueError, match="a comparison takes 2 to 8"):
        compare_records([record()] * count)


def test_what_else_differs_is_named():
    """Structure set with volumes, frame, prescription, dose type."""
    made = record()
    basis = made.provenance
    volumes = tuple(
        replace(each, volume=Value.of(80.0, Unit.CC)) if each.name == "Liver" else each
        for each in made.structures
    )
    other = replace(
        made,
        provenance=replace(basis, structure_set_uid="9.9", frame_uid="9.8", dose_uids=("9.7",)),
        structures=volumes,
        prescriptions=(replace(made.prescriptions[0], total_gy=50.0),),
        dose=replace(made.dose, type="EFFECTIVE"),
    )
    found = {each.code: each.message for each in compare_records([made, other]).findings}
    assert set(found) == {
        "structure-sets-differ", "frames-differ", "prescriptions-differ", "dose-types-differ",
    }  # fmt: skip
    assert "Liver 102.00 and in B 80.00 cc" in found["structure-sets-differ"]
    assert "50 Gy in 25 to PTV" in found["prescriptions-differ"]


def test_the_same_plan_twice_is_said():
    """A comparison of a plan with itself is a slip."""
    codes = {each.code for each in compare_records([record(), record()]).findings}
    assert codes == {"same-plan"}


def test_the_same_input_gives_the_same_json():
    """And it says which evaluations it is of."""
    first, again = (compare_records([record(), record()]) for _ in range(2))
    assert first.to_json() == again.to_json()
    assert first.to_dict()["schema"] == "planeval.comparison/1"
    assert len(first.plans[0].evaluation_sha256) == 64
