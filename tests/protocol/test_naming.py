"""Protocol names to plan names: what matches, what never does, what is only shown."""

import pytest
from tests.protocol.fakes import HEAD, box, empty, foreign, protocol

from planeval.errors import UnknownStructure
from planeval.model import CaseData, Identity
from planeval.model.rows import MatchKind
from planeval.protocol.naming import Matcher, parse_mapping
from planeval.protocol.organs import SPELLINGS, fold, standard_name

BODY = """
structures:
  Liver-GTV: {derive: "Liver - GTV", aliases: ["正常肝"]}
  Special: {aliases: [Sonder, 特殊]}
constraints:
  - {id: a, structure: %s, kind: limit, metric: "Max[Gy]", per_protocol: "<= 18"}
"""


def matcher(name, structures, mapping=None, unusable=()):
    structures = [box(each) if isinstance(each, str) else each for each in structures]
    data = CaseData(
        Identity(),
        {each.name: each for each in structures},
        unusable={each.name: each for each in unusable},
    )
    return Matcher(protocol(BODY % f"'{name}'", HEAD).file, data, mapping)


def find(name, structures, mapping=None, unusable=()):
    return matcher(name, structures, mapping, unusable).find(name).match


@pytest.mark.parametrize(
    ("wanted", "plan", "kind"),
    [
        ("Liver", "Liver", MatchKind.EXACT),
        ("Liver", "LIVER", MatchKind.TG263),
        ("SpinalCord", "spinal_cord", MatchKind.TG263),
        ("SpinalCord", "Spinal Cord", MatchKind.TG263),
        ("Bowel_Small", "BowelSmall", MatchKind.TG263),
        ("Kidney_L", "ＫＩＤＮＥＹ＿Ｌ", MatchKind.TG263),
        ("Liver", "肝脏", MatchKind.ALIAS),
        ("Liver", "肝", MatchKind.ALIAS),
        ("Esophagus", "食管", MatchKind.ALIAS),
        ("Esophagus", "oesophagus", MatchKind.ALIAS),
        ("Colon", "结肠", MatchKind.ALIAS),
        ("Stomach", "胃", MatchKind.ALIAS),
        ("Duodenum", "十二指肠", MatchKind.ALIAS),
        ("Bowel_Small", "小肠", MatchKind.ALIAS),
        ("Kidney_R", "右肾", MatchKind.ALIAS),
        ("Kidney_L", "Left Kidney", MatchKind.ALIAS),
        ("SpinalCord", "脊髓", MatchKind.ALIAS),
        ("Heart", "心脏", MatchKind.ALIAS),
        ("Lungs", "双肺", MatchKind.ALIAS),
        ("V_Portal", "门静脉", MatchKind.ALIAS),
        ("Special", "特殊", MatchKind.ALIAS),
        ("Special", "SONDER", MatchKind.ALIAS),
        ("Special", "special", MatchKind.ALIAS),
    ],
)
def test_names_that_match(wanted, plan, kind):
    """Exact, TG-263 spelling, alias of the table or of the protocol."""
    match = find(wanted, ["Other", plan])
    assert (match.kind, match.plan_names) == (kind, (plan,))
    assert match.evidence


@pytest.mark.parametrize(
    ("wanted", "plan"),
    [
        ("Bowel_Small", "Bag_Bowel"),
        ("Bowel_Small", "Jejunum_Ileum"),
        ("Bowel_Small", "Bowel"),
        ("Bag_Bowel", "Bowel_Small"),
        ("Jejunum_Ileum", "Bowel_Small"),
        ("Bowel_Large", "Colon"),
        ("Colon", "Bowel_Large"),
        ("SpinalCord", "SpinalCanal"),
        ("SpinalCord", "SpinalCord_PRV05"),
        ("SpinalCanal", "SpinalCord"),
        ("Liver", "Liver-GTV"),
        ("Liver-PTV", "Liver-GTV"),
        ("Liver-CTV", "Liver_GTV"),
        ("Kidney_L", "Kidney_R"),
        ("Kidney_L", "Kidneys"),
        ("Kidney_L", "Kidney"),
        ("Kidneys", "Kidney_L"),
        ("Kidney_L", "右肾"),
        ("Lung_L", "Lungs"),
        ("Heart", "Heart2"),
        ("Liver", "Liver_old"),
        ("PTV", "PTV1"),
    ],
)
def test_names_that_never_match(wanted, plan):
    """Near is not the same: another organ, side, margin or number stays missing."""
    match = find(wanted, [plan])
    assert match.kind is MatchKind.MISSING
    assert not match.is_found


