"""Names in many scripts, and geometry that contradicts a name."""

import re

import pytest
from tests.protocol.fakes import FakeCase, box
from tests.protocol.test_evaluate import judged

from planeval.errors import ProtocolSyntax
from planeval.model import Status
from planeval.model.rows import MatchKind
from planeval.protocol.aliases import alias_csv, read_aliases, suggestions
from planeval.protocol.anatomy import anatomy_findings
from planeval.protocol.organs import SPELLINGS, fold, standard_name, why_standard
from planeval.protocol.translations import LANGUAGE_NAMES, TRANSLATIONS


def findings(*structures, matches=()):
    known = {each.name: each for each in structures}
    return [(each.code, each.where) for each in anatomy_findings(known, matches)]


def body(width_mm=400.0):
    """A body whose middle is at x = 0."""
    found = box("External", 10 * width_mm, kind="EXTERNAL", left_mm=-5)
    assert (found.bounds_mm[0][0] + found.bounds_mm[1][0]) / 2 == 0
    return found


def test_every_spelling_means_one_organ():
    """No word was given to two organs, in no language."""
    for name, others in SPELLINGS.items():
        for text in (name, *others):
            assert standard_name(text) == name, text


def test_every_language_names_the_liver_set():
    """Liver, kidneys of both sides, cord, heart, stomach, duodenum, bowel, oesophagus."""
    for organ in ("Liver", "Kidney_L", "Kidney_R", "SpinalCord", "Heart"):
        assert set(TRANSLATIONS[organ]) == set(LANGUAGE_NAMES)
    for organ in ("Stomach", "Duodenum", "Esophagus", "Bowel_Small"):
        assert {"de", "fr", "es", "ko"} <= set(TRANSLATIONS[organ])


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        ("L_Kidney", "Kidney_L", "in reverse order"),
        ("portal_v", "V_Portal", "in reverse order"),
        ("PRV05_SpinalCord", "SpinalCord_PRV05", "in reverse order"),
        ("LEBER", "Liver", "German"),
        ("Rein droit", "Kidney_R", "French"),
        ("Médula espinal", "SpinalCord", "Spanish"),
        ("脊髄", "SpinalCord", "Japanese"),
        ("간", "Liver", "Korean"),
        ("肝脏", "Liver", "another name"),
    ],
)
def test_why_a_name_means_an_organ(text, name, why):
    """The evidence names the order or the language."""
    assert standard_name(text) == name
    assert why in why_standard(text)


def test_sides_are_never_swapped_by_a_name():
    """Left words mean left organs, in every language."""
    for organ in ("Kidney", "Lung"):
        left, right = ({fold(t) for t in SPELLINGS[f"{organ}_{side}"]} for side in "LR")
        pair = {fold(t) for t in SPELLINGS[f"{organ}s"]}
        assert not left & right
        assert not (left | right) & pair


def test_a_liver_of_90_cc_is_a_finding():
    """And one of 1500 cc is none; the words say what was expected."""
    assert findings(box("Liver", 1500)) == []
    small = box("Leber", 90)
    (found,) = anatomy_findings({"Leber": small})
    assert (found.code, found.where) == ("implausible-volume", "Leber")
    assert "taken for Liver with 90.0 cc; expected 400 to 5000 cc" in found.message


def test_a_kidney_on_the_wrong_side_is_a_finding():
    """Left is +x: a left kidney at -x, a right one at +x; near the middle nobody is accused."""
    left, right = box("Kidney_L", 150, left_mm=50), box("Kidney_R", 150, left_mm=-60)
    assert findings(body(), left, right) == []
    swapped = box("Kidney_L", 150, left_mm=-60), box("R_Kidney", 150, left_mm=50)
    assert findings(body(), *swapped) == [("wrong-side", "Kidney_L"), ("wrong-side", "R_Kidney")]
    assert findings(body(), box("Kidney_L", 150, left_mm=-10)) == []


def test_without_a_body_the_cord_is_the_middle_and_without_both_nothing_is_said():
    """The cord stands for the middle; alone, a kidney cannot be on a wrong side."""
    kidney = box("Kidney_L", 150, left_mm=-60)
    assert findings(kidney) == []
    assert findings(box("脊髓", 20, left_mm=-5), kidney) == [("wrong-side", "Kidney_L")]


def test_a_mapped_structure_is_checked_as_what_it_is_mapped_to():
    """The user's map is a name as well: 90 cc mapped to the liver are doubted in the record."""
    case = FakeCase([box("X7", 90), box("GTV", 10, kind="GTV"), box("PTV", 20, kind="PTV")])
    record = judged(case, mapping={"X7": "Liver"})
    (found,) = [each for each in record.findings if each.code == "implausible-volume"]
    assert found.where == "X7"
    assert any("taken for Liver" in line.text for line in record.attention)


def test_the_evidence_of_a_match_names_the_language():
    """A German liver is found, and the record says how."""
    case = FakeCase([box("Leber", 1500), box("GTV", 10, kind="GTV"), box("PTV", 20, kind="PTV")])
    record = judged(case)
    match = next(each for each in record.matches if each.protocol_name == "Liver")
    assert match.kind is MatchKind.ALIAS
    assert match.evidence == "the German name of Liver"
    assert record.rows[0].outcome.status is not Status.NOT_EVALUABLE


def test_suggestions_and_their_file(tmp_path):
    """Sure names with yes, near ones and doubted ones without; only yes is read back."""
    case = FakeCase(
        [box("Leber", 1500), box("Stomack", 50), box("L_Kidney", 900), box("PTV1", kind="PTV")]
    )
    made = {each.plan_name: each for each in suggestions(case.data)}
    assert (made["Leber"].protocol_name, made["Leber"].is_sure) == ("Liver", True)
    assert (made["Stomack"].protocol_name, made["Stomack"].is_sure) == ("Stomach", False)
    assert made["PTV1"].protocol_name == ""
    assert "30 to 600 cc" in made["L_Kidney"].checks[0]
    path = tmp_path / "names.csv"
    path.write_text(alias_csv(made.values()), encoding="utf-8")
    assert read_aliases(path) == {"Leber": "Liver"}
    text = path.read_text(encoding="utf-8").replace("Stomack,,", "Stomack,yes,")
    path.write_text(text, encoding="utf-8")
    assert read_aliases(path) == {"Leber": "Liver", "Stomack": "Stomach"}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a,b\n1,2\n", "no column 'plan_name'"),
        ("plan_name,use,protocol_name\nX,yes,\n", "names.csv:2: a row with 'yes' needs both"),
        ("plan_name,use,protocol_name\nX,yes,A\nX,yes,B\n", "'X' is given for 'A' and 'B'"),
    ],
)
def test_a_half_alias_file_is_refused(tmp_path, text, match):
    """With the line and what is missing."""
    (tmp_path / "names.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ProtocolSyntax, match=re.escape(match)):
        read_aliases(tmp_path / "names.csv")
