"""Tiny plans for cohort tests: a cord, a liver with a GTV and a PTV in a dose that falls linearly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.dicom_writer import CaseWriter, Roi, Rx, axial_grid, box_ring, prism

PROTOCOL = """\
schema: planeval.protocol/1
id: small
version: "1"
title: Small
review: {status: draft}
dose_basis: physical
structures:
  Liver-GTV: {derive: "Liver - GTV"}
constraints:
  - id: cord
    kind: limit
    structure: SpinalCord
    metric: "Max[Gy]"
    per_protocol: "<= 45"
  - any:
      id: liver
      kind: recommendation
      members:
        - {id: liver-mean, structure: Liver-GTV, metric: "Mean[Gy]", per_protocol: "<= 30"}
        - {id: liver-spare, structure: Liver-GTV, metric: "CV5Gy[cc]", per_protocol: ">= 300"}
  - {id: target, kind: information, for_each: target, metric: "D95%[Gy]"}
"""

HEIGHTS = (-4.0, -2.0, 0.0, 2.0, 4.0)


def rois(cord: str = "SpinalCord", extra: str = "") -> list[Roi]:
    """Return the structures of a small plan; ``extra`` names one more."""
    found = [
        Roi("External", prism(box_ring(40, 40), HEIGHTS), type="EXTERNAL"),
        Roi("Liver", prism(box_ring(30, 24, (2, 0)), HEIGHTS)),
        Roi("GTV", prism(box_ring(8, 8, (8, 0)), HEIGHTS[1:4]), type="GTV"),
        Roi("PTV", prism(box_ring(12, 12, (8, 0)), HEIGHTS), type="PTV"),
        Roi(cord, prism(box_ring(4, 4, (-14, 0)), HEIGHTS)),
    ]
    return [*found, Roi(extra, prism(box_ring(3, 3), HEIGHTS))] if extra else found


def write_plan(folder, patient="P1", *, label="PLAN", gy=40.0, what="", **options) -> CaseWriter:
    """Write RTSTRUCT, RTPLAN and RTDOSE of one plan; ``what`` makes other UIDs of one patient.

    Options: ``name`` (the patient's), ``structures``, ``plan`` and ``dose`` (edits of their
    datasets), ``rois``, ``target``, ``frame`` (a writer whose frame and structure set to share).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name = options.get("name", f"Patient^{patient}")
    writer = CaseWriter(folder, patient_id=patient, patient_name=name)
    shared = options.get("frame")
    if shared is None:
        writer.structures(
            options.get("rois") or rois(), what=f"structures{what}",
            edit=options.get("structures"),
        )  # fmt: skip
    else:
        writer.structure_uid, writer.rois = shared.structure_uid, shared.rois
    target = Rx(options.get("target", "PTV"), gy)
    writer.plan([target], fractions=20, label=label, what=f"plan{what}", edit=options.get("plan"))
    grid = axial_grid((9, 24, 24), spacing_mm=(2.0, 2.0, 2.0), origin_mm=(-23, -23, -8))
    ramp = np.linspace(0.1, 1.0, 24) * gy
    values = np.broadcast_to(ramp, grid.shape)
    writer.dose(grid, values, what=f"dose{what}", edit=options.get("dose"))
    return writer


def edit(**values):
    """Return an edit that sets elements of a dataset."""

    def change(dataset):
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change
