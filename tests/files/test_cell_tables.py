"""Tables from CSV and XLSX files."""

import zipfile

import pytest

from planeval.errors import UnreadableFile, UnsupportedData
from planeval.files.tables import read_tables

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def workbook(path, sheet, shared="", extra=None):
    """A workbook as Excel lays it out, with one sheet."""
    parts = {
        "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{RELATIONS}"><sheets>'
        '<sheet name="Limits" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="x">'
        '<Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f"<worksheet {MAIN}><sheetData>{sheet}</sheetData></worksheet>",
        "xl/sharedStrings.xml": f"<sst {MAIN}>{shared}</sst>",
    } | (extra or {})
    with zipfile.ZipFile(path, "w") as book:
        for name, text in parts.items():
            book.writestr(name, text)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_csv_in_any_separator(tmp_path, separator):
    """Header, quoted cells, empty lines left out, the line in the file kept."""
    path = tmp_path / "t.csv"
    text = f'\ufefforgan{separator}limit\n\n"a{separator} b"{separator} <= 3 \n'
    path.write_text(text, encoding="utf-8")
    (sheet,) = read_tables(path)
    assert sheet.columns == ("organ", "limit")
    assert sheet.rows == ((3, {"organ": f"a{separator} b", "limit": "<= 3"}),)


def test_a_workbook(tmp_path):
    """Shared and inline strings, numbers, gaps between cells, a phonetic guide left out."""
    sheet = (
        '<row r="2"><c r="A2" t="s"><v>0</v></c><c r="C2" t="s"><v>1</v></c></row>'
        '<row r="4"><c r="A4" t="inlineStr"><is><t>胃</t></is></c><c r="C4"><v>22.2</v></c></row>'
    )
    shared = "<si><t>organ</t></si><si><r><t>li</t></r><r><t>mit</t></r><rPh><t>x</t></rPh></si>"
    (found,) = read_tables(workbook(tmp_path / "t.xlsx", sheet, shared))
    assert found.name == "Limits"
    assert found.rows == ((4, {"organ": "胃", "limit": "22.2"}),)


def test_what_is_no_table_is_refused(tmp_path):
    """Not UTF-8, no workbook, an entity bomb, another suffix, nothing there."""
    broken = tmp_path / "t.csv"
    broken.write_bytes("organ,Größe\n".encode("latin-1"))
    with pytest.raises(UnreadableFile, match="byte 8 is not UTF-8"):
        read_tables(broken)
    no_book = tmp_path / "t.xlsx"
    no_book.write_bytes(b"PK nothing")
    with pytest.raises(UnreadableFile, match="no XLSX workbook"):
        read_tables(no_book)
    bomb = {"xl/sharedStrings.xml": '<!DOCTYPE a [<!ENTITY b "c">]><sst/>'}
    with pytest.raises(UnsupportedData, match="document type"):
        read_tables(workbook(tmp_path / "b.xlsx", "", extra=bomb))
    (tmp_path / "t.ods").write_bytes(b"")
    with pytest.raises(UnsupportedData, match=r"\.ods is no CSV"):
        read_tables(tmp_path / "t.ods")
    with pytest.raises(UnreadableFile, match="cannot be read"):
        read_tables(tmp_path / "gone.csv")
