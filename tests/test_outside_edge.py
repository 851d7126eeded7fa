"""``outside: edge`` from DICOM files to the reports: what it decides, and what it must not."""

import io
import json
from dataclasses import replace
from importlib import resources

import jsonschema
import numpy as np
import pytest
from rich.console import Console
from tests.dicom_writer import CaseWriter, Roi, Rx, axial_grid, box_ring, prism

import planeval as pe
from planeval.model import Biology, Status
from planeval.model.robustness import Directions
from planeval.protocol.difference import differences
from planeval.protocol.reading import parse_protocol
from planeval.report.terminal_evaluation import evaluation_table

P, F, E = Status.PASS, Status.FAIL, Status.NOT_EVALUABLE
HEAD = """\
schema: planeval.protocol/1
id: edge
version: "1"
title: A structure that the dose grid cuts
review: {status: draft}
structures: {Cord: {alpha_beta: 2}}
"""
ROW = '  - {id: %s, kind: limit, structure: %s, metric: "%s", per_protocol: "%s"%s}\n'
ROWS = (
    ("max", "Cord", "Max[Gy]", "<= 45", ""),
    ("too-hot", "Cord", "Max[Gy]", "<= 30", ""),
    ("v20", "Cord", "V20Gy[cc]", "<= 10", ""),
    ("spared", "Cord", "CV15Gy[cc]", ">= 7", ""),
    ("v8", "Cord", "V8Gy[cc]", "<= 14", ""),
    ("eqd2", "Cord", "EQD2:Max[Gy]", "<= 110", ""),
    ("own-word", "Cord", "Max[Gy]", "<= 45", ", outside: unknown"),
    ("beyond", "Far", "Max[Gy]", "<= 45", ""),
    ("inside", "PTV", "Max[Gy]", "<= 45", ""),
)
DEFAULT = dict.fromkeys((row[0] for row in ROWS), E) | {"too-hot": F, "inside": P}


def protocol(outside):
    return HEAD + outside + "constraints:\n" + "".join(ROW % row for row in ROWS)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A cord from z -40 to 40; the dose is 40 Gy up to z = -25, falls by 1 Gy per mm, ends at z = 6.25.

    So it has 11.25 Gy at the last voxel centres (z = 5), and the cord's cut edge with it.
    """
    folder = tmp_path_factory.mktemp("edge")
    writer = CaseWriter(folder)
    heights = np.arange(-38.75, 40, 2.5)
    writer.structures([
        Roi("Cord", prism(box_ring(14, 14), heights)),
        Roi("Far", prism(box_ring(14, 14, (20, 0)), heights[heights > 10])),
        Roi("PTV", prism(box_ring(10, 10, (0, 18)), heights[:12]), type="PTV"),
    ])  # fmt: skip
    writer.plan([Rx("PTV", 40.0)], fractions=5)
    grid = axial_grid((21, 40, 40), spacing_mm=(2.5, 2.0, 2.0), origin_mm=(-39, -39, -45))
    z = grid.origin_mm[2] + np.array(grid.offsets_mm)
    assert z[-1] == 5
    dose = np.interp(z, [-28.75, 5.0], [40.0, 11.25])
    writer.dose(grid, np.broadcast_to(dose[:, None, None], grid.shape))
    return pe.load(folder)


@pytest.fixture(scope="module")
def judged(case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("protocols")

    def evaluated(outside):
        path = folder / f"{outside[-5:].strip() or 'default'}.yaml"
        path.write_text(protocol(outside), encoding="utf-8")
        return pe.evaluate(case, path)

    return {outside: evaluated(outside) for outside in ("", "outside: edge\n")}


def rows_of(evaluation):
    return {row.id: row for row in evaluation.record.flat_rows()}


def test_without_the_key_every_cut_row_stays_open(judged):
    """The default: only an inside that is over the limit decides."""
    rows = rows_of(judged[""])
    assert {name: row.outcome.status for name, row in rows.items()} == DEFAULT
    assert {row.outside for row in rows.values()} == {"unknown"}
    assert all(row.outside_gy is None and "at most" not in str(row.notes) for row in rows.values())
    assert rows["max"].value.possible[1] == np.inf


def test_with_the_edge_what_the_interval_agrees_on_is_judged(judged):
    """Max and V20Gy pass, CV15Gy passes as spared; V8Gy stays open: the edge has 11.25 Gy."""
    rows = rows_of(judged["outside: edge\n"])
    statuses = {name: row.outcome.status for name, row in rows.items()}
    assert statuses == DEFAULT | dict.fromkeys(("max", "v20", "spared", "eqd2"), P)
    assert rows["max"].value.possible == (pytest.approx(40, abs=1e-3), pytest.approx(40, abs=0.3))
    for name in ("max", "too-hot", "v20", "spared", "v8"):
        assert rows[name].outside == "edge"
        assert rows[name].outside_gy == pytest.approx(11.25, abs=1e-4)
        assert rows[name].outside_text == (
            "outside the dose grid at most 11.25 Gy, its own cut edge (protocol)"
        )


def test_the_edge_of_a_converted_dose_is_converted(judged, case):
    """EQD2 with alpha/beta 2 of 11.25 Gy in 5 fractions: 11.25 (2.25 + 2) / 4."""
    row = rows_of(judged["outside: edge\n"])["eqd2"]
    assert row.outside_gy == pytest.approx(11.25 * 4.25 / 4, rel=1e-4)
    assert "at most 11.95 Gy EQD2_2, its own cut edge" in row.outside_text
    assert case.edge_dose("Cord", Biology("EQD2", 2.0)).value == row.outside_gy


def test_nothing_is_taken_for_granted_where_there_is_no_edge(judged):
    """Wholly outside: open, with the reason as a note. Wholly inside: no word. A row's own word wins."""
    rows = rows_of(judged["outside: edge\n"])
    assert rows["beyond"].outside_gy is None
    assert rows["beyond"].value.possible == (0.0, np.inf)
    (note,) = rows["beyond"].notes
    assert note.startswith("outside: edge sets no ceiling, so the dose there stays unknown: ")
    assert "lie in parts wholly outside the dose grid" in note
    assert (rows["inside"].outside_gy, rows["inside"].notes) == (None, ())
    assert (rows["own-word"].outside, rows["own-word"].outside_gy) == ("unknown", None)
    assert rows["own-word"].value.possible[1] == np.inf


