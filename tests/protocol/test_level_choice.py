"""The highest prescription of a table that the plan could have if it is scaled."""

import pytest
from tests.protocol.fakes import HEAD, uniform_dose
from tests.protocol.test_evaluate import liver_case, one_row
from tests.protocol.test_limits import rx

from planeval.checks.run import PlanChecks
from planeval.errors import ProtocolSyntax
from planeval.model import Finding, Outcome, Prescription, Severity, Status, Value
from planeval.protocol import library
from planeval.protocol.evaluate import evaluate
from planeval.protocol.level_choice import highest_level
from planeval.protocol.limit_table import LimitLevel
from planeval.report.levels import level_line
from planeval.units import Unit

RTOG = ((50.0, 13.0), (45.0, 15.0), (40.0, 15.0), (35.0, 15.5), (30.0, 16.0), (27.5, 17.0))
TABLE = tuple(LimitLevel(at=at, per_protocol=f"<= {limit:g}") for at, limit in RTOG)
ROW = (
    "{id: a, structure: Liver, kind: limit, metric: 'Mean[Gy]', source: src, applies: {fractions: "
    "[5, 5]}, limits: {by: prescription, selects: prescription, levels: [{at: 50, per_protocol: "
    "'<= 13'}, {at: 40, per_protocol: '<= 15'}, {at: 27.5, per_protocol: '<= 17'}]}}"
)


def gy(mean, low=None, high=None):
    return Value.of(mean, Unit.GY, low, high)


def choice_of(case, row=ROW, **options):
    return one_row(row, case, **options)[1].level_choice


def mean_case(mean=14.0, **more):
    return liver_case(
        values={("Liver", "Mean[Gy]"): mean}, **{"rx": rx(40), "dose": uniform_dose(5), **more}
    )


@pytest.mark.parametrize(
    ("mean", "rx_gy", "level"),
    [
        (13.0, 50.0, 50.0),  # on the limit of the plan's own level, not scaled
        (13.0001, 50.0, 45.0),  # 13.0001 x 45/50 = 11.7
        (10.4, 40.0, 50.0),  # 10.4 x 50/40 = 13 exactly
        (10.4001, 40.0, 45.0),
        (13.4, 40.0, 40.0),  # 13.4 x 45/40 = 15.075
        (17.0, 27.5, 27.5),
        (17.4, 30.0, 27.5),  # 17.4 x 27.5/30 = 15.95, and 17.4 > 16
        (13.0, 50.0 - 5e-7, 50.0),  # 25 x 2.6 Gy is the level it means
        (12.0, 42.0, 45.0),  # a prescription between the levels: 12 x 45/42 = 12.86
    ],
)
def test_the_highest_level_by_hand(mean, rx_gy, level):
    """Mean x level / prescription against the limit of that level."""
    assert highest_level(gy(mean), rx_gy, TABLE).level.value == level


def test_every_level_is_listed_with_its_scaled_value():
    """From the highest down: 14 Gy at 40 Gy is 17.5 at 50 and 9.625 at 27.5."""
    choice = highest_level(gy(14.0), 40.0, TABLE)
    assert [each.rx_gy for each in choice.levels] == [50.0, 45.0, 40.0, 35.0, 30.0, 27.5]
    assert [each.value.value for each in choice.levels] == pytest.approx(
        [17.5, 15.75, 14.0, 12.25, 10.5, 9.625]
    )
    assert [each.is_met for each in choice.levels] == [False, False, True, True, True, True]
    assert choice.from_gy == 40.0


def test_the_answer_need_not_fall_with_the_level():
    """A higher level may have the wider limit: the highest that is met is asked for."""
    table = (LimitLevel(at=50.0, per_protocol="<= 30"), LimitLevel(at=40.0, per_protocol="<= 10"))
    choice = highest_level(gy(20.0), 40.0, table)
    assert choice.level.value == 50.0
    assert [each.is_met for each in choice.levels] == [True, False]


def test_less_and_less_or_equal_stay_distinct():
    """On the limit ``<`` is not met."""
    table = (LimitLevel(at=50.0, per_protocol="< 13"), LimitLevel(at=40.0, per_protocol="< 15"))
    assert highest_level(gy(13.0), 50.0, table).level.value == 40.0


def test_a_limit_in_percent_of_the_prescription_is_one_of_the_level():
    """30 % of 50 Gy is 15 Gy, of 40 Gy 12 Gy: scaled, the share of the mean does not change."""
    table = tuple(LimitLevel(at=at, per_protocol="<= 30 % of Rx") for at in (50.0, 40.0))
    assert highest_level(gy(12.0), 40.0, table).level.value == 50.0
    assert not highest_level(gy(12.1), 40.0, table).level.is_defined


def test_the_band_of_the_value_is_the_band_of_the_level():
    """13.4 [13.3, 13.6] at 40 Gy: 45 Gy holds up to 13.333."""
    choice = highest_level(gy(13.4, 13.3, 13.6), 40.0, TABLE)
    assert (choice.level.low, choice.level.value, choice.level.high) == (40.0, 40.0, 45.0)
    assert choice.near_limit
    assert [each.near_limit for each in choice.levels[:3]] == [False, True, False]
    assert not highest_level(gy(13.0, 12.0, 13.3), 40.0, TABLE).near_limit