def test_near_names_are_shown_and_not_used():
    """A reader sees what may be meant, and how to say so."""
    match = find("Esophagus", ["Esophagus_CT2", "Liver"])
    assert match.candidates == ("Esophagus_CT2",)
    assert "near are Esophagus_CT2" in match.evidence


def test_two_hits_of_one_step_are_ambiguous():
    """'liver' and 'LIVER' are equally good; neither is taken."""
    match = find("Liver", ["liver", "LIVER"])
    assert match.kind is MatchKind.AMBIGUOUS
    assert match.candidates == ("liver", "LIVER")
    assert '--map "ROI=Liver"' in match.evidence


def test_a_surer_step_wins_over_a_later_one():
    """The same text wins over an alias; the alias is not ambiguous with it."""
    assert find("Liver", ["肝脏", "Liver"]).plan_names == ("Liver",)


def test_a_repeated_name_of_the_file_is_ambiguous():
    """The case calls them PTV and PTV [2]; the file calls both PTV."""
    rois = [box("PTV"), box("PTV [2]", file="PTV")]
    assert find("PTV", rois).kind is MatchKind.AMBIGUOUS
    assert find("PTV", rois, {"PTV [2]": "PTV"}).plan_names == ("PTV [2]",)


def test_the_map_wins_over_an_exact_name():
    """The user has the last word, and the record says so."""
    match = find("Liver", ["Liver", "肝2"], {"肝2": "Liver"})
    assert (match.kind, match.plan_names) == (MatchKind.MAP, ("肝2",))
    assert "肝2 = Liver" in match.evidence


def test_the_map_may_cross_what_names_never_cross():
    """A department that says its bowel bag is to be judged as small bowel may do so."""
    assert find("Bowel_Small", ["Bag_Bowel"], {"Bag_Bowel": "Bowel_Small"}).is_found


def test_the_map_takes_an_expression():
    """Two drawn parts as one structure."""
    match = find("Liver", ["L1", "L2"], {"L1 | L2": "Liver"})
    assert (match.plan_names, match.expression) == (("L1", "L2"), "L1 | L2")


def test_two_maps_to_one_organ_are_ambiguous():
    """Only the GTV is a union."""
    found = find("Liver", ["A", "B"], {"A": "Liver", "B": "Liver"})
    assert found.kind is MatchKind.AMBIGUOUS
    union = find("GTV", ["A", "B"], {"A": "GTV", "B": "GTV"})
    assert (union.kind, union.expression) == (MatchKind.MAP, "A | B")


@pytest.mark.parametrize(
    ("mapping", "match"),
    [
        ({"Livre": "Liver"}, "the plan has no structure 'Livre'; did you mean Liver"),
        ({"Liver": "Leber"}, "protocol test has no structure 'Leber'"),
        ({"Liver - X": "Liver"}, "no structure 'X'"),
        ({"(": "Liver"}, r"no structure '\('"),
    ],
)
def test_a_map_with_unknown_names_is_refused(mapping, match):
    """A misspelt map must not silently do nothing."""
    with pytest.raises(UnknownStructure, match=match):
        matcher("Liver", ["Liver"], mapping)


def test_parse_mapping_reads_plan_then_protocol():
    """The last '=' separates; blanks around it do not matter."""
    assert parse_mapping(["肝=Liver", "a=b = PTV"]) == {"肝": "Liver", "a=b": "PTV"}


@pytest.mark.parametrize("texts", [["Liver"], ["=Liver"], ["肝="], ["A=Liver", "A=PTV"]])
def test_parse_mapping_refuses_half_a_pair(texts):
    """Both names are needed, and one meaning a name."""
    with pytest.raises(ValueError, match="map"):
        parse_mapping(texts)


