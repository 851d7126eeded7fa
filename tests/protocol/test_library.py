"""The shipped protocols and the way to them."""

import json
from importlib import resources
from pathlib import Path

import pytest
from tests.protocol.fakes import HEAD

from planeval.errors import ProtocolError, ProtocolSyntax
from planeval.model.rows import RowKind
from planeval.protocol import library
from planeval.protocol.reading import LIMITS, parse_protocol
from planeval.protocol.rules import rows_of
from planeval.protocol.schema import json_schema

BODY = 'constraints:\n  - {id: a, for_each: target, kind: information, metric: "Mean[Gy]"}\n'
IDS = ["hcc-zhai2025", "hcc-zhai2025-5fx"]
ORGAN_TABLES = [
    "hytec-liver-metastases", "hytec-liver-primary", "quantec-abdomen", "rtog1112-liver",
    "tg101-1fx", "tg101-3fx", "tg101-5fx", "uksabr2022-liver",
]  # fmt: skip


def test_what_is_shipped():
    """By the id that is also the file's name; none claims a review it has not had."""
    entries = {entry.id: entry for entry in library.available()}
    assert list(entries) == [*IDS, *ORGAN_TABLES]
    assert {name for name, entry in entries.items() if entry.purpose == "disease"} == set(IDS)
    assert {name for name, entry in entries.items() if entry.review == "needs-check"} == {
        "rtog1112-liver",
        "uksabr2022-liver",
    }
    assert {entry.review for entry in entries.values()} == {"draft", "needs-check"}
    assert {entry.origin for entry in entries.values()} == {"shipped"}


def test_the_conventional_set():
    """20-30 fractions, 50-65 Gy; the recommendation as an OR group, 18 and 20 Gy, 300 cc."""
    file = library.load("hcc-zhai2025").file
    assert file.applies.fractions == (20, 30)
    assert file.applies.total_dose_gy == (50, 65)
    group = file.constraints[0].any
    assert group.kind is RowKind.RECOMMENDATION
    mean, spare = group.members
    assert (mean.metric, mean.per_protocol, mean.acceptable) == ("Mean[Gy]", "<= 18", "<= 20")
    assert (spare.metric, spare.per_protocol, spare.acceptable) == ("CV5Gy[cc]", ">= 300", None)
    assert file.structures["Liver-GTV"].derive == "Liver - GTV"
    assert (
        "mean liver minus GTV dose <= 18-20Gy or the volume of liver minus GTV spare from 5Gy"
        in (file.sources["zhai-liver"].quote)
    )
    assert any("This split is ours" in reading for reading in file.readings)


def test_the_five_fraction_set():
    """5 fractions; intestine 35 Gy on three structures, colon 33 Gy; what is not judged, first."""
    file = library.load("hcc-zhai2025-5fx").file
    assert file.applies.fractions == (5, 5)
    assert file.opening[0] == "Liver, stomach, cord and kidneys are NOT judged by this set."
    group, colon = file.constraints[0].all, file.constraints[1]
    assert [row.structure for row in group.members] == ["Bowel_Small", "Jejunum_Ileum", "Duodenum"]
    assert {(row.metric, row.per_protocol) for row in group.members} == {("Max[Gy]", "<= 35")}
    assert (colon.metric, colon.per_protocol, colon.kind) == ("Max[Gy]", "<= 33", RowKind.LIMIT)
    assert any("at least one of the two must be drawn" in reading for reading in file.readings)


@pytest.mark.parametrize("protocol_id", IDS)
def test_esophagus_values_are_references(protocol_id):
    """One patient's values, in both sets, never counted."""
    rows = [row for item in library.load(protocol_id).file.constraints for row in rows_of(item)]
    esophagus = {row.metric: row for row in rows if row.structure == "Esophagus"}
    assert set(esophagus) == {"Max[Gy]", "V32Gy[cc]"}
    assert {row.kind for row in esophagus.values()} == {RowKind.REFERENCE}
    assert esophagus["V32Gy[cc]"].per_protocol == "< 10"


@pytest.mark.parametrize("protocol_id", IDS)
def test_every_counted_number_is_quoted(protocol_id):
    """A counted row has a source with the paper's words."""
    file = library.load(protocol_id).file
    for item in file.constraints:
        for row in rows_of(item):
            if row.per_protocol is not None:
                assert file.sources[row.source].evidence == "quoted"


def test_the_published_schema_is_current():
    """protocol.schema.json is what the models say."""
    assert json.loads(library.schema_text()) == json.loads(json.dumps(json_schema()))


def test_the_compiled_library_is_current():
    """scripts/compile_protocols.py was run after the last change, and read back it is the same."""
    text = resources.files("planeval.protocol").joinpath("library", "compiled.json")
    assert text.read_text(encoding="utf-8") == library.compiled_library()
    for entry in library.available():
        shipped = library.load(entry.id)
        assert shipped.sha256 == entry.sha256
        content = shipped.text.encode("utf-8")
        if not shipped.includes:
            assert parse_protocol(content, shipped.name).file == shipped.file


def test_a_changed_shipped_file_is_parsed(monkeypatch):
    """The compiled form of other bytes is never taken."""
    changed = (HEAD + BODY).encode()
    library._parsed.cache_clear()
    monkeypatch.setattr(library, "_shipped", lambda: {"hcc-zhai2025": changed})
    assert library.load("hcc-zhai2025").file.id == "test"


def test_a_file_is_loaded_by_its_path(tmp_path: Path):
    """Path object, or text that looks like a file; blanks and Chinese in its name."""
    path = tmp_path / "my 协议.yaml"
    path.write_text(HEAD + BODY, encoding="utf-8")
    assert library.load(path).id == "test"
    assert library.load(str(path)).name == "my 协议.yaml"


def test_an_unknown_id_lists_what_there_is():
    """With the nearest one."""
    with pytest.raises(ProtocolError, match=r"there are hcc-zhai2025, .*did you mean hcc-zhai2025"):
        library.load("hcc-zhai2052")


def test_a_missing_file_is_named_without_its_folder(tmp_path: Path):
    """The base name is enough, and what is shipped."""
    with pytest.raises(ProtocolError, match=r"protocol file 'none.yaml' cannot be read: No such"):
        library.load(tmp_path / "none.yaml")


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path):
    """A DICOM file given by mistake is refused by size."""
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * (LIMITS.largest_bytes + 10))
    with pytest.raises(ProtocolSyntax, match=r"big\.yaml: more than"):
        library.load(path)
