"""The DVH text export of Eclipse (ARIA): a header, then one block a structure with its table.

The layout, as read in exports of versions 8 to 16::

    Patient ID           : 1234
    Type                 : Cumulative Dose Volume Histogram
    Plan: NAME
    Prescribed dose [cGy]: 5500.0
    % for dose (%): 100.0

    Structure: LIVER
    Plan: NAME
    Volume [cc]: 1635.9
    Min Dose [cGy]: 42.7
           Dose [cGy]   Relative dose [%] Ratio of Total Structure Volume [%]
                    0                   0                                 100

Units stand in brackets and are honoured one by one: Gy, cGy and %, cc, cm3 and %. A percent of dose
refers to the prescribed dose over "% for dose"; a percent of volume to the structure's "Volume". A
decimal comma is read as well as a point.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planeval.errors import InvalidElement, MissingElement, UnreadableFile, UnsupportedData
from planeval.model import TpsDvh

__all__ = ["EclipseDvhs", "read_eclipse_dvhs"]

MAX_BYTES = 100_000_000
_TO_GY = {"gy": 1.0, "cgy": 0.01}
_CC = ("cc", "cm3", "cm³", "cm^3", "ccm", "ml")
_FIELD = re.compile(r"\s*([^:\[]+?)\s*(?:\[([^\]]*)\])?\s*:\s*(.*)")
_COLUMN = re.compile(r"([^\[\]]+?)\s*\[([^\]]*)\]")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EclipseDvhs:
    """What an export holds: whose plan it is of, and the curve of every structure.

    ``plans`` are the names of the plans (or plan sums), ``dvhs`` pairs of (plan, curve). ``skipped``
    are structures without a usable curve, each with the reason.
    """

    file: str
    digest: str
    patient_id: str
    dvhs: tuple[tuple[str, TpsDvh], ...]
    skipped: tuple[str, ...] = ()

    @property
    def plans(self) -> tuple[str, ...]:
        """The plans that curves are of, in file order."""
        return tuple(dict.fromkeys(plan for plan, _dvh in self.dvhs))


@dataclass(slots=True)
class _Block:
    """The fields of a plan or structure with their units, and the rows of its table."""

    fields: dict[str, tuple[str, str]] = field(default_factory=dict)
    columns: list[tuple[str, str]] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        """Return the text of a field, empty where it is absent."""
        return self.fields.get(name, ("", ""))[1]

    def gy(self, name: str, full_gy: float | None = None) -> float | None:
        """Return a dose field in Gy, None where it is absent or no number."""
        unit, text = self.fields.get(name, ("", ""))
        number = _number(text)
        if number is None:
            return None
        if unit == "%":
            return None if full_gy is None else number / 100.0 * full_gy
        scale = _TO_GY.get(unit.casefold())
        return None if scale is None else number * scale


def read_eclipse_dvhs(path: Path) -> EclipseDvhs:
    """Read an export. Curves are absolute Gy and cc, whatever the file states them in.

    Raises:
        UnreadableFile: it cannot be opened.
        UnsupportedData: it is not such an export, or its type is not a DVH.
        MissingElement: no structure in it has a curve.
        InvalidElement: a table that is not made of numbers.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{path.name}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise UnsupportedData(f"{path.name}: {len(content)} bytes; at most {MAX_BYTES} are read")
    lines = _decoded(content).splitlines()
    header, plans, blocks = _blocks(lines, path.name)
    kind = header.text("type").casefold()
    if not kind.startswith(("cumulative", "differential")) or not blocks:
        raise UnsupportedData(
            f"{path.name}: not a DVH export of Eclipse: no structure in it, or no Type of "
            "Cumulative or Differential"
        )
    found: list[tuple[str, TpsDvh]] = []
    skipped: list[str] = []
    for plan, block in blocks:
        of = plans.get(plan, _Block())
        made = _dvh(block, of, path.name, differential=kind.startswith("differential"))
        if isinstance(made, str):
            skipped.append(f"{block.text('structure')}: {made}")
        else:
            found.append((plan, made))
    if not found:
        raise MissingElement(f"{path.name}: no usable curve: {'; '.join(skipped[:3])}")
    return EclipseDvhs(
        file=path.name,
        digest=hashlib.sha256(content).hexdigest(),
        patient_id=header.text("patient id"),
        dvhs=tuple(found),
        skipped=tuple(skipped),
    )


def _decoded(content: bytes) -> str:
    """Decode by the byte order mark, else UTF-8, else the Windows code page of Western Europe."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _blocks(
    lines: Sequence[str], name: str
) -> tuple[_Block, dict[str, _Block], list[tuple[str, _Block]]]:
    """Return the header, the blocks of plans by name, and (plan, block) of structures."""
    header = _Block()
    plans: dict[str, _Block] = {}
    structures: list[tuple[str, _Block]] = []
    current, plan, in_structure = header, "", False
    for line in lines:
        if not line.strip():
            continue
        if current.columns and line.strip()[0] in "0123456789.,-+":
            current.rows.append(line)
            continue
        found = _FIELD.fullmatch(line)
        if found is None:
            if in_structure and (columns := _columns(line)):
                current.columns = columns
            continue
        key, unit, text = found[1].casefold(), (found[2] or "").strip(), found[3].strip()
        if key == "structure":
            current, in_structure = _Block(), True
            structures.append((plan, current))
        elif key in ("plan", "plan sum") and in_structure and not current.columns:
            plan = text
            structures[-1] = (plan, current)
        elif key in ("plan", "plan sum"):
            plan, in_structure = text, False
            current = plans.setdefault(plan, _Block())
        current.fields.setdefault(key, (unit, text))
    return header, plans, structures


def _columns(line: str) -> list[tuple[str, str]]:
    """Return (name, unit) of a table's columns, empty where the line is no head of one."""
    found = [(name.strip().casefold(), unit.strip()) for name, unit in _COLUMN.findall(line)]
    return found if any("dose" in name for name, _unit in found) and len(found) > 1 else []


