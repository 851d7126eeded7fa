"""Which protocol is chosen, and why the others are not."""

from tests.protocol.fakes import HEAD, RX5, FakeCase, box
from tests.protocol.test_evaluate import liver_case

from planeval.model import Prescription, Status
from planeval.protocol.choosing import chosen, propose

BOWEL = [box("Bowel_Small", left_mm=900), box("Colon", left_mm=1200)]


def by_id(case, **options):
    return {each.id: each for each in propose(case, **options)}


def test_the_only_disease_set_that_applies_is_chosen():
    """55 Gy in 25 fractions with a liver; organ tables are named with their own reasons."""
    found = by_id(liver_case())
    assert [name for name, each in found.items() if each.is_chosen] == ["hcc-zhai2025"]
    assert found["hcc-zhai2025-5fx"].outcome.reason == "25 fractions; for 5 fractions only"
    assert found["tg101-5fx"].outcome.status is Status.NOT_APPLICABLE
    assert found["quantec-abdomen"].outcome.status is Status.PASS
    assert "nobody has read" in found["rtog1112-liver"].outcome.reason


def test_five_fractions():
    """The other set, and the organ table of five fractions beside it."""
    case = liver_case(rx=(RX5,), dose=False, structures=BOWEL)
    found = by_id(case)
    assert chosen(tuple(found.values())).id == "hcc-zhai2025-5fx"
    assert found["tg101-5fx"].outcome.status is Status.PASS


def test_a_plan_of_another_site_is_not_judged_as_liver():
    """60 Gy in 25 fractions to a prostate: none of the set's structures is there."""
    case = FakeCase(
        [box("Prostate", kind="CTV"), box("Bladder")],
        rx=(Prescription("Prostate", 60.0, 25, "VOLUME", "x"),),
    )
    proposals = propose(case)
    assert chosen(proposals) is None
    reason = next(each.outcome.reason for each in proposals if each.id == "hcc-zhai2025")
    assert reason == "none of its structures is in the plan: Liver-GTV"


def test_a_site_set_comes_before_a_shipped_one(tmp_path):
    """Both apply; the site's is meant. Two of the site's are for the user to decide."""
    row = (
        "constraints:\n  - {id: a, structure: Liver, kind: limit, metric: 'Mean[Gy]', "
        "per_protocol: '< 28'}\n"
    )
    for name in ("ours", "theirs"):
        text = HEAD.replace("id: test", f"id: {name}") + row
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        picked = chosen(propose(liver_case(), folder=tmp_path))
        assert (picked.id if picked else None) == ("ours" if name == "ours" else None)


def test_an_unknown_prescription_leaves_the_choice_open():
    """Nothing is chosen, and every reason says what is missing."""
    proposals = propose(liver_case(rx=(), dose=False))
    assert chosen(proposals) is None
    assert all("--fx" in each.outcome.reason for each in proposals if each.purpose == "disease")
