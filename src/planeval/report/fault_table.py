"""The table of a self-test: every fault, and whether it was noticed."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from planeval.model.faults import Noticed, SelfTest
from planeval.report.text import visible

__all__ = ["fault_table"]

LONGEST = 200
SIGNS = {
    Noticed.REFUSED: ("✔", "green"),
    Noticed.FLAGGED: ("✔", "green"),
    Noticed.NUMBERS: ("!", "bold yellow"),
    Noticed.NOT_NOTICED: ("✘", "bold red"),
    Noticed.NOT_MADE: ("–", "dim"),
}


def fault_table(found: SelfTest) -> RenderableType:
    """Return one line per fault: what was done, what became of it, and the words that say so."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Fault", overflow="fold", max_width=40)
    table.add_column("Noticed", no_wrap=True)
    table.add_column("How", overflow="fold")
    for each in found.results:
        sign, style = SIGNS[each.noticed]
        table.add_row(
            Text(each.text),
            Text(f"{sign} {each.noticed}", style=style),
            Text(visible(each.evidence, LONGEST)),
        )
    whole = f"Without a fault ({visible(found.protocol, 80)}): {visible(found.summary)}"
    return Group(Text(whole), table)
