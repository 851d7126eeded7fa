"""OR, AND, nesting and the verdict: full truth tables."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planeval.model import Outcome, Status, Verdict
from planeval.model.rows import GroupMode
from planeval.protocol.judge import Judgement
from planeval.protocol.verdict import combine, verdict

P, A, F = Status.PASS, Status.ACCEPTABLE, Status.FAIL
E, N = Status.NOT_EVALUABLE, Status.NOT_APPLICABLE
ANY, ALL = GroupMode.ANY, GroupMode.ALL


def of(status: Status) -> Judgement:
    return Judgement.settled(status, f"because {status}")


OR_TABLE = {
    (P, P): P, (P, A): P, (P, F): P, (P, E): P, (P, N): P,
    (A, P): P, (A, A): A, (A, F): A, (A, E): A, (A, N): A,
    (F, P): P, (F, A): A, (F, F): F, (F, E): E, (F, N): F,
    (E, P): P, (E, A): A, (E, F): E, (E, E): E, (E, N): E,
    (N, P): P, (N, A): A, (N, F): F, (N, E): E, (N, N): N,
}  # fmt: skip
AND_TABLE = {
    (P, P): P, (P, A): A, (P, F): F, (P, E): E, (P, N): P,
    (A, P): A, (A, A): A, (A, F): F, (A, E): E, (A, N): A,
    (F, P): F, (F, A): F, (F, F): F, (F, E): F, (F, N): F,
    (E, P): E, (E, A): E, (E, F): F, (E, E): E, (E, N): E,
    (N, P): P, (N, A): A, (N, F): F, (N, E): E, (N, N): N,
}  # fmt: skip


@pytest.mark.parametrize("mode", [ANY, ALL])
@pytest.mark.parametrize("pair", list(product(Status, repeat=2)))
def test_every_pair(mode, pair):
    """All 25 pairs of both modes, written down by hand."""
    table = OR_TABLE if mode is ANY else AND_TABLE
    assert combine(mode, [of(s) for s in pair]).outcome.status is table[pair]


@pytest.mark.parametrize("triple", list(product(Status, repeat=3)))
def test_three_members_are_two_and_one(triple):
    """Order and bracketing of one mode never matter."""
    for mode, table in ((ANY, OR_TABLE), (ALL, AND_TABLE)):
        expected = table[table[triple[0], triple[1]], triple[2]]
        assert combine(mode, [of(s) for s in triple]).outcome.status is expected
        assert combine(mode, [of(s) for s in triple[::-1]]).outcome.status is expected


@pytest.mark.parametrize("triple", list(product(Status, repeat=3)))
def test_nested_groups_follow_the_same_tables(triple):
    """any(x, all(y, z)) and all(x, any(y, z)) for all 125 triples."""
    x, y, z = triple
    inner_all = combine(ALL, [of(y), of(z)])
    inner_any = combine(ANY, [of(y), of(z)])
    assert combine(ANY, [of(x), inner_all]).outcome.status is OR_TABLE[x, AND_TABLE[y, z]]
    assert combine(ALL, [of(x), inner_any]).outcome.status is AND_TABLE[x, OR_TABLE[y, z]]


def test_a_group_without_members_left_says_why():
    """NOT_APPLICABLE carries the members' reasons once each."""
    members = [Judgement.settled(N, "25 fractions"), Judgement.settled(N, "25 fractions")]
    assert combine(ANY, members).outcome == Outcome(N, "25 fractions")


def test_a_group_that_is_not_evaluable_names_every_reason():
    """What is missing is said, member by member."""
    members = [Judgement.settled(E, "no Liver"), Judgement.settled(E, "no dose")]
    assert combine(ALL, members).outcome.reason == "no Liver; no dose"


def near(status: Status, worst: Status, best: Status) -> Judgement:
    return Judgement(Outcome(status, near_limit=True), worst, best)


@pytest.mark.parametrize(
    ("mode", "members", "flag"),
    [
        (ANY, [near(P, F, P), of(P)], False),
        (ANY, [near(P, F, P), of(F)], True),
        (ANY, [near(P, A, P), of(A)], True),
        (ALL, [near(P, F, P), of(F)], False),
        (ALL, [near(P, F, P), of(P)], True),
        (ALL, [near(F, F, P), of(E)], True),
        (ALL, [near(P, A, P), of(E)], False),
        (ANY, [near(F, F, P), of(N)], True),
    ],
)
def test_near_limit_is_said_of_the_group_only_where_its_outcome_changes(mode, members, flag):
    """A member near its limit does not matter where another member decides."""
    assert combine(mode, members).outcome.near_limit is flag


@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_verdict_of_every_combination(size):
    """FAIL, INCOMPLETE, NOT_ASSESSED, ACCEPTABLE, PASS in that order of precedence."""
    for statuses in product(Status, repeat=size):
        expected = (
            Verdict.FAIL if F in statuses
            else Verdict.INCOMPLETE if E in statuses
            else Verdict.NOT_ASSESSED if set(statuses) <= {N}
            else Verdict.ACCEPTABLE if A in statuses
            else Verdict.PASS
        )  # fmt: skip
        assert verdict(statuses) is expected


statuses = st.lists(st.sampled_from(list(Status)), max_size=6)
CLEAN = (Verdict.PASS, Verdict.ACCEPTABLE)


@given(statuses)
def test_adding_what_cannot_be_evaluated_never_gives_a_clean_verdict(present):
    """NOT_EVALUABLE among the counted rows excludes PASS and ACCEPTABLE."""
    assert verdict([*present, E]) not in CLEAN


@given(statuses)
def test_rows_that_do_not_apply_change_nothing(present):
    """NOT_APPLICABLE rows neither help nor hurt."""
    assert verdict([*present, N]) is verdict(present)
    for mode in GroupMode:
        if present:
            with_more = combine(mode, [of(s) for s in [*present, N]])
            assert (
                with_more.outcome.status is combine(mode, [of(s) for s in present]).outcome.status
            )


@given(statuses)
def test_a_verdict_is_clean_only_with_an_evaluated_row(present):
    """Nothing evaluated is not assessed, never a pass."""
    if verdict(present) in CLEAN:
        assert {P, A} & set(present)


@given(statuses, st.sampled_from([P, A]))
def test_a_passing_and_group_holds_no_failure_and_no_gap(present, status):
    """AND never passes over a FAIL or a NOT_EVALUABLE member."""
    outcome = combine(ALL, [of(s) for s in [*present, status]]).outcome
    if outcome.status in (P, A):
        assert not {F, E} & set(present)
