"""The clinical-size case of the benchmark: the same bytes on every run with the same pydicom.

A liver plan of 55 Gy in 25 fractions: CT 512 x 512 x 160 (0.977 mm, 2.5 mm), 25 ROIs with about
1860 contours and 516 000 points, a dose of 180 x 130 x 160 voxels of 2.5 mm in 32 bit, and the plan
that links them. Outlines are wiggly, about 1 mm from point to point; holes, a keyhole, a
CLOSEDPLANAR_XOR shell, nested shells, islands and a target of 0.3 cc are among them. Size and shape
of the data are clinical, the anatomy is only roughly so: organs are blobs, and some overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, ImplicitVRLittleEndian, generate_uid

__all__ = ["describe", "write_case"]

Floats = NDArray[np.float64]

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"

SLICES = 160
SLICE_MM = 2.5
HEIGHTS_MM = -200.0 + SLICE_MM * np.arange(SLICES)
CT_PIXELS, CT_PIXEL_MM = 512, 0.977
CT_CORNER_MM = -CT_PIXEL_MM * (CT_PIXELS - 1) / 2
DOSE_COLUMNS, DOSE_ROWS, DOSE_PIXEL_MM = 180, 130, 2.5
DOSE_CORNER_MM = (-223.75, -161.25)
RX_GY, FRACTIONS = 55.0, 25
SPACING_MM = 0.915  # from point to point


@dataclass(frozen=True)
class Blob:
    """A wiggly ellipsoid; ``bluntness`` 2 is round at its ends, more is closer to a cylinder."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    seed: int
    wiggle: float = 0.05
    bluntness: float = 2.0

    def grown(self, mm: float) -> Blob:
        """The same wiggles on radii larger by ``mm``: it contains this blob."""
        a, b, c = self.radii
        return Blob(self.centre, (a + mm, b + mm, c + mm), self.seed, self.wiggle, self.bluntness)

    def outline(self, z: float, spacing_mm: float, points: int | None = None) -> Floats | None:
        """The (n, 2) outline at a height, None above and below the blob."""
        depth = abs(z - self.centre[2]) / self.radii[2]
        if depth >= 0.985:
            return None
        angle = np.linspace(0, 2 * np.pi, 2881)
        radius = self._radius(angle, z) * (1 - depth**self.bluntness) ** (1 / self.bluntness)
        drift = 0.03 * (z - self.centre[2])
        x = self.centre[0] + drift + radius * np.cos(angle)
        y = self.centre[1] - drift + radius * np.sin(angle)
        along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        count = points or max(12, round(along[-1] / spacing_mm))
        at = np.linspace(0, along[-1], count, endpoint=False)
        return np.stack([np.interp(at, along, x), np.interp(at, along, y)], axis=1)

    def _radius(self, angle: Floats, z: float) -> Floats:
        a, b, _ = self.radii
        rng = np.random.default_rng(self.seed)
        wave = np.zeros_like(angle)
        for order, size in ((2, 1.0), (3, 0.8), (5, 0.6), (8, 0.3), (13, 0.12), (34, 0.05)):
            phase, turn = rng.uniform(0, 2 * np.pi), rng.uniform(-0.02, 0.02)
            wave += size * np.cos(order * angle + phase + turn * z)
        return (1 + self.wiggle * wave / 2) / np.hypot(np.cos(angle) / a, np.sin(angle) / b)


@dataclass(frozen=True)
class Roi:
    """One ROI: the outlines of a height, how they combine, and how they are written."""

    name: str
    outlines: Callable[[float], list[Floats]]
    interpreted: str = "ORGAN"
    geometric_type: str = "CLOSED_PLANAR"
    decimals: int = 2


