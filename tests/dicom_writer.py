"""Write small synthetic DICOM-RT files for tests: CT, RTSTRUCT, RTDOSE, RTPLAN, in any orientation.

One :class:`CaseWriter` is one patient in one frame of reference; what it writes is linked by UID::

    writer = CaseWriter(tmp_path)
    grid = axial_grid((20, 30, 30), spacing_mm=(2.5, 2.0, 2.0), origin_mm=(-29, -29, -25))
    writer.ct(grid)
    writer.structures([Roi("PTV", prism(box_ring(20, 20), heights=[-5, 0, 5]))])
    writer.plan([Rx("PTV", 55.0)], fractions=25)
    writer.dose(grid, np.full(grid.shape, 55.0))

Every writing method takes ``edit``, a function that changes the pydicom dataset just before it is
saved (that is how broken files are made), ``name`` (the file's name), ``syntax`` (a transfer syntax
UID) and ``preamble``. UIDs are deterministic and readable: ``writer.uid("dose 2")``.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import ArrayLike, NDArray
from pydicom import config
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from planeval.geometry.grid import Grid

__all__ = [
    "BeamSpec",
    "CaseWriter",
    "Roi",
    "Rx",
    "axial_grid",
    "box_ring",
    "circle_ring",
    "prism",
    "turned_grid",
]

Edit = Callable[[Dataset], None]

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
RT_ION_PLAN = "1.2.840.10008.5.1.4.1.1.481.8"
REGISTRATION = "1.2.840.10008.5.1.4.1.1.66.1"

ORIENTATIONS: dict[str, tuple[float, ...]] = {
    "HFS": (1, 0, 0, 0, 1, 0),
    "HFP": (-1, 0, 0, 0, -1, 0),
    "FFS": (-1, 0, 0, 0, 1, 0),
    "FFP": (1, 0, 0, 0, -1, 0),
    "HFDR": (0, -1, 0, 1, 0, 0),
    "HFDL": (0, 1, 0, -1, 0, 0),
    "SAGITTAL": (0, 1, 0, 0, 0, -1),
    "CORONAL": (1, 0, 0, 0, 0, -1),
}
"""Row and column directions of an image whose rows run as a viewer of that position sees them."""


@dataclass
class Roi:
    """An ROI to write. ``contours`` are (n, 3) patient mm; None leaves the ContourSequence away.

    ``geometric_type`` is one term for all contours or one per contour. ``texts`` replaces the
    ContourData of contours by raw text where given (None keeps the numbers); it need not be legal.
    """

    name: str
    contours: Sequence[ArrayLike] | None = ()
    number: int | None = None
    type: str = "ORGAN"
    geometric_type: str | Sequence[str] = "CLOSED_PLANAR"
    colour: tuple[int, int, int] | None = (255, 0, 0)
    frame_uid: str | None = None
    slab_thickness_mm: float | None = None
    texts: Sequence[str | None] | None = None
    decimals: int = 4


@dataclass
class Rx:
    """A dose reference to write: to an ROI by name (VOLUME), a SITE, or COORDINATES."""

    target: str
    total_gy: float | None
    kind: str = "VOLUME"
    role: str = "TARGET"
    point_mm: tuple[float, float, float] | None = None
    roi_number: int | None = None


@dataclass
class BeamSpec:
    """A beam to write, in the fraction group it names."""

    number: int
    name: str = ""
    delivery_type: str = "TREATMENT"
    meterset: float | None = 100.0
    group: int = 1
    isocentre_mm: tuple[float, float, float] | None = (0.0, 0.0, 0.0)


def axial_grid(
    shape: tuple[int, int, int],
    *,
    spacing_mm: tuple[float, float, float] = (3.0, 2.0, 2.0),
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    offsets_mm: Sequence[float] | None = None,
) -> Grid:
    """Make an axial grid of (planes, rows, columns); spacing is (plane, row, column)."""
    return turned_grid(
        "HFS", shape, spacing_mm=spacing_mm, origin_mm=origin_mm, offsets_mm=offsets_mm
    )


def turned_grid(
    orientation: str | Sequence[float],
    shape: tuple[int, int, int],
    *,
    spacing_mm: tuple[float, float, float] = (3.0, 2.0, 2.0),
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    offsets_mm: Sequence[float] | None = None,
) -> Grid:
    """Make a grid in an orientation: a name of ``ORIENTATIONS`` or six direction cosines."""
    cosines = ORIENTATIONS[orientation] if isinstance(orientation, str) else tuple(orientation)
    planes, rows, columns = shape
    plane_mm, row_mm, column_mm = spacing_mm
    offsets = [plane_mm * k for k in range(planes)] if offsets_mm is None else offsets_mm
    return Grid(
        origin_mm=origin_mm,
        row=cosines[:3],  # type: ignore[arg-type]
        column=cosines[3:],  # type: ignore[arg-type]
        row_step_mm=row_mm,
        column_step_mm=column_mm,
        rows=rows,
        columns=columns,
        offsets_mm=tuple(offsets),
    )


def box_ring(
    width_mm: float, height_mm: float, centre: tuple[float, float] = (0.0, 0.0)
) -> NDArray[np.float64]:
    """Return the four corners of a rectangle in its plane, (4, 2)."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    return np.asarray(centre) + corners * [width_mm, height_mm]


