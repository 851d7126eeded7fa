"""The planning image: its geometry from every slice, its HU only when asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planeval.geometry.grid import Grid

__all__ = ["Image"]

HuReader = Callable[[tuple[Path, ...], Grid], NDArray[np.int16]]


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A CT series as one grid. ``paths`` are its slices in the order of the grid's planes.

    ``digest`` is the SHA-256 over the sorted (SOPInstanceUID, geometry) of its slices: a digest of
    the geometry, not of the pixels. ``reader`` reads HU; it is given by whoever made the image.
    """

    grid: Grid
    series_uid: str
    sop_uids: tuple[str, ...]
    paths: tuple[Path, ...]
    digest: str
    reader: HuReader = field(repr=False)
    description: str = ""

    def hu(self) -> NDArray[np.int16]:
        """Read the Hounsfield units, shape (k, j, i). Reads every file at each call."""
        return self.reader(self.paths, self.grid)

    @staticmethod
    def geometry_digest(items: list[tuple[str, str]]) -> str:
        """SHA-256 over sorted (uid, geometry text) pairs."""
        text = "\n".join(f"{uid} {geometry}" for uid, geometry in sorted(items))
        return hashlib.sha256(text.encode()).hexdigest()