def test_derived_structures_are_made_of_matched_names():
    """Liver - GTV with a Chinese liver, a GTV and a thrombus."""
    rois = [box("肝"), box("GTV", kind="GTV"), box("PVTT", kind="GTV"), box("GTV_T50", kind="GTV")]
    match = find("Liver-GTV", rois)
    assert match.kind is MatchKind.DERIVED
    assert match.expression == "肝 - (GTV | PVTT)"
    assert match.plan_names == ("肝", "GTV", "PVTT")
    assert "left out GTV_T50" in match.evidence


def test_a_derived_structure_lacks_what_its_parts_lack():
    """Which part, and why."""
    match = find("Liver-GTV", ["Liver"])
    assert match.kind is MatchKind.MISSING
    assert "GTV: no ROI is a GTV" in match.evidence
    doubt = find("Liver-GTV", [box("Liver"), box("GTV", kind="PTV")])
    assert doubt.kind is MatchKind.AMBIGUOUS


def test_a_drawn_liver_gtv_is_not_taken_for_the_derived_one():
    """It is found beside it, and a map makes it the judged one."""
    rois = [box("Liver"), box("GTV", kind="GTV"), box("正常肝")]
    both = matcher("Liver-GTV", rois)
    assert both.find("Liver-GTV").match.kind is MatchKind.DERIVED
    assert both.find_drawn("Liver-GTV").match.plan_names == ("正常肝",)
    assert find("Liver-GTV", rois, {"正常肝": "Liver-GTV"}).kind is MatchKind.MAP


def test_a_row_may_name_an_expression():
    """Without an entry in structures."""
    match = find("Lungs - GTV", [box("Lungs"), box("GTV", kind="GTV")])
    assert (match.kind, match.expression) == (MatchKind.DERIVED, "Lungs - GTV")


def test_names_that_look_like_expressions_are_quoted():
    """A tumour with brackets in its name cannot break the expression around it."""
    match = find("Liver-GTV", [box("Liver"), box("tumour (1)", kind="GTV")])
    assert match.expression == 'Liver - "tumour (1)"'


def test_empty_rois_give_way_to_drawn_ones():
    """A template's empty Duodenum does not hide the drawn one."""
    match = find("Duodenum", ["十二指肠"], unusable=[empty("Duodenum")])
    assert match.plan_names == ("十二指肠",)
    assert find("Duodenum", [], unusable=[empty("Duodenum")]).plan_names == ("Duodenum",)


def test_unusable_rois_keep_their_place():
    """An ROI that was drawn and cannot be used is the match; its reason is told later."""
    match = find("Duodenum", ["十二指肠"], unusable=[foreign("Duodenum")])
    assert match.plan_names == ("Duodenum",)


def test_every_spelling_of_the_table_means_one_organ():
    """No spelling stands under two names, and each name is its own standard name."""
    spellings = [fold(text) for name, others in SPELLINGS.items() for text in {name, *others}]
    folded = {fold(name) for name in SPELLINGS}
    assert len(folded) == len(SPELLINGS)
    seen: dict[str, str] = {}
    for name, others in SPELLINGS.items():
        for text in (name, *others):
            assert seen.setdefault(fold(text), name) == name
        assert standard_name(name) == name
    assert spellings


def test_a_protocol_may_ask_for_one_drawn_gtv():
    """``role: drawn`` turns the union off: the ROI called GTV and nothing else."""
    rois = [box("GTV", kind="GTV"), box("PVTT", kind="GTV")]
    data = CaseData(Identity(), {each.name: each for each in rois})
    union = protocol(BODY % "GTV", HEAD).file
    drawn = protocol(
        (BODY % "GTV").replace("structures:", "structures:\n  GTV: {role: drawn}")
    ).file
    assert Matcher(union, data).find("GTV").match.plan_names == ("GTV", "PVTT")
    assert Matcher(drawn, data).find("GTV").match.plan_names == ("GTV",)