def test_no_level_at_an_end_of_the_band():
    """Said, never a level that is not met: 18.54 Gy at 30 Gy is 17 Gy at 27.5 Gy."""
    choice = highest_level(gy(18.5, 18.4, 18.7), 30.0, TABLE)
    assert (choice.level.value, choice.near_limit) == (27.5, True)
    assert choice.level.notes == ("none is met at the upper end of the value's band",)
    choice = highest_level(gy(18.6, 18.4, 18.7), 30.0, TABLE)
    assert not choice.level.is_defined
    assert "no level of the table is met; at the lower end" in choice.level.reason
    assert "27.5 Gy" in choice.level.reason
    choice = highest_level(gy(20.0), 30.0, TABLE)
    assert (choice.level.reason, choice.near_limit) == ("no level of the table is met", False)


def test_the_row_keeps_the_choice_beside_its_outcome():
    """14 Gy at 40 Gy passes its own level and 50 Gy is out of reach; the outcome is its own."""
    record, row = one_row(ROW, mean_case())
    assert row.outcome.status is Status.PASS
    assert row.level_choice.level.value == 40.0
    assert record.to_dict()["rows"][0]["level_choice"]["level"]["number"] == 40


def test_a_prescription_that_is_no_level_has_a_choice_all_the_same():
    """The row does not apply at 45 Gy; scaled to 40 Gy the plan would meet the limit."""
    _, row = one_row(ROW, mean_case(rx=rx(45)))
    assert row.outcome.status is Status.NOT_APPLICABLE
    assert row.level_choice.level.value == 40.0


def test_a_plain_table_of_limits_chooses_nothing():
    """Only a table that says so is read the other way."""
    assert choice_of(mean_case(), ROW.replace("selects: prescription, ", "")) is None


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"rx": ()}, "no prescription is known"),
        ({"rx": (), "dose": uniform_dose(None)}, "needs the number of fractions"),
        ({"rx": (*rx(40), Prescription("CTV", 35.0, 5, "VOLUME", "x"))}, "several prescribed"),
        ({"rx": rx(40, 15), "dose": uniform_dose(15)}, "15 fractions; for 5 fractions only"),
        ({"rx": rx(40, 15)}, "needs the number of fractions"),
        ({"dose": uniform_dose(5, terms=2)}, "the dose is a sum"),
        ({"dose": uniform_dose(5, kind="EFFECTIVE")}, "need not scale with the prescription"),
        ({"dose": ()}, "the case has no dose"),
    ],
)
def test_no_answer_has_its_reason(case, reason):
    """No prescription, several, other fractions, a sum, a weighted dose, no dose."""
    choice = choice_of(mean_case(**case))
    assert not choice.level.is_defined
    assert reason in choice.level.reason
    assert choice.levels == ()


def test_a_liver_partly_without_dose_has_no_level():
    """Its mean is unknown, whatever interval is left."""
    cut = Value.undefined("20.00 cc of Liver outside the dose grid", Unit.GY, (10.0, 30.0))
    choice = choice_of(mean_case(cut))
    assert choice.level.reason == "20.00 cc of Liver outside the dose grid"


@pytest.mark.parametrize("code", ["organ-cut-by-scan", "structure-beyond-image"])
def test_a_liver_that_the_scan_cuts_has_no_level(code):
    """The mean is that of the drawn part; another organ that is cut does not matter."""
    for where, answered in (("Liver", False), ("Stomach", True)):
        checks = PlanChecks((), (Finding(code, Severity.WARNING, "cut", where),))
        choice = choice_of(mean_case(), sanity=lambda checks=checks: checks)
        assert choice.level.is_defined is answered
        if not answered:
            assert choice.level.reason == "Liver may go on beyond the image series"


@pytest.mark.parametrize(
    ("row", "match"),
    [
        (ROW.replace("'Mean[Gy]'", "'V20Gy[cc]'"), "'selects' needs a physical dose in Gy"),
        (ROW.replace("'Mean[Gy]'", "'EQD2_3:Mean[Gy]'"), "'selects' needs a physical dose in Gy"),
        (ROW.replace("applies: {fractions: [5, 5]}, ", ""), "needs 'applies: fractions'"),
        (ROW.replace("by: prescription", "by: effective-volume"), "needs a table by prescription"),
        (ROW.replace("at: 27.5", "below: 30"), "levels all have 'at'"),
        (ROW.replace("<=", ">="), "'selects' needs upper limits"),
        (ROW.replace("selects: prescription", "selects: yes"), "prescription"),
    ],
)
def test_faults_of_a_table_that_chooses(row, match):
    """What does not scale with the dose, or has no fractionation, is refused when it is read."""
    with pytest.raises(ProtocolSyntax, match=match):
        library.load_text(f"{HEAD}constraints:\n  - {row}\n".encode(), "t.yaml")


def test_the_shipped_table_chooses_and_says_that_it_is_unverified():
    """RTOG 1112: Liver-GTV with 14 Gy at 40 Gy in 5; 45 Gy would be 15.75 Gy, above 15 Gy."""
    case = liver_case(mean=14.0, rx=rx(40), dose=uniform_dose(5))
    shipped = library.load("rtog1112-liver")
    record = evaluate(case, shipped, allow_unverified=True)
    row = next(each for each in record.flat_rows() if each.id == "liver-mean")
    assert row.level_choice.level.value == 40.0
    line = level_line(row)
    assert (
        "if the plan is scaled from 40 Gy: 40 Gy is the highest whose limit is met" in line.answer
    )
    assert "assumes that the whole dose is multiplied" in line.basis
    assert "Evidence of the table: check. Nobody has read it in its source." in line.basis
    assert line.tried[1] == "45 Gy: Mean[Gy] 15.75 Gy, limit ≤ 15 Gy, not met"
    assert row.outcome == Outcome(Status.PASS)
    assert not row.is_counted
