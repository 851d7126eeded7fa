"""The store of a cohort: one embedded DuckDB file, one writer, one transaction per plan.

Whatever kills the run, plans whose transaction ended are there whole, others not at all. The tables
are those of :mod:`planeval.cohort.tables`; names that start with ``run_`` are of the machinery.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planeval.cohort.tables import TABLES, Table
from planeval.errors import ReportError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["STORE_NAME", "Known", "Store"]

STORE_NAME = "cohort.duckdb"
_VERSION = "2"
"""Raised with every change of the columns."""
_MEMORY = "256MB"
"""Of DuckDB; what needs more, such as sorting the DVH table, goes through the disk."""
_MACHINERY = """
CREATE TABLE run_settings (name VARCHAR PRIMARY KEY, value VARCHAR);
CREATE TABLE run_plans (case_id VARCHAR PRIMARY KEY, settings VARCHAR, inputs VARCHAR,
  fingerprint VARCHAR, is_final BOOLEAN);
CREATE TABLE run_inputs (case_id VARCHAR, kind VARCHAR, uid VARCHAR, sha256 VARCHAR);
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What a plan's stored rows were made from.

    ``fingerprint`` stands for path, size and time of its files, ``inputs`` for their content,
    ``settings`` for everything else. Rows that are not final are tried again.
    """

    settings: str
    inputs: str
    fingerprint: str
    is_final: bool


class Store:
    """An open store. Use it in a ``with`` statement, in one thread."""

    def __init__(self, path: Path, connection: DuckDBPyConnection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, str]) -> Store:
        """Make a new store; it has its name only once it is whole."""
        part = path.with_name(path.name + ".part")
        for old in (part, part.with_name(part.name + ".wal")):
            old.unlink(missing_ok=True)
        store = cls(part, _connected(part))
        with store._transaction():
            store._connection.execute(_MACHINERY)
            for table in TABLES.values():
                columns = ", ".join(f"{column.name} {column.type}" for column in table.columns)
                store._connection.execute(f"CREATE TABLE {table.name} ({columns})")
            for name, value in {"version": _VERSION, **settings}.items():
                store._connection.execute("INSERT INTO run_settings VALUES (?, ?)", [name, value])
        store.close()
        part.replace(path)
        return cls(path, _connected(path))

    @classmethod
    def open(cls, path: Path, settings: Mapping[str, str], *, read_only: bool = False) -> Store:
        """Open a store that is there.

        Raises :class:`~planeval.errors.ReportError` where another run is writing, where it cannot
        be read, and where it was made with other ``settings``, which a store cannot change.
        """
        store = cls(path, _connected(path, read_only=read_only))
        try:
            found = dict(store.query("SELECT name, value FROM run_settings"))
        except _duckdb().Error as error:
            store.close()
            raise ReportError(f"{path.name} is no cohort store: {_first_line(error)}") from None
        for name, value in {"version": _VERSION, **settings}.items():
            if found.get(name) != value:
                store.close()
                raise ReportError(
                    f"{path.name} was made with another {name} ({found.get(name)}); "
                    "choose another folder for this run"
                )
        return store

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_reason: object) -> None:
        self.close()

    def known(self) -> dict[str, Known]:
        """Return what the store has, by case."""
        rows = self.query("SELECT case_id, settings, inputs, fingerprint, is_final FROM run_plans")
        return {row[0]: Known(*row[1:]) for row in rows}

    def put(
        self,
        case_id: str,
        known: Known,
        rows: Mapping[str, Sequence[Mapping[str, Any]]],
        *,
        inputs: Iterable[tuple[str, str, str]] = (),
    ) -> None:
        """Replace everything about a case, whole or not at all."""
        with self._transaction():
            if self.query("SELECT 1 FROM run_plans WHERE case_id = ?", [case_id]):
                self._forget([case_id])
            for name, lines in rows.items():
                self._insert(TABLES[name], lines)
            self._connection.execute(
                "INSERT INTO run_plans VALUES (?, ?, ?, ?, ?)",
                [case_id, known.settings, known.inputs, known.fingerprint, known.is_final],
            )
            for kind, uid, digest in inputs:
                self._connection.execute(
                    "INSERT INTO run_inputs VALUES (?, ?, ?, ?)", [case_id, kind, uid, digest]
                )

    def touch(self, case_id: str, fingerprint: str) -> None:
        """Note that the files of a case were moved or touched and are the same."""
        self._connection.execute(
            "UPDATE run_plans SET fingerprint = ? WHERE case_id = ?", [fingerprint, case_id]
        )

    def replace_table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace the rows of a table that belong to the whole cohort."""
        with self._transaction():
            self._connection.execute(f"DELETE FROM {name}")
            self._insert(TABLES[name], rows)

    def replace_errors(self, stage: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace the errors of a stage."""
        with self._transaction():
            self._connection.execute("DELETE FROM errors WHERE stage = ?", [stage])
            self._insert(TABLES["errors"], rows)

    def keep_only(self, case_ids: Iterable[str]) -> None:
        """Forget every case that is not of this cohort any more."""
        known = {row[0] for row in self.query("SELECT case_id FROM run_plans")}
        with self._transaction():
            self._forget(sorted(known - set(case_ids)))

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self._connection.execute(sql, list(parameters)).fetchall()

    def export(self, sql: str, path: Path, options: str) -> None:
        """Write the rows of a query to a file."""
        target = str(path).replace("'", "''")
        self._connection.execute(f"COPY ({sql}) TO '{target}' ({options})")

    def _insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        shape = json.dumps(
            [
                {c.name: ["DOUBLE"] if c.type == "DOUBLE[]" else c.type for c in table.columns}
            ]
        )  # fmt: skip
        names = ", ".join(table.names)
        values = ", ".join(f"line.{name}" for name in table.names)
        self._connection.execute(
            f"INSERT INTO {table.name} ({names}) SELECT {values} "
            f"FROM (SELECT unnest(from_json(?::JSON, '{shape}')) AS line)",
            [json.dumps(list(rows), ensure_ascii=False)],
        )

    def _forget(self, case_ids: Sequence[str]) -> None:
        for case_id in case_ids:
            for name in (*_PER_CASE, "run_plans", "run_inputs"):
                self._connection.execute(f"DELETE FROM {name} WHERE case_id = ?", [case_id])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN TRANSACTION")
        done = False
        try:
            yield
            self._connection.execute("COMMIT")
            done = True
        finally:
            if not done:
                with contextlib.suppress(_duckdb().Error):
                    self._connection.execute("ROLLBACK")


_PER_CASE = tuple(name for name in TABLES if name != "plans")


def _duckdb() -> Any:
    try:
        import duckdb  # noqa: PLC0415 - an extra, and heavy
    except ImportError:
        raise ReportError(
            'cohort tables need DuckDB and psutil: pip install "planeval[cohort]"'
        ) from None
    return duckdb


def _connected(path: Path, *, read_only: bool = False) -> Any:
    duckdb = _duckdb()
    try:
        connection: Any = duckdb.connect(
            str(path),
            read_only=read_only,
            config={"threads": 1, "memory_limit": _MEMORY, "autoinstall_known_extensions": False},
        )
    except duckdb.Error as error:
        raise ReportError(
            f"{path.name} cannot be opened: {_first_line(error)}; "
            "if another run is writing it, wait for it"
        ) from None
    return connection


def _first_line(error: BaseException) -> str:
    """Return the first line of a message without the path, which belongs to this machine."""
    line = str(error).split("\n", 1)[0]
    return line.split('"')[0].rstrip() if '"' in line else line
