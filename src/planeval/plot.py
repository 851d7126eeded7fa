"""Figures for notebooks and papers, as matplotlib Axes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from planeval.case import Case
from planeval.dose.dvh import Dvh
from planeval.model import Structure
from planeval.report.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["dvh"]

Floats = NDArray[np.float64]

LIGHTEST = 0.75
"""Lightest mean of red, green and blue that is drawn on white as it is; others are darkened."""


def dvh(
    case: Case,
    structures: Iterable[str | Structure] | None = None,
    ax: Axes | None = None,
    *,
    unit: Literal["%", "cc"] = "%",
) -> Axes:
    """Draw cumulative DVHs and return the Axes: dose in Gy, volume in percent or cc.

    ``structures`` are names, expressions or structures, by default all of the case; ``ax`` is where to
    draw, by default new Axes. Percentages refer to the whole structure: a curve of one that the dose
    grid cuts does not begin at 100 %, and its label says how much lies outside. Colours are those
    of the structure set, darkened where they would vanish on white. Nothing is shown or saved.

    Raises the errors of :meth:`Case.structure` and :meth:`Case.dvh`; ValueError for another unit.
    """
    from matplotlib import pyplot as plt  # noqa: PLC0415 - heavy, and optional for a DVH

    if unit not in ("%", "cc"):
        raise ValueError(f"unit is {unit!r}; expected '%' or 'cc'")
    chosen = case.structures.values() if structures is None else structures
    solids = [case.structure(each) if isinstance(each, str) else each for each in chosen]
    axes = ax if ax is not None else plt.subplots(layout="constrained")[1]
    for solid, curve in zip(solids, case.dvhs(solids), strict=True):
        scale = 1.0 if unit == "cc" else 100.0 / curve.total_cc
        label = visible(solid.name, 40)
        if curve.outside_cc > 0:
            label += f" ({curve.outside_cc:.2f} cc outside the dose grid)"
        dose_gy, volume_cc = _from_zero(curve)
        axes.plot(dose_gy, volume_cc * scale, color=_colour(solid.colour), label=label)
    axes.set(xlabel="Dose [Gy]", ylabel=f"Volume [{unit}]")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    if solids:
        legend = axes.legend(fontsize="small")
        for text in legend.get_texts():
            text.set_parse_math(False)  # a dollar sign in a name is a dollar sign
    return axes


def _from_zero(curve: Dvh) -> tuple[Floats, Floats]:
    """A curve with its level part from 0 Gy to the lowest dose."""
    if not len(curve.dose_gy):
        return curve.dose_gy, curve.volume_cc
    return (
        np.concatenate([[0.0], curve.dose_gy]),
        np.concatenate([curve.volume_cc[:1], curve.volume_cc]),
    )


def _colour(rgb: tuple[int, int, int]) -> tuple[float, float, float]:
    mean = sum(rgb) / (3 * 255)
    red, green, blue = (part / 255 * min(1.0, LIGHTEST / max(mean, LIGHTEST)) for part in rgb)
    return (red, green, blue)