def circle_ring(
    radius_mm: float, centre: tuple[float, float] = (0.0, 0.0), points: int = 64
) -> NDArray[np.float64]:
    """Return the corners of a regular polygon in its plane, (points, 2)."""
    angle = 2 * np.pi * np.arange(points) / points
    return np.asarray(centre) + radius_mm * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def prism(
    ring: ArrayLike,
    heights: Sequence[float],
    *,
    row: tuple[float, float, float] = (1, 0, 0),
    column: tuple[float, float, float] = (0, 1, 0),
) -> list[NDArray[np.float64]]:
    """Repeat a planar ring at heights along row x column, as (n, 3) patient contours."""
    flat = np.asarray(ring, dtype=float)
    axes = np.stack([row, column, np.cross(row, column)]).astype(float)
    return [np.column_stack([flat, np.full(len(flat), float(h))]) @ axes for h in heights]


@dataclass
class CaseWriter:
    """Writes the files of one patient; what is written later refers to what was written before."""

    folder: Path
    patient_id: str = "P1"
    patient_name: str = "Test^Patient"
    label: str = ""
    ct_uids: list[str] = field(default_factory=list)
    rois: list[Roi] = field(default_factory=list)
    structure_uid: str = ""
    plan_uid: str = ""
    dose_uids: list[str] = field(default_factory=list)

    def uid(self, what: str) -> str:
        """Return a deterministic UID for a text, unlike those of other patients and labels."""
        digest = hashlib.sha256(f"{self.patient_id}/{self.label}/{what}".encode()).hexdigest()
        return f"1.2.826.0.1.3680043.8.498.{int(digest[:24], 16)}"

    @property
    def frame_uid(self) -> str:
        """The frame of reference of everything written."""
        return self.uid("frame")

    def ct(
        self,
        grid: Grid,
        hu: ArrayLike | None = None,
        *,
        slope: float = 1.0,
        intercept: float = -1024.0,
        series: str = "ct",
        names: Callable[[int], str] | None = None,
        edit_slice: Callable[[int, Dataset], None] | None = None,
        edit: Edit | None = None,
        syntax: str = ExplicitVRLittleEndian,
    ) -> list[Path]:
        """Write one CT slice per plane of the grid; HU default to 0."""
        values = np.zeros(grid.shape) if hu is None else np.asarray(hu, dtype=float)
        stored = np.round((values - intercept) / slope).astype("<i2")
        paths = []
        for k in range(len(grid.offsets_mm)):
            uid = self.uid(f"{series} {k}")
            ds = self._dataset(CT_IMAGE, uid, "CT", series)
            ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
            ds.InstanceNumber = k + 1
            ds.FrameOfReferenceUID = self.frame_uid
            ds.ImagePositionPatient = [_ds(c) for c in grid.to_patient([[k, 0, 0]])[0]]
            ds.ImageOrientationPatient = [_ds(c) for c in (*grid.row, *grid.column)]
            ds.PixelSpacing = [_ds(grid.row_step_mm), _ds(grid.column_step_mm)]
            ds.RescaleSlope, ds.RescaleIntercept = _ds(slope), _ds(intercept)
            self._pixels(ds, stored[k], signed=True)
            if edit_slice is not None:
                edit_slice(k, ds)
            name = names(k) if names else f"CT.{series}.{k:03d}.dcm"
            paths.append(self._save(ds, name, edit, syntax, True))
            if series == "ct":
                self.ct_uids.append(uid)
        return paths

    def structures(
        self,
        rois: Sequence[Roi],
        *,
        label: str = "STRUCTURES",
        what: str = "structures",
        slab_images: bool = False,
        name: str | None = None,
        edit: Edit | None = None,
        syntax: str = ExplicitVRLittleEndian,
        preamble: bool = True,
    ) -> Path:
        """Write an RTSTRUCT; ``slab_images`` adds a ContourImageSequence to every contour."""
        self.structure_uid = self.uid(what)
        self.rois = list(rois)
        ds = self._dataset(RT_STRUCTURE_SET, self.structure_uid, "RTSTRUCT", what)
        ds.StructureSetLabel = label
        ds.StructureSetDate, ds.StructureSetTime = "20250102", "030405"
        ds.ReferencedFrameOfReferenceSequence = [self._image_reference()]
        roi_items, contour_items, observations = [], [], []
        for index, roi in enumerate(rois):
            number = index + 1 if roi.number is None else roi.number
            roi_items.append(self._roi_item(roi, number))
            if roi.contours is not None:
                contour_items.append(self._contour_item(roi, number, slab_images))
            observations.append(_observation(index + 1, number, roi.type))
        ds.StructureSetROISequence = roi_items
        ds.ROIContourSequence = contour_items
        ds.RTROIObservationsSequence = observations
        return self._save(ds, name or f"RS.{what}.dcm", edit, syntax, preamble)

    def plan(
        self,
        prescriptions: Sequence[Rx] = (),
        *,
        fractions: int | None = 25,
        groups: dict[int, int | None] | None = None,
        beams: Sequence[BeamSpec] = (BeamSpec(1, "Beam 1"),),
        label: str = "PLAN",
        what: str = "plan",
        ion: bool = False,
        name: str | None = None,
        edit: Edit | None = None,
        syntax: str = ExplicitVRLittleEndian,
        preamble: bool = True,
    ) -> Path:
        """Write an RTPLAN or RT Ion Plan on the last structure set; groups: number -> fractions."""
        self.plan_uid = self.uid(what)
        ds = self._dataset(RT_ION_PLAN if ion else RT_PLAN, self.plan_uid, "RTPLAN", what)
        ds.RTPlanLabel, ds.RTPlanGeometry, ds.PlanIntent = label, "PATIENT", "CURATIVE"
        ds.RTPlanDate, ds.RTPlanTime = "20250103", "040506"
        ds.ApprovalStatus = "APPROVED"
        ds.FrameOfReferenceUID = self.frame_uid
        if self.structure_uid:
            ds.ReferencedStructureSetSequence = [_reference(RT_STRUCTURE_SET, self.structure_uid)]
        ds.DoseReferenceSequence = [
            self._dose_reference(index + 1, rx) for index, rx in enumerate(prescriptions)
        ]
        counts = {1: fractions} if groups is None else groups
        ds.FractionGroupSequence = [_fraction_group(n, c, beams) for n, c in counts.items()]
        items = [_beam(beam, ion) for beam in beams]
        if ion:
            ds.IonBeamSequence = items
        else:
            ds.BeamSequence = items
        return self._save(ds, name or f"RP.{what}.dcm", edit, syntax, preamble)

    def dose(
        self,
        grid: Grid,
        gy: ArrayLike,
        *,
        bits: int = 32,
        scaling: float | None = None,
        summation: str = "PLAN",
        units: str = "GY",
        dose_type: str = "PHYSICAL",
        beams: Sequence[int] = (),
        group: int | None = None,
        absolute_offsets: bool = False,
        what: str = "dose",
        name: str | None = None,
        edit: Edit | None = None,
        syntax: str = ExplicitVRLittleEndian,
        preamble: bool = True,
    ) -> Path:
        """Write an RTDOSE of the last plan; ``absolute_offsets`` writes z instead of offsets."""
        values = np.asarray(gy, dtype=float)
        scale = scaling or float(max(np.abs(values).max(), 1e-3) / (2 ** (bits - 1) - 1))
        scale = float(_ds(scale))
        signed = dose_type == "ERROR"
        dtype = np.dtype(f"<{'i' if signed else 'u'}{bits // 8}")
        uid = self.uid(what)
        self.dose_uids.append(uid)
        ds = self._dataset(RT_DOSE, uid, "RTDOSE", what)
        ds.FrameOfReferenceUID = self.frame_uid
        ds.ImagePositionPatient = [_ds(c) for c in grid.origin_mm]
        ds.ImageOrientationPatient = [_ds(c) for c in (*grid.row, *grid.column)]
        ds.PixelSpacing = [_ds(grid.row_step_mm), _ds(grid.column_step_mm)]
        start = grid.origin_mm[2] if absolute_offsets else 0.0
        ds.NumberOfFrames = len(grid.offsets_mm)
        ds.FrameIncrementPointer = 0x3004000C
        ds.GridFrameOffsetVector = [_ds(start + offset) for offset in grid.offsets_mm]
        ds.DoseUnits, ds.DoseType, ds.DoseSummationType = units, dose_type, summation
        ds.DoseGridScaling = _ds(scale)
        if self.plan_uid:
            ds.ReferencedRTPlanSequence = [self._plan_reference(beams, group)]
        self._pixels(ds, np.round(values / scale).astype(dtype), signed=signed)
        return self._save(ds, name or f"RD.{what}.dcm", edit, syntax, preamble)

    def registration(
        self,
        source_frame: str,
        matrices: ArrayLike | Sequence[ArrayLike],
        *,
        kind: str = "RIGID",
        target_frame: str | None = None,
        what: str = "registration",
        name: str | None = None,
        edit: Edit | None = None,
    ) -> Path:
        """Write a REG that maps a frame into this patient's (or ``target_frame``), by M1 M2 ...

        ``matrices`` is one 4 x 4 matrix or a list of them. As planning systems do, an identity item
        for the object's own frame comes first.
        """
        given = np.asarray(matrices, dtype=float).reshape(-1, 4, 4)
        frame = target_frame or self.frame_uid
        ds = self._dataset(REGISTRATION, self.uid(what), "REG", what)
        ds.FrameOfReferenceUID = frame
        ds.ContentDate, ds.ContentTime = "20250104", "050607"
        ds.ContentLabel, ds.ContentDescription = "REGISTRATION", what
        ds.RegistrationSequence = [
            _registration_item(frame, [np.eye(4)], "RIGID"),
            _registration_item(source_frame, given, kind),
        ]
        return self._save(ds, name or f"RE.{what}.dcm", edit, ExplicitVRLittleEndian, True)

    def _dataset(self, sop_class: str, uid: str, modality: str, series: str) -> Dataset:
        ds = Dataset()
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = sop_class, uid, modality
        ds.PatientID, ds.PatientName = self.patient_id, self.patient_name
        ds.PatientBirthDate, ds.PatientSex = "19700101", "O"
        ds.StudyInstanceUID, ds.StudyDate, ds.StudyTime = self.uid("study"), "20250101", "010203"
        ds.SeriesInstanceUID = self.uid(f"series {series}")
        ds.Manufacturer = "Synthetic"
        return ds

    def _pixels(self, ds: Dataset, stored: NDArray[np.generic], *, signed: bool) -> None:
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows, ds.Columns = stored.shape[-2:]
        bits = stored.dtype.itemsize * 8
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
        ds.PixelRepresentation = int(signed)
        ds.add_new(0x7FE00010, "OW", np.ascontiguousarray(stored).tobytes())

    def _image_reference(self) -> Dataset:
        series = Dataset()
        series.SeriesInstanceUID = self.uid("series ct")
        series.ContourImageSequence = [_reference(CT_IMAGE, uid) for uid in self.ct_uids]
        study = _reference("1.2.840.10008.3.1.2.3.1", self.uid("study"))
        study.RTReferencedSeriesSequence = [series]
        item = Dataset()
        item.FrameOfReferenceUID = self.frame_uid
        if self.ct_uids:
            item.RTReferencedStudySequence = [study]
        return item

    def _roi_item(self, roi: Roi, number: int) -> Dataset:
        item = Dataset()
        item.ROINumber = number
        item.ReferencedFrameOfReferenceUID = roi.frame_uid or self.frame_uid
        item.ROIName = roi.name
        item.ROIGenerationAlgorithm = "MANUAL"
        return item

    def _contour_item(self, roi: Roi, number: int, slab_images: bool) -> Dataset:
        item = Dataset()
        item.ReferencedROINumber = number
        if roi.colour is not None:
            item.ROIDisplayColor = list(roi.colour)
        contours = []
        for index, points in enumerate(roi.contours or ()):
            array = np.asarray(points, dtype=float).reshape(-1, 3)
            contour = Dataset()
            kind = roi.geometric_type
            contour.ContourGeometricType = kind if isinstance(kind, str) else kind[index]
            contour.NumberOfContourPoints = len(array)
            if roi.slab_thickness_mm is not None:
                contour.ContourSlabThickness = _ds(roi.slab_thickness_mm)
            if slab_images and self.ct_uids:
                uid = self.ct_uids[min(index, len(self.ct_uids) - 1)]
                contour.ContourImageSequence = [_reference(CT_IMAGE, uid)]
            text = roi.texts[index] if roi.texts is not None else None
            if text is None:
                contour.ContourData = [f"{value:.{roi.decimals}f}" for value in array.ravel()]
            else:
                contour.add_new(0x30060050, "OB", text.encode() + b" " * (len(text) % 2))
            contours.append(contour)
        item.ContourSequence = contours
        return item

    def _dose_reference(self, number: int, rx: Rx) -> Dataset:
        item = Dataset()
        item.DoseReferenceNumber = number
        item.DoseReferenceStructureType = rx.kind
        item.DoseReferenceDescription = rx.target
        item.DoseReferenceType = rx.role
        if rx.kind == "VOLUME":
            numbers = [n + 1 if r.number is None else r.number for n, r in enumerate(self.rois)]
            names = [r.name for r in self.rois]
            if rx.roi_number is not None:
                item.ReferencedROINumber = rx.roi_number
            elif rx.target in names:
                item.ReferencedROINumber = numbers[names.index(rx.target)]
        if rx.point_mm is not None:
            item.DoseReferencePointCoordinates = [_ds(c) for c in rx.point_mm]
        if rx.total_gy is not None:
            item.TargetPrescriptionDose = _ds(rx.total_gy)
        return item

    def _plan_reference(self, beams: Sequence[int], group: int | None) -> Dataset:
        item = _reference(RT_PLAN, self.plan_uid)
        if beams or group is not None:
            fraction_group = Dataset()
            fraction_group.ReferencedFractionGroupNumber = 1 if group is None else group
            if beams:
                fraction_group.ReferencedBeamSequence = [_numbered_beam(n) for n in beams]
            item.ReferencedFractionGroupSequence = [fraction_group]
        return item

    def _save(self, ds: Dataset, name: str, edit: Edit | None, syntax: str, preamble: bool) -> Path:
        with _permissive():
            return self._written(ds, name, edit, syntax, preamble)

    def _written(
        self, ds: Dataset, name: str, edit: Edit | None, syntax: str, preamble: bool
    ) -> Path:
        if edit is not None:
            edit(ds)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", "")
        meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3")
        meta.TransferSyntaxUID = syntax
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if pydicom.uid.UID(syntax).is_little_endian is False and "PixelData" in ds:
            width = int(ds.BitsAllocated) // 8
            swapped = np.frombuffer(ds.PixelData, dtype=f"<u{width}").astype(f">u{width}")
            ds.PixelData = swapped.tobytes()
        if preamble:
            file = FileDataset(str(path), ds, file_meta=meta, preamble=b"\0" * 128)
            pydicom.dcmwrite(path, file, enforce_file_format=True)
        else:
            buffer = io.BytesIO()
            uid = pydicom.uid.UID(syntax)
            pydicom.dcmwrite(
                buffer, ds, implicit_vr=uid.is_implicit_VR, little_endian=uid.is_little_endian
            )
            path.write_bytes(buffer.getvalue())
        return path


