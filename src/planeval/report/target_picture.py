"""A picture of targets in three planes: outlines on the CT (W350 L40), or on white without one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from planeval.case import Case
from planeval.errors import ReportError
from planeval.model import Structure
from planeval.report.colours import ink
from planeval.report.planes import (
    Box,
    PicturePlane,
    hu_of,
    inside_on,
    orthogonal_planes,
)
from planeval.report.text import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["target_figure", "write_target_picture"]

WINDOW_HU, LEVEL_HU = 350.0, 40.0
AROUND_MM = 35.0
STEP_MM = 0.5
PANEL_INCHES = 4.6
DASHED = (0, (3, 2))


def write_target_picture(
    path: Path, case: Case, targets: Sequence[Structure], others: Sequence[Structure] = ()
) -> None:
    """Write :func:`target_figure` as PNG. Raises :class:`ReportError` where it cannot be written."""
    figure = target_figure(case, targets, others)
    try:
        # without the program's version in the file, the same picture is the same bytes
        figure.savefig(path, dpi=110, metadata={"Software": None})
    except OSError as error:
        raise ReportError(f"{path.name} cannot be written: {error.strerror}") from None


def target_figure(
    case: Case, targets: Sequence[Structure], others: Sequence[Structure] = ()
) -> Figure:
    """Return the axial, coronal and sagittal plane through the centre of the first target.

    Targets are solid lines; ``others`` (what they were made from or stay out of) are dashed.
    Raises ValueError without a target that has a volume.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy

    shown = [structure for structure in targets if not structure.stack.is_empty]
    if not shown:
        raise ValueError("no target to show")
    planes = orthogonal_planes(_view(case, shown), shown[0].centroid_mm)
    widths = [plane.width_mm / plane.height_mm for plane in planes]
    figure = Figure(
        figsize=(PANEL_INCHES * sum(widths) + 0.4, PANEL_INCHES + 1.1), layout="constrained"
    )
    panels = figure.subplots(1, 3, width_ratios=widths)
    has_ct = case.image is not None
    images: Sequence[NDArray[np.float64] | None] = [None] * len(planes)
    if case.image is not None:
        images = hu_of(case.image, [(plane, STEP_MM) for plane in planes])
    for panel, plane, image in zip(panels, planes, images, strict=True):
        _draw(panel, plane, image, [(shown, "solid"), (others, DASHED)])
    figure.legend(
        handles=_legend([(shown, "solid"), (others, DASHED)], on_dark=has_ct),
        loc="outside lower center",
        ncols=min(6, len(shown) + len(others)),
        frameon=has_ct,
        facecolor="#202020" if has_ct else "white",
        labelcolor="white" if has_ct else "black",
        fontsize=9,
    )
    return figure


def _view(case: Case, targets: Sequence[Structure]) -> Box:
    """Return the box around all targets with room beside it, within the image."""
    bounds = np.array([structure.bounds_mm for structure in targets])
    low, high = bounds[:, 0].min(axis=0) - AROUND_MM, bounds[:, 1].max(axis=0) + AROUND_MM
    if case.image is not None:
        shape = case.image.grid.shape
        ends = np.array(np.meshgrid(*[(0, size - 1) for size in shape])).reshape(3, -1).T
        corners = case.image.grid.to_patient(ends)
        inner_low, inner_high = (
            np.maximum(low, corners.min(axis=0)),
            np.minimum(high, corners.max(axis=0)),
        )
        if (inner_high - inner_low > AROUND_MM).all():
            low, high = inner_low, inner_high
    (x0, y0, z0), (x1, y1, z1) = low.tolist(), high.tolist()
    return Box((x0, y0, z0), (x1, y1, z1))


def _draw(
    panel: Any,
    plane: PicturePlane,
    hu: NDArray[np.float64] | None,
    groups: Sequence[tuple[Sequence[Structure], Any]],
) -> None:
    extent = (0.0, plane.width_mm, plane.height_mm, 0.0)
    if hu is not None:
        low = LEVEL_HU - WINDOW_HU / 2
        panel.imshow(
            hu,
            cmap="gray",
            vmin=low,
            vmax=low + WINDOW_HU,
            extent=extent,
            interpolation="bilinear",
        )
    rows, columns = plane.shape(STEP_MM)
    down, right = np.arange(rows) * STEP_MM, np.arange(columns) * STEP_MM
    for structures, style in groups:
        for structure in structures:
            inside = inside_on(plane, structure, STEP_MM)
            if inside.any():
                colour = _line_colour(structure, on_dark=hu is not None)
                panel.contour(
                    right, down, inside, levels=[0.5], colors=[colour], linewidths=1.4,
                    linestyles=[style],
                )  # fmt: skip
    panel.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", xticks=[], yticks=[])
    panel.set_title(f"{plane.name}, {'xyz'[plane.axis]} = {plane.position_mm:.1f} mm", fontsize=10)
    panel.set_facecolor("black" if hu is not None else "white")
    for letter, place in zip(
        plane.letters, ((0.02, 0.5), (0.98, 0.5), (0.5, 0.98), (0.5, 0.02)), strict=True
    ):
        panel.text(
            *place, letter, transform=panel.transAxes, fontsize=10, fontweight="bold",
            color="white" if hu is not None else "black",
            ha="left" if place[0] < 0.1 else "right" if place[0] > 0.9 else "center",
            va="top" if place[1] > 0.9 else "bottom" if place[1] < 0.1 else "center",
        )  # fmt: skip


def _legend(groups: Sequence[tuple[Sequence[Structure], Any]], *, on_dark: bool) -> list[Any]:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - heavy

    # a dollar sign would open mathematical text
    return [
        Line2D(
            [], [], color=_line_colour(structure, on_dark=on_dark), linestyle=style,
            label=f"{visible(structure.name, 40)} {structure.volume_cc:.1f} cc".replace("$", r"\$"),
        )
        for structures, style in groups
        for structure in structures
    ]  # fmt: skip


def _line_colour(structure: Structure, *, on_dark: bool) -> str:
    inks = ink(structure.colour)
    return inks.dark if on_dark else inks.light