BODY = Blob((0, 0, 0), (180, 116, 1e4), 1, wiggle=0.03)
LIVER = Blob((-72, -5, -10), (84, 78, 72), 2, bluntness=2.6)
GTV = Blob((-85, 5, 0), (26, 24, 22), 3, wiggle=0.10)
CTV, PTV = GTV.grown(5), GTV.grown(10)
LUNG_R = Blob((-86, 8, 112), (62, 78, 84), 4, bluntness=3)
LUNG_L = Blob((88, 10, 112), (56, 76, 84), 5, bluntness=3)
KIDNEY_R = Blob((-62, 62, -105), (27, 29, 54), 6)
KIDNEY_L = Blob((66, 62, -85), (27, 29, 54), 7)
ESOPHAGUS = Blob((6, 34, 110), (10, 8, 89), 8, bluntness=8)
STOMACH = Blob((62, -34, -5), (46, 38, 56), 9)
DUODENUM = Blob((-12, -8, -62), (30, 17, 40), 10, wiggle=0.10)
HEART = Blob((26, -36, 96), (52, 44, 48), 11)
CORD = Blob((0, 66, 0), (6.5, 5.5, 1e4), 12, wiggle=0.02)
SPLEEN = Blob((112, 38, 18), (29, 44, 52), 13)
GALLBLADDER = Blob((-38, -58, -50), (14, 17, 26), 14)
TINY = Blob((-20, -30, -1.25), (3.9, 3.9, 4.6), 15, wiggle=0.03)
CHEST = Blob((0, 0, 60), (158, 102, 62), 16, wiggle=0.03, bluntness=12)
COLON = (
    Blob((-108, -8, -135), (24, 22, 62), 17, bluntness=4),
    Blob((112, 6, -118), (20, 21, 80), 18, bluntness=4),
    Blob((0, -78, -110), (86, 17, 20), 19),
)
LOOPS = tuple(
    Blob((x, y, -140.0 + 3 * column), (14, 13, 36.5), 40 + 3 * column + row, 0.10, 4)
    for column, x in enumerate((-56.0, -18.0, 20.0, 58.0))
    for row, y in enumerate((-46.0, -14.0, 18.0))
)


def solid(*blobs: Blob, spacing_mm: float = SPACING_MM) -> Callable[[float], list[Floats]]:
    """One outline per blob and height; a blob inside another is a hole."""

    @cache
    def outlines(z: float) -> list[Floats]:
        drawn = (blob.outline(z, spacing_mm) for blob in blobs)
        return [outline for outline in drawn if outline is not None]

    return outlines


def body(z: float) -> list[Floats]:
    """The skin: 600 points on every slice."""
    outline = BODY.outline(z, SPACING_MM, points=600)
    return [] if outline is None else [outline]


def keyhole(outer: Blob, inner: Blob) -> Callable[[float], list[Floats]]:
    """A ring as one outline: out, through a channel of no width, round the hole, and back."""

    def outlines(z: float) -> list[Floats]:
        outside, inside = outer.outline(z, SPACING_MM), inner.outline(z, SPACING_MM)
        if outside is None:
            return []
        if inside is None:
            return [outside]
        around = [outside, outside[:1], inside[:1], inside[::-1]]
        return [np.concatenate(around)]

    return outlines


ROIS = (
    Roi("BODY", body, "EXTERNAL", decimals=3),
    Roi("Liver", solid(LIVER), decimals=3),
    Roi("GTV", solid(GTV), "GTV", decimals=3),
    Roi("CTV", solid(CTV), "CTV", decimals=4),
    Roi("PTV", solid(PTV), "PTV"),
    Roi("Lung_L", solid(LUNG_L), decimals=3),
    Roi("Lung_R", solid(LUNG_R)),
    Roi("Lungs", solid(LUNG_L, LUNG_R), decimals=4),
    Roi("Kidney_L", solid(KIDNEY_L), decimals=3),
    Roi("Kidney_R", solid(KIDNEY_R)),
    Roi("Bowel_Small", solid(*LOOPS), decimals=3),
    Roi("Colon", solid(*COLON)),
    Roi("Esophagus", solid(ESOPHAGUS), decimals=4),
    Roi("Stomach", solid(STOMACH)),
    Roi("Duodenum", solid(DUODENUM), decimals=3),
    Roi("Heart", solid(HEART)),
    Roi("SpinalCord", solid(CORD), decimals=3),
    Roi("Spleen", solid(SPLEEN)),
    Roi("Gallbladder", solid(GALLBLADDER)),
    Roi("Liver-GTV", solid(LIVER, GTV), decimals=3),
    Roi("Ring_keyhole", keyhole(PTV.grown(20), PTV.grown(3)), "AVOIDANCE"),
    Roi("Shell_XOR", solid(PTV.grown(30), PTV.grown(8)), "AVOIDANCE", "CLOSEDPLANAR_XOR", 3),
    Roi("ChestWall", solid(CHEST, CHEST.grown(-18)), "AVOIDANCE", decimals=4),
    Roi("Ring_20mm", solid(PTV.grown(20), PTV), "AVOIDANCE"),
    Roi("Tiny", solid(TINY, spacing_mm=0.8), "GTV", decimals=4),
)