def test_what_stands_beside_a_row_has_its_reading(judged):
    """D0.03cc beside Max is bounded as well."""
    for outside, is_bounded in (("", False), ("outside: edge\n", True)):
        (near,) = rows_of(judged[outside])["max"].companions
        assert np.isfinite(near.value.possible[1]) == is_bounded


def test_the_case_is_asked_directly(case):
    """The same by hand; a word that is no reading is a ValueError."""
    assert case.edge_dose("Cord").value == pytest.approx(11.25, abs=1e-4)
    assert "nothing of PTV lies outside" in case.edge_dose("PTV").reason
    value = case.metric("Mean[cGy]", "Cord", outside="edge")
    plain = case.metric("Mean[cGy]", "Cord")
    assert value.possible[0] == plain.possible[0]
    assert plain.possible[1] == np.inf > value.possible[1]
    with pytest.raises(ValueError, match="'edges' is not a valid Outside"):
        case.metric("Max[Gy]", "Cord", outside="edges")


def test_without_fractions_the_converted_edge_is_undefined(case):
    """As every EQD2 is."""
    terms = tuple(replace(term, fractions=None) for term in case.dose.terms)
    unknown = pe.Case(replace(case.data, dose=replace(case.dose, terms=terms)))
    assert (
        "no EQD2_2: the number of fractions"
        in unknown.edge_dose("Cord", Biology("EQD2", 2.0)).reason
    )


def test_every_report_says_it(judged, tmp_path):
    """JSON, CSV, terminal, HTML and PDF; none of them without the key."""
    said = "outside the dose grid at most 11.25 Gy, its own cut edge (protocol)"
    schema = json.loads(
        resources.files("planeval.model").joinpath("evaluation.schema.json").read_text("utf-8")
    )
    for outside, is_said in (("", False), ("outside: edge\n", True)):
        evaluation = judged[outside]
        data = json.loads(evaluation.to_json())
        jsonschema.validate(data, schema)
        row = next(each for each in data["rows"] if each["id"] == "max")
        assert row["outside"] == ("edge" if is_said else "unknown")
        assert row["outside_gy"] == (pytest.approx(11.25, abs=1e-4) if is_said else None)
        assert ("with at most 11.25 Gy there" in row["outcome"]["reason"]) == is_said
        table = evaluation.to_frame()
        assert (said in str(table.set_index("row_id").loc["max"].to_string())) == is_said
        screen = io.StringIO()
        Console(file=screen, width=160).print(evaluation_table(evaluation.record))
        assert (f"Cord Max[Gy]: {said}" in screen.getvalue()) == is_said
        evaluation.publish_html(tmp_path / "report.html")
        assert (said in (tmp_path / "report.html").read_text("utf-8")) == is_said
        evaluation.publish_pdf(tmp_path / "report.pdf")
        pypdf = pytest.importorskip("pypdf")
        pages = pypdf.PdfReader(tmp_path / "report.pdf").pages
        words = " ".join(" ".join(page.extract_text() for page in pages).split())
        assert (said in words) == is_said


def test_the_difference_of_two_protocols_names_it():
    """``outside`` is a statement like any other."""
    plain, edge = (
        parse_protocol(protocol(each).encode(), "p.yaml") for each in ("", "outside: edge\n")
    )
    assert [str(each) for each in differences(plain, edge)] == ["outside: absent -> edge"]


def test_scenarios_keep_the_reading(case, tmp_path):
    """Shifted by 2 mm either way along each axis the cord is cut as before, and judged so."""
    path = tmp_path / "p.yaml"
    for outside, met in (("", 0), ("outside: edge\n", 6)):
        path.write_text(protocol(outside), encoding="utf-8")
        (made,) = pe.robustness(case, path, Directions(6, (2.0, 2.0, 2.0))).record.sets
        row = next(each for each in made.rows if each.id == "max")
        assert dict(row.counts).get(P, 0) == row.met == met
