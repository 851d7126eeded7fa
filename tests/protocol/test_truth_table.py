"""The outcome logic as a truth table: every state of two rows, alone, in OR and in AND."""

import itertools
import math

import pytest
from tests.protocol.fakes import FakeCase, box, empty, foreign, protocol

from planeval.model import Status, Value, Verdict
from planeval.protocol.evaluate import evaluate
from planeval.units import Unit

P, A, F = Status.PASS, Status.ACCEPTABLE, Status.FAIL
E, N = Status.NOT_EVALUABLE, Status.NOT_APPLICABLE
TRUNCATED = "1 cc lies outside the dose grid"

STATES = {
    # what became of the structure or its value: (status, near limit), with limits 10 and 20 Gy
    "within": (P, False),
    "on the limit": (P, True),
    "near, within": (P, True),
    "between": (A, False),
    "near, between": (A, True),
    "beyond": (F, False),
    "near, beyond": (F, True),
    "missing": (E, False),
    "empty": (E, False),
    "elsewhere": (E, False),
    "ambiguous": (E, False),
    "truncated, open": (E, False),
    "truncated, hot inside": (F, False),
    "truncated, cold throughout": (P, False),
    "other fractions": (N, False),
}
VALUES = {
    "within": Value.of(5.0, Unit.GY, 4.0, 6.0),
    "on the limit": Value.of(10.0, Unit.GY, 9.9, 10.1),
    "near, within": Value.of(9.9, Unit.GY, 9.8, 10.2),
    "between": Value.of(15.0, Unit.GY, 14.0, 16.0),
    "near, between": Value.of(19.9, Unit.GY, 19.5, 20.1),
    "beyond": Value.of(25.0, Unit.GY, 24.0, 26.0),
    "near, beyond": Value.of(20.1, Unit.GY, 19.9, 20.2),
    "truncated, open": Value.undefined(TRUNCATED, Unit.GY, (5.0, math.inf)),
    "truncated, hot inside": Value.undefined(TRUNCATED, Unit.GY, (25.0, math.inf)),
    "truncated, cold throughout": Value.undefined(TRUNCATED, Unit.GY, (1.0, 9.0)),
}
ORDER = {"any": (P, A, E, F), "all": (F, E, A, P)}


def case_of(states):
    """A case in which the structures S0, S1, ... are in the given states."""
    drawn, unusable, values = [], [], {}
    for number, state in enumerate(states):
        name = f"S{number}"
        if state == "empty":
            unusable.append(empty(name))
        elif state == "elsewhere":
            unusable.append(foreign(name))
        elif state == "ambiguous":
            drawn += [box(f"s_{number}"), box(f"s {number}", left_mm=300)]
        elif state != "missing":
            drawn.append(box(name))
        values[(name, "Mean[Gy]")] = VALUES.get(state, 1.0)
    return FakeCase([*drawn, box("PTV", kind="PTV")], values, unusable=unusable)


def row(number, state, kind=""):
    scope = ", applies: {fractions: [5, 5]}" if state == "other fractions" else ""
    return (
        f"{{id: r{number}, structure: S{number}, metric: 'Mean[Gy]', per_protocol: '<= 10', "
        f"acceptable: '<= 20'{scope}{kind}}}"
    )


def joined(mode, states):
    """Rows in one group."""
    members = "".join(f"        - {row(*each)}\n" for each in enumerate(states))
    return protocol(
        f"constraints:\n  - {mode}:\n      id: g\n      kind: limit\n      members:\n{members}"
    )


@pytest.mark.parametrize("state", STATES)
def test_one_row(state):
    """Each state has one outcome, one flag, one verdict; absence never passes."""
    text = f"constraints:\n  - {row(0, state, ', kind: limit')}\n"
    record = evaluate(case_of([state]), protocol(text))
    status, near = STATES[state]
    outcome = record.rows[0].outcome
    assert (outcome.status, outcome.near_limit) == (status, near)
    expected = {E: Verdict.INCOMPLETE, N: Verdict.NOT_ASSESSED, F: Verdict.FAIL}
    assert record.verdict is expected.get(
        status, Verdict(status.value) if status in (P, A) else None
    )


@pytest.mark.parametrize("mode", ["any", "all"])
@pytest.mark.parametrize("first", STATES)
def test_two_rows_in_a_group(mode, first):
    """Every pair: not-applicable drops out, then the first present in the mode's order decides."""
    for second in list(STATES)[list(STATES).index(first) :]:
        states = (first, second)
        record = evaluate(case_of(states), joined(mode, states))
        present = {STATES[state][0] for state in states} - {N}
        expected = next((status for status in ORDER[mode] if status in present), N)
        (group,) = record.rows
        assert group.outcome.status is expected, states
        if expected in (E, N):
            assert group.outcome.reason, states
        if expected is P and mode == "all":
            assert present == {P}


def test_near_the_limit_is_said_of_a_group_only_where_its_outcome_could_change():
    """A pass that nothing can undo silences its neighbour in OR; in AND it does not."""
    for mode, near in (("any", False), ("all", True)):
        states = ("within", "near, within")
        record = evaluate(case_of(states), joined(mode, states))
        assert record.rows[0].outcome.near_limit is near


def test_the_verdict_over_separate_rows():
    """FAIL before INCOMPLETE before ACCEPTABLE before PASS, for every pair of states."""
    for states in itertools.combinations_with_replacement(STATES, 2):
        text = "".join(f"  - {row(n, state, ', kind: limit')}\n" for n, state in enumerate(states))
        record = evaluate(case_of(states), protocol("constraints:\n" + text))
        found = {STATES[state][0] for state in states} - {N}
        expected = next((each for each in (F, E, A, P) if each in found), N)
        words = {F: "FAIL", E: "INCOMPLETE", A: "ACCEPTABLE", P: "PASS", N: "NOT_ASSESSED"}
        assert record.verdict.value == words[expected], states