# Painted in this order; stored values are HU + 1024.
HOUNSFIELD = (
    (body, 10), (solid(LUNG_R), -760), (solid(LUNG_L), -760), (solid(LIVER), 60),
    (solid(HEART), 45), (solid(STOMACH), 20), (solid(SPLEEN), 55), (solid(KIDNEY_R), 35),
    (solid(KIDNEY_L), 35), (solid(*LOOPS), 15), (solid(*COLON), -80), (solid(DUODENUM), 25),
    (solid(ESOPHAGUS), 30), (solid(GALLBLADDER), 8), (solid(CORD), 40), (solid(GTV), 85),
)  # fmt: skip


def write_case(folder: Path) -> None:
    """Write the CT, RTSTRUCT, RTDOSE and RTPLAN of the case into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _save(_structure_set(), folder / "RS.dcm")
    _save(_dose(), folder / "RD.dcm")
    _save(_plan(), folder / "RP.dcm")
    for index, image in enumerate(_images()):
        _save(image, folder / f"CT_{index:03d}.dcm")


def describe(folder: Path) -> str:
    """Say in a few lines how large the case is."""
    structures = pydicom.dcmread(folder / "RS.dcm")
    items = [item for roi in structures.ROIContourSequence for item in roi.ContourSequence]
    points = sum(int(item.NumberOfContourPoints) for item in items)
    dose = pydicom.dcmread(folder / "RD.dcm")
    size = (folder / "RS.dcm").stat().st_size / 1e6
    return (
        f"RTSTRUCT {size:.2f} MB, {len(structures.StructureSetROISequence)} ROIs, "
        f"{len(items)} contours, {points} points\n"
        f"RTDOSE {dose.Columns} x {dose.Rows} x {dose.NumberOfFrames}, {dose.BitsAllocated} bit, "
        f"highest {dose.pixel_array.max() * float(dose.DoseGridScaling):.2f} Gy\n"
        f"CT {CT_PIXELS} x {CT_PIXELS} x {len(list(folder.glob('CT_*.dcm')))}"
    )


def _uid(name: str) -> UID:
    return generate_uid(entropy_srcs=["clinical-size benchmark case", name])


def _common(sop_class: str, modality: str, name: str) -> Dataset:
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 100"
    item.SOPClassUID, item.SOPInstanceUID = sop_class, _uid(name)
    item.StudyDate, item.StudyTime = "20250101", "120000"
    item.AccessionNumber, item.Modality, item.Manufacturer = "", modality, "benchmark"
    item.ReferringPhysicianName = ""
    item.PatientName, item.PatientID = "Benchmark^Clinical", "BENCHMARK"
    item.PatientBirthDate, item.PatientSex = "", "O"
    item.StudyInstanceUID, item.SeriesInstanceUID = _uid("study"), _uid(f"series {modality}")
    item.StudyID, item.SeriesNumber = "1", 1
    item.FrameOfReferenceUID, item.PositionReferenceIndicator = _uid("frame"), ""
    return item


def _save(item: Dataset, path: Path) -> None:
    item.file_meta = FileMetaDataset()
    item.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    item.save_as(path, enforce_file_format=True)


def _reference(sop_class: str, name: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, _uid(name)
    return item


def _images() -> Iterator[Dataset]:
    rng = np.random.default_rng(7)
    for index, z in enumerate(HEIGHTS_MM):
        picture = Image.new("F", (CT_PIXELS, CT_PIXELS), 24.0)
        painter = ImageDraw.Draw(picture)
        for outlines, value in HOUNSFIELD:
            for outline in outlines(float(z)):
                pixels = (outline - CT_CORNER_MM) / CT_PIXEL_MM
                painter.polygon(pixels.ravel().tolist(), fill=value + 1024.0)
        stored = np.asarray(picture) + rng.normal(0, 12, (CT_PIXELS, CT_PIXELS))
        image = _common(CT_IMAGE, "CT", f"image {index}")
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.InstanceNumber, image.KVP, image.AcquisitionNumber = index + 1, "120", 1
        image.PatientPosition = "HFS"
        image.ImagePositionPatient = [CT_CORNER_MM, CT_CORNER_MM, float(z)]
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.PixelSpacing, image.SliceThickness = [CT_PIXEL_MM, CT_PIXEL_MM], SLICE_MM
        image.SliceLocation, image.RescaleIntercept, image.RescaleSlope = float(z), -1024, 1
        _pixels(image, stored.clip(0, 4095).round().astype("<u2"))
        yield image


def _pixels(item: Dataset, stored: NDArray[np.unsignedinteger]) -> None:
    bits = stored.itemsize * 8
    item.SamplesPerPixel, item.PhotometricInterpretation = 1, "MONOCHROME2"
    item.Rows, item.Columns = stored.shape[-2:]
    item.BitsAllocated, item.BitsStored, item.HighBit = bits, bits, bits - 1
    item.PixelRepresentation = 0
    item.add_new("PixelData", "OW", stored.tobytes())


def _structure_set() -> Dataset:
    item = _common(RT_STRUCTURE_SET, "RTSTRUCT", "structures")
    item.StructureSetLabel = "CLINICAL"
    item.StructureSetDate, item.StructureSetTime = "20250101", "120000"
    series = Dataset()
    series.SeriesInstanceUID = _uid("series CT")
    series.ContourImageSequence = [_reference(CT_IMAGE, f"image {i}") for i in range(SLICES)]
    study = _reference("1.2.840.10008.3.1.2.3.1", "study")
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = _uid("frame"), [study]
    item.ReferencedFrameOfReferenceSequence = [frame]
    numbered = list(enumerate(ROIS, start=1))
    item.StructureSetROISequence = [_roi(number, roi) for number, roi in numbered]
    item.ROIContourSequence = [_roi_contours(number, roi) for number, roi in numbered]
    item.RTROIObservationsSequence = [_observation(number, roi) for number, roi in numbered]
    item.ApprovalStatus = "UNAPPROVED"
    return item


def _roi(number: int, roi: Roi) -> Dataset:
    item = Dataset()
    item.ROINumber, item.ROIName = number, roi.name
    item.ReferencedFrameOfReferenceUID, item.ROIGenerationAlgorithm = _uid("frame"), "MANUAL"
    return item


def _observation(number: int, roi: Roi) -> Dataset:
    item = Dataset()
    item.ObservationNumber, item.ReferencedROINumber = number, number
    item.RTROIInterpretedType, item.ROIInterpreter = roi.interpreted, ""
    return item


def _roi_contours(number: int, roi: Roi) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber = number
    item.ROIDisplayColor = [37 * number % 256, 91 * number % 256, 151 * number % 256]
    item.ContourSequence = [
        _contour(roi, index, outline)
        for index, z in enumerate(HEIGHTS_MM)
        for outline in roi.outlines(float(z))
    ]
    return item


def _contour(roi: Roi, index: int, outline: Floats) -> Dataset:
    item = Dataset()
    item.ContourImageSequence = [_reference(CT_IMAGE, f"image {index}")]
    item.ContourGeometricType, item.NumberOfContourPoints = roi.geometric_type, len(outline)
    xyz = f"%.{roi.decimals}f\\%.{roi.decimals}f\\{HEIGHTS_MM[index]:g}"
    text = "\\".join([xyz] * len(outline)) % tuple(outline.ravel())
    value = text.encode() + b" " * (len(text) % 2)
    tag = Tag("ContourData")
    # Written as bytes: 1.5 million DS objects would cost more than everything else together.
    item[tag] = RawDataElement(tag, "DS", len(value), value, 0, True, True)
    return item


def _dose() -> Dataset:
    gy = _dose_gy()
    scaling = f"{gy.max() / (2**32 - 1):.10e}"
    item = _common(RT_DOSE, "RTDOSE", "dose")
    item.ImagePositionPatient = [*DOSE_CORNER_MM, float(HEIGHTS_MM[0])]
    item.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    item.PixelSpacing, item.SliceThickness = [DOSE_PIXEL_MM, DOSE_PIXEL_MM], SLICE_MM
    item.NumberOfFrames, item.FrameIncrementPointer = SLICES, Tag("GridFrameOffsetVector")
    item.GridFrameOffsetVector = [float(z - HEIGHTS_MM[0]) for z in HEIGHTS_MM]
    item.DoseUnits, item.DoseType, item.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    item.DoseGridScaling = scaling
    item.ReferencedRTPlanSequence = [_reference(RT_PLAN, "plan")]
    item.ReferencedStructureSetSequence = [_reference(RT_STRUCTURE_SET, "structures")]
    _pixels(item, (gy / float(scaling)).clip(0, 2**32 - 1).round().astype("<u4"))
    return item


def _dose_gy() -> Floats:
    """Flat in the PTV, a steep and a slow falloff around it, streaks of arcs, nothing in air."""
    x = DOSE_CORNER_MM[0] + DOSE_PIXEL_MM * np.arange(DOSE_COLUMNS)
    y = (DOSE_CORNER_MM[1] + DOSE_PIXEL_MM * np.arange(DOSE_ROWS))[:, None]
    z = HEIGHTS_MM[:, None, None]
    (cx, cy, cz), (a, b, c) = PTV.centre, PTV.radii
    away = np.sqrt(((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 + ((z - cz) / c) ** 2)
    beyond_mm = np.maximum(away - 1.03, 0.0) * (a * b * c) ** (1 / 3)
    falloff = 0.72 * np.exp(-beyond_mm / 11) + 0.28 * np.exp(-beyond_mm / 60)
    streaks = 1 + 0.3 * np.cos(7 * np.arctan2(y - cy, x - cx)) * (1 - np.exp(-beyond_mm / 25))
    ripple = 1.045 + 0.025 * np.cos(x / 9) * np.cos(y / 11) * np.cos(z / 8)
    skin = (1 - np.hypot(x / BODY.radii[0], y / BODY.radii[1])) * BODY.radii[1]
    dose_gy: Floats = RX_GY * ripple * falloff * streaks / (1 + np.exp(-skin / 2.0))
    return dose_gy


def _plan() -> Dataset:
    item = _common(RT_PLAN, "RTPLAN", "plan")
    item.RTPlanLabel, item.RTPlanDate, item.RTPlanTime = "CLINICAL", "20250101", "120000"
    item.RTPlanGeometry = "PATIENT"
    target = Dataset()
    target.DoseReferenceNumber, target.DoseReferenceStructureType = 1, "VOLUME"
    target.DoseReferenceType, target.TargetPrescriptionDose = "TARGET", RX_GY
    target.ReferencedROINumber = 1 + [roi.name for roi in ROIS].index("PTV")
    item.DoseReferenceSequence = [target]
    group = Dataset()
    group.FractionGroupNumber, group.NumberOfFractionsPlanned = 1, FRACTIONS
    group.NumberOfBeams, group.NumberOfBrachyApplicationSetups = 2, 0
    group.ReferencedBeamSequence = [_referenced_beam(number) for number in (1, 2)]
    item.FractionGroupSequence = [group]
    item.BeamSequence = [_beam(number) for number in (1, 2)]
    item.ReferencedStructureSetSequence = [_reference(RT_STRUCTURE_SET, "structures")]
    item.ApprovalStatus = "UNAPPROVED"
    return item


def _referenced_beam(number: int) -> Dataset:
    item = Dataset()
    item.ReferencedBeamNumber, item.BeamMeterset, item.BeamDose = number, 310.0, 1.1
    return item


def _beam(number: int) -> Dataset:
    item = Dataset()
    item.BeamNumber, item.BeamName, item.BeamType = number, f"Arc {number}", "DYNAMIC"
    item.RadiationType, item.TreatmentDeliveryType = "PHOTON", "TREATMENT"
    item.Manufacturer, item.TreatmentMachineName, item.PrimaryDosimeterUnit = "", "LINAC", "MU"
    item.SourceAxisDistance, item.NumberOfWedges, item.NumberOfCompensators = 1000, 0, 0
    item.NumberOfBoli, item.NumberOfBlocks, item.FinalCumulativeMetersetWeight = 0, 0, 1
    item.NumberOfControlPoints = 2
    start, end = Dataset(), Dataset()
    start.ControlPointIndex, start.CumulativeMetersetWeight = 0, 0
    start.NominalBeamEnergy, start.IsocenterPosition = 6, list(PTV.centre)
    start.GantryAngle, start.GantryRotationDirection = 181, "CW"
    start.BeamLimitingDeviceAngle, start.PatientSupportAngle = 10 * number, 0
    end.ControlPointIndex, end.CumulativeMetersetWeight = 1, 1
    end.GantryAngle, end.GantryRotationDirection = 179, "NONE"
    item.ControlPointSequence = [start, end]
    return item
