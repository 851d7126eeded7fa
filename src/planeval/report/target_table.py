"""The steps from GTV to PTV as terminal tables and as CSV."""

from __future__ import annotations

import csv
import io

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from planeval.report.terminal import finding_lines
from planeval.report.text import csv_text, visible
from planeval.targets.motion import Motion
from planeval.targets.record import TargetRecord

__all__ = ["steps_csv", "target_table"]


def target_table(record: TargetRecord) -> RenderableType:
    """Return the steps, the targets and the motion of a record, with its findings."""
    parts: list[RenderableType] = [_steps(record), Text(), _targets(record)]
    if record.motion is not None:
        parts += [Text(), _motion(record.motion)]
    lengths = "; ".join(
        f"{each.rule}: {each.name} {each.mm:.4g} mm ({each.origin})" for each in record.lengths
    )
    parts += [Text(), Text(f"Lengths used: {visible(lengths)}"), finding_lines(record.findings)]
    return Group(*parts)


def steps_csv(record: TargetRecord) -> str:
    """Return one line for each step, and one for each clipping or avoiding within it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["rule", "step", "what", "volume_cc", "removed_by", "removed_cc"])
    for step in record.steps:
        head = [csv_text(step.rule), csv_text(step.make), csv_text(step.text)]
        writer.writerow([*head, f"{step.volume_cc:.6g}", "", ""])
        for removal in step.removals:
            writer.writerow([*head, "", csv_text(removal.by), f"{removal.cc:.6g}"])
    return stream.getvalue()


def _steps(record: TargetRecord) -> Table:
    table = _table("Rule", "Step", "How", numbers=("cc", "Removed cc"))
    for step in record.steps:
        table.add_row(
            visible(step.rule), visible(step.make), visible(step.text), f"{step.volume_cc:.2f}", ""
        )
        for removal in step.removals:
            table.add_row("", "", visible(f"removed: {removal.by}"), "", f"{removal.cc:.2f}")
    return table


def _targets(record: TargetRecord) -> Table:
    table = _table("Target", "Type", numbers=("ROI number", "Solid cc", "As drawn cc", "Contours"))
    for row in record.structures:
        drawn = "" if row.drawn_cc is None else f"{row.drawn_cc:.2f}"
        count, number = ("" if n is None else str(n) for n in (row.contours, row.number))
        table.add_row(visible(row.name, 64), row.type, number, f"{row.volume_cc:.2f}", drawn, count)
    return table


def _motion(motion: Motion) -> Table:
    names = " and ".join(visible(phase.name, 64) for phase in motion.phases)
    table = _table(
        f"Motion over {names}, mm",
        numbers=("Centre, least to most", "Peak to peak", "Surfaces, peak to peak"),
    )
    for axis in motion.axes:
        low, high = axis.centroid
        table.add_row(
            axis.axis,
            f"{low:+.1f} to {high:+.1f}",
            f"{axis.peak_to_peak_mm:.1f}",
            f"{axis.surface_peak_to_peak_mm:.1f}",
        )
    table.add_row("3-D, centre", "", f"{motion.three_d_mm:.1f}", "")
    return table


def _table(*words: str, numbers: tuple[str, ...] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for word in words:
        table.add_column(Text(word), overflow="fold")
    for number in numbers:
        table.add_column(Text(number), justify="right")
    return table
