"""The files of a cohort: every table as CSV and Parquet, a manifest, and what belongs to the run.

Tables are written once, sorted, by one thread, so that the same inputs give the same bytes. The
manifest is written last and removed first: where it stands, the tables beside it are whole and of
one run.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from planeval import __version__
from planeval.cohort.store import Store
from planeval.cohort.tables import TABLES, Role, Table
from planeval.cohort.wide import wide_files
from planeval.errors import ReportError
from planeval.model.plain import json_text

__all__ = ["MANIFEST", "software", "write_outputs", "write_run"]

MANIFEST = "manifest.json"
_PACKAGES = ("numpy", "scipy", "shapely", "pydicom", "duckdb")
_CSV = "FORMAT csv, HEADER true, DELIMITER ',', NULLSTR ''"
_PARQUET = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000"
_FORMULA = "^\\s*[=+\\-@\\t\\r＝＋－＠]"
"""A cell that starts so is run by spreadsheets; it gets a single quote in front, in CSV alone."""

_DVH = """
SELECT case_id, structure, plan_name, type, (node - 1) * step_gy AS dose_gy,
  volume_percent[node] / 100 * total_cc AS volume_cc, volume_percent[node] AS volume_percent,
  outside_cc, method
FROM (SELECT *, unnest(range(1, len(volume_percent) + 1)) AS node FROM dvh)
ORDER BY case_id, seq, node
"""

_NAMES = """
WITH used AS (
  SELECT DISTINCT case_id, protocol_name, kind, unnest(string_split(candidates, ' | ')) AS roi
  FROM matches WHERE kind IN ('missing', 'ambiguous') AND candidates IS NOT NULL
), suggested AS (
  SELECT roi, protocol_name, count(DISTINCT case_id) AS n FROM used GROUP BY ALL
), best AS (
  SELECT roi, first(protocol_name ORDER BY n DESC, protocol_name) AS suggestion
  FROM suggested GROUP BY roi
), direct AS (
  SELECT case_id, plan_name, protocol_name, kind FROM matches
  WHERE plan_name IS NOT NULL AND kind NOT IN ('derived', 'missing', 'ambiguous')
), drawn AS (
  SELECT s.plan_name, s.type, d.protocol_name, d.kind, count(DISTINCT s.case_id) AS plans
  FROM structures s LEFT JOIN direct d USING (case_id, plan_name) GROUP BY ALL
), lacking AS (
  SELECT NULL AS plan_name, NULL AS type, protocol_name, kind, count(DISTINCT case_id) AS plans
  FROM matches WHERE kind IN ('missing', 'ambiguous') GROUP BY ALL
)
SELECT plan_name, type, plans, protocol_name, kind AS match,
  CASE WHEN protocol_name IS NULL THEN suggestion END AS suggestion, NULL::VARCHAR AS use
FROM (FROM drawn UNION ALL FROM lacking) LEFT JOIN best ON roi = plan_name
ORDER BY plan_name NULLS LAST, type NULLS FIRST, protocol_name NULLS FIRST, kind, plans
"""


def write_outputs(
    store: Store, out: Path, manifest: Mapping[str, Any], *, wide: bool
) -> dict[str, Any]:
    """Write every table into ``out``; return the manifest.

    Raises :class:`~planeval.errors.ReportError` where the folder cannot be written.
    """
    part = out / "tables.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _export(store, part)
        if wide:
            for name, text in wide_files(store).items():
                (part / name).write_text(text, encoding="utf-8", newline="\n")
        files = sorted(part.iterdir())
        whole = {**manifest, "cases": list(_cases(store)), "tables": _listed(files)}
        (out / MANIFEST).unlink(missing_ok=True)
        for old in _stale(out, {file.name for file in files}):
            old.unlink()
        for file in files:
            file.replace(out / file.name)
        part.rmdir()
        _write(out / MANIFEST, json_text(whole))
    except OSError as error:
        raise ReportError(f"cannot write into {out}: {error.strerror}") from None
    return whole


def software() -> dict[str, str]:
    """Return the versions that the last digits of a number can depend on."""
    return {
        "planeval": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _PACKAGES},
    }


def _export(store: Store, folder: Path) -> None:
    for name, table in TABLES.items():
        order = ", ".join(table.order)
        sql = _DVH if name == "dvh" else f"SELECT * FROM {name} ORDER BY {order}"
        _write_table(store, sql, folder / name, _texts(table))
    _write_table(store, _NAMES, folder / "names", ("plan_name", "suggestion"))


def _texts(table: Table) -> tuple[str, ...]:
    """Return the columns that hold text from files."""
    return tuple(
        column.name
        for column in table.columns
        if column.type == "VARCHAR" and column.role is not Role.OWN
    )


def _write_table(store: Store, sql: str, path: Path, texts: tuple[str, ...]) -> None:
    store.export(sql, path.with_suffix(".parquet"), _PARQUET)
    guarded = ", ".join(
        f"CASE WHEN regexp_matches({name}, '{_FORMULA}') THEN '''' || {name} ELSE {name} END "
        f"AS {name}"
        for name in texts
    )
    wanted = f"* REPLACE ({guarded})" if guarded else "*"
    store.export(f"SELECT {wanted} FROM ({sql})", path.with_suffix(".csv"), _CSV)


def _cases(store: Store) -> Iterator[dict[str, Any]]:
    """Yield every case with the digests of what it was made from."""
    inputs: dict[str, list[dict[str, str]]] = {}
    for case_id, kind, uid, digest in store.query(
        "SELECT case_id, kind, uid, sha256 FROM run_inputs ORDER BY ALL"
    ):
        inputs.setdefault(case_id, []).append({"kind": kind, "uid": uid, "sha256": digest})
    for case_id, settings in store.query(
        "SELECT case_id, settings FROM run_plans ORDER BY case_id"
    ):
        yield {
            "case_id": case_id,
            "settings_sha256": settings,
            "inputs": inputs.get(case_id, []),
        }


def _listed(files: list[Path]) -> dict[str, Any]:
    return {
        file.name: {
            "bytes": file.stat().st_size,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        for file in files
    }


def _stale(out: Path, names: set[str]) -> list[Path]:
    """Return tables of an earlier run that this one does not write."""
    known = {f"{name}.{end}" for name in (*TABLES, "names") for end in ("csv", "parquet")}
    known |= {"wide.csv", "wide_dictionary.csv"}
    return [out / name for name in sorted(known - names) if (out / name).exists()]


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


def write_run(out: Path, data: Mapping[str, Any]) -> None:
    """Write run.json: clock, machine and cost of one run, which no other file holds."""
    _write(out / "run.json", json.dumps(data, indent=2, ensure_ascii=False) + "\n")