def _number(text: str) -> float | None:
    """Return a number written with a decimal point or comma, None for anything else.

    >>> _number("1635.9"), _number("1635,9"), _number("1.635,9"), _number("N/A")
    (1635.9, 1635.9, 1635.9, None)
    """
    if "," in text:
        point = text.rfind(",")
        if "." in text and text.rfind(".") > point:
            text = text.replace(",", "")
        else:
            text = text[:point].replace(".", "").replace(",", "") + "." + text[point + 1 :]
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _dvh(block: _Block, plan: _Block, name: str, *, differential: bool) -> TpsDvh | str:
    """Return the curve of a structure block, or why it has none."""
    structure = block.text("structure")
    if len(block.rows) < 2 or not block.columns:
        return "no table"
    table = _table(block, f"{name}: {structure}")
    full_gy = _full_gy(plan)
    dose = _dose(block, table, full_gy)
    if isinstance(dose, str):
        return dose
    total, rounding = _stated_volume(block)
    notes = ["differential volumes were added up"] if differential else []
    volume = _volume(block, table, total, differential=differential)
    if isinstance(volume, str):
        return volume
    if differential:
        dose, volume = _added_up(dose, volume)
    if (np.diff(dose) < 0).any() or (volume < 0).any():
        return "doses that fall, or negative volumes"
    for array in (dose, volume):
        array.setflags(write=False)
    return TpsDvh(
        structure=structure,
        dose_gy=dose,
        volume_cc=volume,
        minimum_gy=block.gy("min dose", full_gy),
        maximum_gy=block.gy("max dose", full_gy),
        mean_gy=block.gy("mean dose", full_gy),
        origin=f"Eclipse text export {name}",
        scale_note="; ".join(notes),
        includes=(structure,),
        rounding_cc=rounding,
    )


def _full_gy(plan: _Block) -> float | None:
    """Return what 100 % of dose is: the prescribed dose over "% for dose"."""
    prescribed = plan.gy("prescribed dose")
    share = _number(plan.text("% for dose (%)")) or 100.0
    return None if prescribed is None else prescribed * 100.0 / share


def _table(block: _Block, where: str) -> Floats:
    rows = [[_number(cell) for cell in line.split()] for line in block.rows]
    width = len(block.columns)
    for line, row in zip(block.rows, rows, strict=True):
        if len(row) != width or None in row:
            raise InvalidElement(
                f"{where}: {line.strip()[:60]!r} is not a row of {width} numbers; export it again"
            )
    return np.array(rows, dtype=float)


def _dose(block: _Block, table: Floats, full_gy: float | None) -> Floats | str:
    """Return the dose column in Gy: an absolute one where there is one."""
    relative = None
    for at, (name, unit) in enumerate(block.columns):
        if not name.endswith("dose") or "/" in name:
            continue
        scale = _TO_GY.get(unit.casefold())
        if scale is not None:
            return np.asarray(table[:, at] * scale)
        relative = at if unit == "%" else relative
    if relative is None:
        return "no column of dose in Gy, cGy or %"
    if full_gy is None:
        return "doses in % of a prescribed dose that the export does not state"
    return np.asarray(table[:, relative] / 100.0 * full_gy)


def _stated_volume(block: _Block) -> tuple[float | None, float]:
    """Return the stated volume in cc, and half of its last digit."""
    unit, text = block.fields.get("volume", ("", ""))
    number = _number(text)
    if number is None or unit.casefold() not in _CC:
        return None, 0.0
    decimals = len(re.split(r"[.,]", text)[-1]) if re.search(r"[.,]", text) else 0
    return number, 0.5 * 10.0**-decimals


def _volume(
    block: _Block, table: Floats, total: float | None, *, differential: bool
) -> Floats | str:
    """Return the volume column in cc (per Gy where differential), absolute where there is one."""
    relative = None
    for at, (name, unit) in enumerate(block.columns):
        if "volume" not in name or (differential and "/" not in name):
            continue
        volume_unit, _, dose_unit = (part.strip() for part in unit.partition("/"))
        scale = 1.0 / _TO_GY.get(dose_unit.casefold(), 1.0) if dose_unit else 1.0
        if volume_unit.casefold() in _CC:
            return np.asarray(table[:, at] * scale)
        if volume_unit == "%":
            relative = np.asarray(table[:, at] * scale / 100.0)
    if relative is None:
        return "no column of volume in cc or %"
    if total is None:
        return "volumes in % of a volume that the export does not state in cc"
    return np.asarray(relative * total)


def _added_up(dose: Floats, density: Floats) -> tuple[Floats, Floats]:
    """Return the cumulative curve of cc per Gy at the middles of bins."""
    widths = np.diff(dose)
    step = np.concatenate([widths, widths[-1:]])
    edges = np.maximum(np.concatenate([dose - step / 2, dose[-1:] + step[-1] / 2]), 0.0)
    parts = density * np.diff(edges)
    cumulative = np.concatenate([np.cumsum(parts[::-1])[::-1], [0.0]])
    return edges, cumulative