@contextmanager
def _permissive() -> Iterator[None]:
    """Let pydicom write values that are not legal, without a word."""
    modes = config.settings.reading_validation_mode, config.settings.writing_validation_mode
    config.settings.reading_validation_mode = config.IGNORE
    config.settings.writing_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        config.settings.reading_validation_mode, config.settings.writing_validation_mode = modes


def _ds(value: float) -> str:
    """Write a number as a decimal string of at most 16 characters."""
    text = f"{float(value):.10g}"
    return text if len(text) <= 16 else f"{float(value):.8e}"


def _reference(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def _registration_item(frame: str, matrices: Sequence[ArrayLike], kind: str) -> Dataset:
    item, part = Dataset(), Dataset()
    item.FrameOfReferenceUID = frame
    part.MatrixSequence = []
    for matrix in matrices:
        entry = Dataset()
        entry.FrameOfReferenceTransformationMatrixType = kind
        entry.FrameOfReferenceTransformationMatrix = [_ds(c) for c in np.ravel(matrix)]
        part.MatrixSequence.append(entry)
    item.MatrixRegistrationSequence = [part]
    return item


def _observation(index: int, number: int, kind: str) -> Dataset:
    item = Dataset()
    item.ObservationNumber, item.ReferencedROINumber = index, number
    item.RTROIInterpretedType, item.ROIInterpreter = kind, ""
    return item


def _numbered_beam(number: int) -> Dataset:
    item = Dataset()
    item.ReferencedBeamNumber = number
    return item


def _fraction_group(number: int, fractions: int | None, beams: Sequence[BeamSpec]) -> Dataset:
    item = Dataset()
    item.FractionGroupNumber = number
    if fractions is not None:
        item.NumberOfFractionsPlanned = fractions
    own = [beam for beam in beams if beam.group == number]
    item.NumberOfBeams, item.NumberOfBrachyApplicationSetups = len(own), 0
    item.ReferencedBeamSequence = []
    for beam in own:
        reference = _numbered_beam(beam.number)
        if beam.meterset is not None:
            reference.BeamMeterset = _ds(beam.meterset)
        item.ReferencedBeamSequence.append(reference)
    return item


def _beam(beam: BeamSpec, ion: bool) -> Dataset:
    item = Dataset()
    item.BeamNumber, item.BeamName = beam.number, beam.name or f"Beam {beam.number}"
    item.TreatmentMachineName, item.BeamType = "LINAC", "DYNAMIC"
    item.RadiationType = "PROTON" if ion else "PHOTON"
    item.TreatmentDeliveryType = beam.delivery_type
    point = Dataset()
    point.ControlPointIndex = 0
    if beam.isocentre_mm is not None:
        point.IsocenterPosition = [_ds(c) for c in beam.isocentre_mm]
    if ion:
        item.IonControlPointSequence = [point]
    else:
        item.ControlPointSequence = [point]
    return item
