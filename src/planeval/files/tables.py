"""Tables from CSV and XLSX files as rows of text, nothing interpreted.

A cell is the text that the file holds; an XLSX number is its stored decimal, a formula its stored
result. XLSX (ECMA-376) is read with the standard library: shared strings, inline strings, numbers.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from planeval.errors import UnreadableFile, UnsupportedData

__all__ = ["Sheet", "read_tables"]

MAX_BYTES = 20_000_000
MAX_ROWS = 20_000
MAX_COLUMNS = 200

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_CELL = re.compile(r"([A-Z]{1,3})[0-9]+")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: its name, its header, and its rows as (line in the file, column -> text)."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


def read_tables(path: Path) -> tuple[Sheet, ...]:
    """Return the tables of a CSV (one) or XLSX file (one a sheet that has a header).

    The first row that is not empty is the header; columns without a name are left out. Text is
    UTF-8; commas, semicolons or tabs separate.

    Raises:
        UnreadableFile: the file cannot be read, is not UTF-8 or no workbook.
        UnsupportedData: another kind of file, or too large a table.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{path.name}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise UnsupportedData(f"{path.name}: {len(content)} bytes; a table has at most {MAX_BYTES}")
    match path.suffix.lower():
        case ".csv" | ".tsv" | ".txt":
            return (_sheet(path.stem, _csv_rows(content, path.name), path.name),)
        case ".xlsx" | ".xlsm":
            return tuple(_workbook(content, path.name))
        case other:
            raise UnsupportedData(f"{path.name}: {other or 'no suffix'} is no CSV or XLSX file")


def _csv_rows(content: bytes, name: str) -> Iterator[tuple[int, list[str]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"{name}: byte {error.start} is not UTF-8; save it as CSV UTF-8"
        ) from None
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise UnreadableFile(f"{name}:{reader.line_num}: {error}") from None


def _sheet(name: str, rows: Iterator[tuple[int, list[str]]], file: str) -> Sheet:
    """Return a table whose first row with any text is the header."""
    columns: tuple[str, ...] = ()
    found: list[tuple[int, dict[str, str]]] = []
    for line, cells in rows:
        texts = [cell.strip() for cell in cells]
        if len(texts) > MAX_COLUMNS or len(found) > MAX_ROWS:
            raise UnsupportedData(f"{file}: more than {MAX_COLUMNS} columns or {MAX_ROWS} rows")
        if not any(texts):
            continue
        if not columns:
            columns = tuple(texts)
            continue
        found.append((line, {key: text for key, text in zip(columns, texts, strict=False) if key}))
    return Sheet(name, columns, tuple(found))


def _workbook(content: bytes, name: str) -> Iterator[Sheet]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            if sum(entry.file_size for entry in book.infolist()) > 10 * MAX_BYTES:
                raise UnsupportedData(f"{name}: unpacks to more than {10 * MAX_BYTES} bytes")
            shared = _shared_strings(book)
            for title, part in _parts(book):
                sheet = _sheet(title, _sheet_rows(_xml(book, part), shared), name)
                if sheet.rows:
                    yield sheet
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, IndexError) as error:
        raise UnreadableFile(f"{name}: this is no XLSX workbook ({type(error).__name__})") from None


def _xml(book: zipfile.ZipFile, part: str) -> ElementTree.Element:
    """Return a part of the workbook; a document type, which could grow, is refused."""
    content = book.read(part)
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise UnsupportedData(f"{part}: a document type has no place in a workbook")
    return ElementTree.fromstring(content)


def _parts(book: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Yield the sheets of a workbook with the part that holds each."""
    relations = {
        each.get("Id", ""): each.get("Target", "")
        for each in _xml(book, "xl/_rels/workbook.xml.rels")
    }
    for sheet in _xml(book, "xl/workbook.xml").iter(f"{_MAIN}sheet"):
        target = relations[sheet.get(_RELATION, "")]
        path = target.lstrip("/") if target.startswith("/") else posixpath.join("xl", target)
        yield sheet.get("name", ""), posixpath.normpath(path)


def _shared_strings(book: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in book.namelist():
        return []
    return [_text(item) for item in _xml(book, "xl/sharedStrings.xml").iter(f"{_MAIN}si")]


def _text(node: ElementTree.Element) -> str:
    """Return the runs of a string, phonetic guides left out."""
    return "".join(
        part.text or ""
        for child in node
        if child.tag != f"{_MAIN}rPh"
        for part in child.iter(f"{_MAIN}t")
    )


def _sheet_rows(sheet: ElementTree.Element, shared: list[str]) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(sheet.iter(f"{_MAIN}row"), 1):
        cells: dict[int, str] = {}
        for position, cell in enumerate(row.iter(f"{_MAIN}c")):
            cells[_column(cell.get("r", ""), position)] = _cell(cell, shared)
        width = min(max(cells, default=-1), MAX_COLUMNS) + 1
        yield int(row.get("r", number)), [cells.get(index, "") for index in range(width)]


def _column(reference: str, position: int) -> int:
    """Return the column of a reference such as B2, counted from 0."""
    found = _CELL.fullmatch(reference)
    if found is None:
        return position
    column = 0
    for letter in found[1]:
        column = 26 * column + ord(letter) - ord("A") + 1
    return column - 1


def _cell(cell: ElementTree.Element, shared: list[str]) -> str:
    inline = cell.find(f"{_MAIN}is")
    if inline is not None:
        return _text(inline)
    value = cell.findtext(f"{_MAIN}v") or ""
    return shared[int(value)] if cell.get("t") == "s" and value else value
