"""Whether rows apply: known and outside, unknown, yes."""

import re
from dataclasses import replace

import pytest
from tests.protocol.fakes import RX, uniform_dose

from planeval.metrics import parse
from planeval.model import Prescription, Status
from planeval.protocol.applicability import (
    Basis,
    Facts,
    applies,
    basis_of,
    condition_text,
    facts_of,
    mixed_fractions,
)
from planeval.protocol.schema import Applies

CONVENTIONAL = Applies(fractions=(20, 30), total_dose_gy=(50.0, 65.0))
YES, NO, UNKNOWN = Status.PASS, Status.NOT_APPLICABLE, Status.NOT_EVALUABLE


@pytest.mark.parametrize(
    ("fractions", "total", "status", "words"),
    [
        ((25,), 55.0, YES, ""),
        ((20,), 50.0, YES, ""),
        ((30,), 65.0, YES, ""),
        ((25,), 25 * 2.6, YES, ""),
        ((19,), 55.0, NO, "19 fractions; for 20 to 30"),
        ((31,), 55.0, NO, "31 fractions"),
        ((25,), 49.9, NO, "49.9 Gy prescribed; for 50 to 65 Gy only"),
        ((5,), 27.5, NO, "5 fractions.*27.5 Gy"),
        (None, 55.0, UNKNOWN, "needs the number of fractions"),
        ((25,), None, UNKNOWN, "needs the prescribed dose"),
        (None, None, UNKNOWN, "fractions.*dose"),
        ((5,), None, NO, "5 fractions"),
        (None, 40.0, NO, "40 Gy"),
        ((25, 5), 55.0, NO, "5 fractions"),
        ((25, 25), 55.0, YES, ""),
    ],
)
def test_fractions_and_dose(fractions, total, status, words):
    """Ranges are inclusive; what is known to be outside decides over what is unknown."""
    outcome = applies(CONVENTIONAL, Facts(fractions, total))
    assert outcome.status is status
    assert re.search(words, outcome.reason)


@pytest.mark.parametrize(
    ("wanted", "given_", "status"),
    [
        (("A",), "A5", YES),
        (("A",), "a6", YES),
        (("A",), "A", YES),
        (("A5",), "A5", YES),
        (("A5",), "A6", NO),
        (("A5",), "A", UNKNOWN),
        (("A", "B7"), "B7", YES),
        (("A", "B7"), "B", UNKNOWN),
        (("A", "B7"), "B8", NO),
        (("A",), "B", NO),
        (("C",), "C12", YES),
        (("A",), None, UNKNOWN),
    ],
)
def test_child_pugh(wanted, given_, status):
    """A class without score is enough only where the whole class has one answer."""
    facts = facts_of([RX], None, given_)
    assert applies(Applies(child_pugh=wanted), facts).status is status


@pytest.mark.parametrize("text", ["A7", "D", "5", "A5 B7", "B10", "C16"])
def test_no_child_pugh_class(text):
    """Text that is no class or score is a wrong call."""
    with pytest.raises(ValueError, match="expected a class"):
        facts_of([RX], None, text)


def test_the_highest_level_is_the_prescribed_dose():
    """A plan of two levels is judged by its higher one."""
    low = Prescription("PTV50", 50.0, 25, "VOLUME", "x")
    assert facts_of([low, RX], None).total_gy == 55.0


def test_prescriptions_that_disagree_on_fractions_are_unknown():
    """25 and 20 fractions in one plan: neither is used."""
    assert facts_of([RX, replace(RX, fractions=20)], None).fractions is None


def test_a_dose_that_disagrees_with_the_prescription_is_unknown():
    """The dose term says 30, the prescription 25."""
    assert facts_of([RX], uniform_dose(30)).fractions is None


def test_fractions_come_from_the_dose_where_no_prescription_states_them():
    """A single term is enough."""
    assert facts_of([], uniform_dose(5)).fractions == (5,)


def test_every_term_of_a_sum_counts():
    """Two terms are two fractionations; one unknown makes the whole unknown."""
    assert facts_of([RX], uniform_dose(25, terms=2)).fractions == (25, 25)
    assert facts_of([RX], uniform_dose(None, terms=2)).fractions is None


def test_a_multi_plan_dose_has_no_fraction_count():
    """Even where a prescription states one."""
    multi = replace(uniform_dose(25), summation="MULTI_PLAN")
    assert facts_of([RX], multi).fractions is None


def test_no_condition_applies_to_every_plan():
    """Nothing is needed where nothing is asked."""
    assert applies(Applies(), Facts()).status is YES
    assert condition_text(Applies()) == "any plan"
    assert condition_text(Applies(fractions=(5, 5), child_pugh=("A", "B7"))) == (
        "5 fractions, Child-Pugh A, B7"
    )


def sum_of(*fractions):
    """A dose of one plan a number of fractions."""
    plans = [uniform_dose(count).terms[0] for count in fractions]
    terms = tuple(replace(term, plan_uid=f"plan {n}") for n, term in enumerate(plans))
    return replace(uniform_dose(25), terms=terms)


@pytest.mark.parametrize(
    ("metric", "fractions", "expected"),
    [
        ("Mean[Gy]", (25, 5), NO),
        ("EQD2_3:Mean[Gy]", (25, 5), YES),
        ("Mean[Gy]", (25, 20), YES),
        ("V20Gy[%]", (5, 25), NO),
        ("D95%[%]", (5, 25), NO),
        ("Volume[cc]", (25, 25), YES),
    ],
)
def test_physical_rows_need_their_fractionation_in_every_delivery(metric, fractions, expected):
    """EQD2 counts each delivery by its own fractions, so that a sum does not exclude it."""
    facts = facts_of([], sum_of(*fractions))
    spec = Applies(fractions=(20, 30))
    assert applies(spec, facts, basis_of(parse(metric))).status is expected


def test_one_plan_is_excluded_in_eqd2_as_well():
    """The exemption is for sums: a plan of 5 fractions is outside 20 to 30 in any quantity."""
    facts = facts_of([], uniform_dose(5))
    assert applies(Applies(fractions=(20, 30)), facts, Basis.CONVERTED).status is NO


@pytest.mark.parametrize(
    ("metric", "fractions", "expected"),
    [
        ("Mean[Gy]", (25, 5), UNKNOWN),
        ("Mean[Gy]", (25, 25), YES),
        ("EQD2_3:Mean[Gy]", (25, 5), YES),
        ("Volume[cc]", (25, 5), YES),
    ],
)
def test_a_row_without_fractionation_does_not_judge_mixed_gray(metric, fractions, expected):
    """30 Gy of 25 and of 5 fractions are not one dose."""
    outcome = mixed_fractions(facts_of([], sum_of(*fractions)), basis_of(parse(metric)))
    assert outcome.status is expected
    assert expected is YES or "5 and 25 fractions" in outcome.reason
