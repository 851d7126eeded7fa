"""Every number of the shipped tables against the tables as they were read, typed again here."""

import pytest

from planeval.model.rows import RowKind
from planeval.protocol import library
from planeval.protocol.rules import rows_of

TG101_DOSES = {
    # organ: threshold cc, then Gy above which less than that may lie, and the 0.035 cc maximum
    ("Esophagus", 5): {1: (11.9, 15.4), 3: (17.7, 25.2), 5: (19.5, 35)},
    ("Stomach", 10): {1: (11.2, 12.4), 3: (16.5, 22.2), 5: (18, 32)},
    ("Duodenum", 5): {1: (11.2, 12.4), 3: (16.5, 22.2), 5: (18, 32)},
    ("Duodenum", 10): {1: (9, None), 3: (11.4, None), 5: (12.5, None)},
    ("Jejunum_Ileum", 5): {1: (11.9, 15.4), 3: (17.7, 25.2), 5: (19.5, 35)},
    ("Colon", 20): {1: (14.3, 18.4), 3: (24, 28.2), 5: (25, 38)},
    ("SpinalCord", 0.35): {1: (10, 14), 3: (18, 21.9), 5: (23, 30)},
    ("Heart", 15): {1: (16, 22), 3: (24, 30), 5: (32, 38)},
    ("GreatVes", 10): {1: (31, 37), 3: (39, 45), 5: (47, 53)},
    ("Rib", 1): {1: (22, 30), 3: (28.8, 36.9), 5: (35, 43)},
    ("Skin", 10): {1: (23, 26), 3: (30, 33), 5: (36.5, 39.5)},
}
TG101_SPARED = {
    "Liver": (700, {1: (9.1, "page"), 3: (19.2, "repo"), 5: (21, "conflict")}),
    "Kidney_Cortex": (200, {1: (8.4, "page"), 3: (16, "repo"), 5: (17.5, "repo")}),
}
QUANTEC = """
Liver-GTV Mean[Gy] <30|<32 conv
Liver-GTV Mean[Gy] <28 conv
Liver-GTV Mean[Gy] <13 3
Liver-GTV Mean[Gy] <18 6
Liver-GTV Mean[Gy] <15 3
Liver-GTV Mean[Gy] <20 6
Liver-GTV CV15Gy[cc] >=700 3-5
Esophagus Mean[Gy] <34 conv
Esophagus V35Gy[%] <50 conv
Esophagus V50Gy[%] <40 conv
Esophagus V70Gy[%] <20 conv
Stomach D100%[Gy] <45 conv
Bowel_Small V15Gy[cc] <120 conv
Bag_Bowel V45Gy[cc] <195 conv
Kidneys Mean[Gy] <15|<18 conv
Kidneys V12Gy[%] <55 conv
Kidneys V20Gy[%] <32 conv
Kidneys V23Gy[%] <30 conv
Kidneys V28Gy[%] <20 conv
SpinalCord Max[Gy] <=50 conv
Heart Mean[Gy] <26 conv
Heart V30Gy[%] <46 conv
Heart V25Gy[%] <10 conv
"""
RTOG_LEVELS = {50: 13.0, 45: 15.0, 40: 15.0, 35: 15.5, 30: 16.0, 27.5: 17.0}
RTOG_ORGANS = """
Esophagus D0.5cc[Gy] <=32 limit
Stomach D0.5cc[Gy] <=30 limit
Duodenum D0.5cc[Gy] <=30 limit
Bowel_Small D0.5cc[Gy] <=30 limit
Bowel_Large D0.5cc[Gy] <=32 limit
SpinalCord_PRV05 D0.5cc[Gy] <=25 limit
Kidneys Mean[Gy] <=10 limit
Gallbladder D0.5cc[Gy] <=55 recommendation
BileDuct_Common D0.5cc[Gy] <=50 recommendation
Heart D30cc[Gy] <=30 recommendation
Chestwall D0.5cc[Gy] <=50 recommendation
Skin D0.5cc[Gy] <=32 recommendation
GreatVes D0.5cc[Gy] <=60 recommendation
"""
UK_SABR = """
Duodenum D0.5cc[Gy] <35 5
Duodenum D0.5cc[Gy] <22.2 3
Duodenum D1cc[Gy] <33|<35 5
Duodenum D5cc[Gy] <25 5
Stomach D0.5cc[Gy] <33|<35 5
Bowel_Small D0.5cc[Gy] <30|<35 5
Bowel_Large D0.5cc[Gy] <32 5
Esophagus D0.5cc[Gy] <32|<34 5
BileDuct_Common D0.5cc[Gy] <50 3-5
Liver-GTV V10Gy[%] <70 3-5
Liver-GTV Mean[Gy] <13|<15.2 5
SpinalCanal D0.1cc[Gy] <30 5
Heart D0.5cc[Gy] <27|<29 5
Chestwall D0.5cc[Gy] <39 5
Liver-GTV CV15Gy[cc] >=700 3
"""


def file_of(name):
    return library.load(name).file


def rows(name):
    return [row for item in file_of(name).constraints for row in rows_of(item)]


