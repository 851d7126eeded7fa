"""Limits that depend on the plan: tables, shares of the prescription, and their faults."""

import pytest
from tests.protocol.fakes import HEAD, RX5
from tests.protocol.test_evaluate import liver_case, one_row

from planeval.errors import ProtocolSyntax
from planeval.model import Prescription, Status, Verdict
from planeval.protocol import library

BY_RX = (
    "{id: a, structure: Liver, kind: limit, metric: 'Mean[Gy]', limits: {by: prescription, levels: "
    "[{at: 50, per_protocol: '<= 13'}, {at: 27.5, per_protocol: '<= 17', acceptable: '<= 18'}]}}"
)
BY_VEFF = (
    "{id: a, structure: Liver, kind: limit, metric: 'Max[Gy]', limits: {by: effective-volume, "
    "levels: [{below: 25, per_protocol: '<= 50'}, {from: 25, below: 64, per_protocol: '<= 30'}]}}"
)
SHARE = (
    "{id: a, structure: Stomach, kind: limit, metric: 'D0.5cc[Gy]', per_protocol: '<= 50 % of Rx', "
    "acceptable: '<= 60 % of Rx'}"
)


def rx(gy, fractions=5):
    return (Prescription("PTV", gy, fractions, "VOLUME", "RTPLAN"),)


@pytest.mark.parametrize(
    ("gy", "mean", "status"),
    [
        (50, 13.0, Status.PASS),
        (50, 13.001, Status.FAIL),
        (27.5, 13.001, Status.PASS),
        (27.5, 17.5, Status.ACCEPTABLE),
        (27.5000000001, 17.5, Status.ACCEPTABLE),
        (27.5, 18.5, Status.FAIL),
        (40, 1.0, Status.NOT_APPLICABLE),
    ],
)
def test_a_limit_by_prescription(gy, mean, status):
    """The level of the planned prescription; none of them is "not applicable" with the levels."""
    case = liver_case(values={("Liver", "Mean[Gy]"): mean}, rx=rx(gy))
    _, row = one_row(BY_RX, case)
    assert row.outcome.status is status
    if status is Status.NOT_APPLICABLE:
        assert "no limit for 40 Gy prescribed; levels: 50, 27.5" in row.outcome.reason
        assert row.per_protocol is None
    else:
        assert f"limit for {gy:.6g} Gy prescribed" in row.notes


def test_without_a_prescription_a_table_cannot_be_used():
    """Not evaluable, with what is missing; so it is with several levels."""
    _, row = one_row(BY_RX, liver_case(rx=()))
    assert row.outcome.status is Status.NOT_EVALUABLE
    assert "the limit needs a prescription: no prescription is known" in row.outcome.reason
    _, row = one_row(BY_RX, liver_case(rx=(*rx(50), Prescription("CTV", 40, 5, "VOLUME", "x"))))
    assert "several prescribed levels" in row.outcome.reason


@pytest.mark.parametrize(
    ("share", "maximum", "status"),
    [
        (24.9, 49.0, Status.PASS),
        (25.0, 49.0, Status.FAIL),
        (25.0, 29.0, Status.PASS),
        (64.0, 1.0, Status.NOT_APPLICABLE),
    ],
)
def test_a_limit_by_effective_volume(share, maximum, status):
    """The level's lower end belongs to it, the upper one to the next."""
    values = {("Liver", "Mean[%]"): share, ("Liver", "Max[Gy]"): maximum}
    _, row = one_row(BY_VEFF, liver_case(values=values))
    assert row.outcome.status is status


@pytest.mark.parametrize(
    ("gy", "status"),
    [(13.75, Status.PASS), (13.7501, Status.ACCEPTABLE), (16.51, Status.FAIL)],
)
def test_a_limit_in_percent_of_the_prescription(gy, status):
    """50 % of 27.5 Gy is 13.75 Gy; the record has Gy and says how the limit was written."""
    case = liver_case(values={("Stomach", "D0.5cc[Gy]"): gy}, rx=(RX5,))
    _, row = one_row(SHARE, case)
    assert row.outcome.status is status
    assert (row.per_protocol.limit, row.acceptable.limit) == (13.75, 16.5)
    assert "limit written as <= 50 % of Rx, <= 60 % of Rx" in row.notes
    assert row.rx_gy == 27.5


@pytest.mark.parametrize(
    ("row", "match"),
    [
        (BY_RX.replace("at: 27.5", "at: 50"), "two levels of the table hold for 50"),
        (BY_RX.replace("at: 50", "at: 50, below: 60"), "needs 'at', or 'from' and 'below'"),
        (BY_RX.replace("'<= 13'", "'>= 13'"), "different directions"),
        (BY_RX.replace("levels: [", "structure: X, levels: ["), "table by effective-volume"),
        (BY_RX.replace("limits:", "per_protocol: '< 1', limits:"), "stands in place of"),
        (BY_VEFF.replace("from: 25", "from: 20"), "two levels of the table hold for 20"),
        (BY_VEFF.replace("below: 64", "below: 20"), "'from' lower than 'below'"),
        (SHARE.replace("'D0.5cc[Gy]'", "'V20Gy[cc]'"), "needs a physical dose in Gy"),
        (SHARE.replace("'<= 60 % of Rx'", "'<= 60'"), "differ in what they refer to"),
        (SHARE.replace("50 % of Rx", "50 % of"), "is no comparison"),
    ],
)
def test_faults_of_limits(row, match):
    """Each with the line and what was expected."""
    with pytest.raises(ProtocolSyntax, match=match):
        library.load_text(f"{HEAD}constraints:\n  - {row}\n".encode(), "t.yaml")


def test_a_row_out_of_its_fraction_dose_is_not_applicable():
    """1.8 to 2 Gy a fraction: 55 Gy in 25 is 2.2."""
    row = SHARE.replace("kind: limit", "kind: limit, applies: {fraction_dose_gy: [1.8, 2]}")
    record, judged = one_row(row, liver_case())
    assert judged.outcome.status is Status.NOT_APPLICABLE
    assert "2.2 Gy a fraction; for 1.8 to 2 Gy a fraction only" in judged.outcome.reason
    assert record.verdict is Verdict.NOT_ASSESSED
    _, judged = one_row(row, liver_case(rx=rx(50, 25), dose=None))
    assert judged.outcome.status is not Status.NOT_APPLICABLE
