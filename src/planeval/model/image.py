"""The planning image: its geometry from every slice, its HU only when asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planeval.geometry.grid import Grid

__all__ = ["Image", "Window"]

Window = tuple[slice, slice, slice]
"""A block of voxels: start and stop along k, j and i, without steps."""

HuReader = Callable[[tuple[Path, ...], Grid, Sequence[Window]], list[NDArray[np.int16]]]


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
        (whole,) = self.hu_in([(slice(None), slice(None), slice(None))])
        return whole

    def hu_in(self, windows: Sequence[Window]) -> list[NDArray[np.int16]]:
        """Read the Hounsfield units of some blocks of voxels, each of shape (k, j, i).

        One pass over the files with a slice in any block; no more than the blocks is kept.
        """
        return self.reader(self.paths, self.grid, windows)

    @staticmethod
    def geometry_digest(items: list[tuple[str, str]]) -> str:
        """SHA-256 over sorted (uid, geometry text) pairs."""
        text = "\n".join(f"{uid} {geometry}" for uid, geometry in sorted(items))
        return hashlib.sha256(text.encode()).hexdigest()