def limit_text(row):
    both = [text.replace(" ", "") for text in (row.per_protocol, row.acceptable) if text]
    return "|".join(both)


def scope_text(row):
    if row.applies.fraction_dose_gy:
        assert row.applies.fraction_dose_gy == (1.8, 2.0)
        return "conv"
    low, high = row.applies.fractions
    return f"{low}" if low == high else f"{low}-{high}"


def lines(text):
    return text.strip().splitlines()


@pytest.mark.parametrize("fractions", [1, 3, 5])
def test_tg101(fractions):
    """Dose and threshold volume, maximum, spared volume; nothing more and nothing less."""
    expected = []
    for (organ, cc), doses in TG101_DOSES.items():
        threshold, maximum = doses[fractions]
        expected.append((organ, f"V{threshold:g}Gy[cc]", f"<{cc:g}", "page+repo2"))
        if maximum is not None:
            expected.append((organ, "D0.035cc[Gy]", f"<{maximum:g}", "page+repo2"))
    for organ, (cc, doses) in TG101_SPARED.items():
        threshold, evidence = doses[fractions]
        expected.append((organ, f"CV{threshold:g}Gy[cc]", f">={cc}", evidence))
    name = f"tg101-{fractions}fx"
    sources = file_of(name).sources
    shipped = [
        (row.structure, row.metric, limit_text(row), sources[row.source].evidence)
        for row in rows(name)
    ]
    assert sorted(shipped) == sorted(expected)
    assert file_of(name).applies.fractions == (fractions, fractions)
    for row in rows(name):
        conflict = sources[row.source].evidence == "conflict"
        assert row.kind is (RowKind.REFERENCE if conflict else RowKind.LIMIT)


def test_quantec():
    """Risk levels, each with its fractionation and the page of its table."""
    shipped = [
        f"{row.structure} {row.metric} {limit_text(row)} {scope_text(row)}"
        for row in rows("quantec-abdomen")
    ]
    assert shipped == lines(QUANTEC)
    assert {row.kind for row in rows("quantec-abdomen")} == {RowKind.RISK_LEVEL}
    pages = {"SpinalCord": "15", "Esophagus": "16", "Heart": "16"}
    sources = file_of("quantec-abdomen").sources
    for row in rows("quantec-abdomen"):
        page = pages.get(row.structure, "17")
        assert sources[row.source].locator == f"Table 1, p S{page}"
        assert sources[row.source].evidence == "repo2"


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("hytec-liver-primary", {3: 13, 6: 18}),
        ("hytec-liver-metastases", {3: 15, 6: 20}),
    ],
)
def test_hytec(name, means):
    """Mean limits at 3 and 6 fractions; the spared volumes are thresholds and no limits."""
    found = {row.applies.fractions: row for row in rows(name) if row.metric == "Mean[Gy]"}
    assert {key[0]: limit_text(row) for key, row in found.items()} == {
        count: f"<={gy}" for count, gy in means.items()
    }
    assert {row.kind for row in found.values()} == {RowKind.LIMIT}
    spared = [row for row in rows(name) if row.metric != "Mean[Gy]"]
    assert [(row.metric, limit_text(row), row.kind) for row in spared] == [
        ("CV15Gy[cc]", ">=700", RowKind.REFERENCE),
        ("CV17Gy[cc]", ">=700", RowKind.REFERENCE),
    ]
    assert file_of(name).sources["table3"].locator == "Table 3, p 203-204"
    assert file_of(name).sources["table3"].evidence == "repo2"


def test_rtog1112():
    """Recalled: the liver's limit by prescription, the organs; nothing of it is verified."""
    liver, *organs = rows("rtog1112-liver")
    assert (liver.metric, liver.limits.by) == ("Mean[Gy]", "prescription")
    assert {level.at: level.per_protocol for level in liver.limits.levels} == {
        gy: f"<= {limit}" for gy, limit in RTOG_LEVELS.items()
    }
    shipped = [f"{row.structure} {row.metric} {limit_text(row)} {row.kind}" for row in organs]
    assert shipped == lines(RTOG_ORGANS)


def test_uk_sabr():
    """Recalled: optimal as per protocol, mandatory as acceptable."""
    shipped = [
        f"{row.structure} {row.metric} {limit_text(row)} {scope_text(row)}"
        for row in rows("uksabr2022-liver")
    ]
    assert shipped == lines(UK_SABR)


@pytest.mark.parametrize("name", ["rtog1112-liver", "uksabr2022-liver"])
def test_recalled_sets_claim_nothing(name):
    """needs-check, every source marked as recalled, and the first line of a report says so."""
    file = file_of(name)
    assert file.review.status == "needs-check"
    assert {source.evidence for source in file.sources.values()} == {"check"}
    assert file.opening[0].startswith("UNVERIFIED")


@pytest.mark.parametrize("entry", library.available(), ids=lambda entry: entry.id)
def test_every_limit_has_a_source_with_a_place(entry):
    """Source, locator and evidence flag stand on every row that compares."""
    sources = file_of(entry.id).sources
    for row in rows(entry.id):
        if row.has_limit:
            assert sources[row.source].locator
            assert sources[row.source].evidence
