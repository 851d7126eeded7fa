"""Write a synthetic case as DICOM: CT images, RT structure set, RT plan and RT dose.

Dates, times and UIDs are fixed functions of the case, so the same case gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    RLELossless,
    RTDoseStorage,
    RTPlanStorage,
    RTStructureSetStorage,
    generate_uid,
)

from phantom.contours import Contours
from phantom.dose import Arcs, Grid, project
from phantom.shapes import Array

UID_PREFIX = "1.2.826.0.1.3680043.8.498."
STUDY_MANAGEMENT_CLASS = "1.2.840.10008.3.1.2.3.1"  # what a referenced study is customarily called
CONTOUR_DATA = Tag("ContourData")
DATE, TIME = "20240115", "093000"
LEAF_PAIRS, LEAF_WIDTH_MM = 60, 5.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who and what: everything that names the case. `key` seeds its UIDs."""

    key: str
    patient_name: str
    patient_id: str
    sex: str
    birth_date: str
    plan_label: str
    plan_name: str
    description: str

    def uid(self, *role: str) -> UID:
        """The UID of one role in this case."""
        return generate_uid(prefix=UID_PREFIX, entropy_srcs=["planeval phantom", self.key, *role])


@dataclass(frozen=True, slots=True, eq=False)
class Roi:
    """A region to write: closed contours, or a single point."""

    name: str
    interpreted_type: str
    colour: tuple[int, int, int]
    contours: Contours
    point_mm: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is prescribed and how it is delivered."""

    total_gy: float
    fractions: int
    target: str
    arcs: tuple[Arcs, ...]
    point_mm: tuple[float, float, float]


def decimal(value: float, digits: int = 2) -> str:
    """A decimal string: at most `digits` decimals, no trailing zeros, never longer than 16."""
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def position(point_mm: tuple[float, ...] | Array) -> list[str]:
    """A position as three decimal strings."""
    return [decimal(float(c)) for c in point_mm]


def _item(**elements: object) -> Dataset:
    """A sequence item from keywords."""
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _new_file(who: Identity, sop_class: UID, modality: str, *instance: str) -> FileDataset:
    """A dataset with patient, study, series, equipment and SOP common modules filled in."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = who.uid(modality, *instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(UID_PREFIX + "1")
    meta.ImplementationVersionName = "PLANEVAL_PHANTOM"
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.InstanceCreationDate, ds.InstanceCreationTime = DATE, TIME
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    ds.StudyDate, ds.SeriesDate, ds.StudyTime, ds.SeriesTime = DATE, DATE, TIME, TIME
    ds.AccessionNumber = ""
    ds.Modality = modality
    ds.Manufacturer, ds.ManufacturerModelName = "planeval phantom", "make_test_data"
    ds.SoftwareVersions = "1"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription, ds.SeriesDescription = who.description, f"{modality} {who.plan_label}"
    ds.PatientName, ds.PatientID = who.patient_name, who.patient_id
    ds.PatientBirthDate, ds.PatientSex = who.birth_date, who.sex
    ds.PatientComments = "Synthetic data. No person is described."
    ds.StudyInstanceUID, ds.SeriesInstanceUID = who.uid("study"), who.uid(modality, "series")
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "1", 1, 1
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = who.uid("frame"), ""
    if modality != "CT":
        ds.OperatorsName = ""
    return ds


def _approve(ds: Dataset) -> None:
    """Mark a structure set or plan as approved."""
    ds.ApprovalStatus = "APPROVED"
    ds.ReviewDate, ds.ReviewTime, ds.ReviewerName = DATE, TIME, "Reviewer^Synthetic"


def _save(ds: FileDataset, path: Path) -> None:
    """Write one file, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


def write_ct(
    who: Identity,
    path: Path,
    pixels_hu: NDArray[np.int16],
    *,
    number: int,
    corner_mm: tuple[float, float, float],
    spacing_mm: tuple[float, float],
) -> UID:
    """Write one CT image, RLE compressed; `spacing_mm` is (in plane, slice). Returns its UID."""
    in_plane_mm, slice_mm = spacing_mm
    ds = _new_file(who, CTImageStorage, "CT", str(number))
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.ContentDate = ds.AcquisitionDate = DATE
    ds.ContentTime = ds.AcquisitionTime = TIME
    ds.BodyPartExamined, ds.PatientPosition = "ABDOMEN", "HFS"
    ds.KVP, ds.AcquisitionNumber, ds.InstanceNumber = "120", 1, number
    ds.ImagePositionPatient = position(corner_mm)
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.PixelSpacing = [decimal(in_plane_mm, 6)] * 2
    ds.SliceThickness, ds.SliceLocation = decimal(slice_mm), decimal(corner_mm[2])
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels_hu.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-1024", "1", "HU"
    ds.WindowCenter, ds.WindowWidth = "40", "350"
    ds.PixelData = (pixels_hu + 1024).astype("<i2").tobytes()
    ds.compress(RLELossless, generate_instance_uid=False)
    _save(ds, path)
    return ds.SOPInstanceUID


def write_structures(
    who: Identity, path: Path, rois: list[Roi], ct_uids: dict[float, UID] | None = None
) -> None:
    """Write the RT structure set; `ct_uids` maps the z of a CT image to its UID."""
    ct_uids = ct_uids or {}
    ds = _new_file(who, RTStructureSetStorage, "RTSTRUCT")
    ds.StructureSetLabel, ds.StructureSetName = "PLANNING", "Synthetic planning structures"
    ds.StructureSetDate, ds.StructureSetTime = DATE, TIME
    frame = _item(FrameOfReferenceUID=who.uid("frame"))
    if ct_uids:
        images = [_image_reference(uid) for _, uid in sorted(ct_uids.items())]
        series = _item(
            SeriesInstanceUID=who.uid("CT", "series"), ContourImageSequence=Sequence(images)
        )
        study = _item(
            ReferencedSOPClassUID=STUDY_MANAGEMENT_CLASS,
            ReferencedSOPInstanceUID=who.uid("study"),
            RTReferencedSeriesSequence=Sequence([series]),
        )
        frame.RTReferencedStudySequence = Sequence([study])
    ds.ReferencedFrameOfReferenceSequence = Sequence([frame])
    numbered = list(enumerate(rois, start=1))
    ds.StructureSetROISequence = Sequence(
        _item(
            ROINumber=number,
            ReferencedFrameOfReferenceUID=who.uid("frame"),
            ROIName=roi.name,
            ROIGenerationAlgorithm="SEMIAUTOMATIC",
        )
        for number, roi in numbered
    )
    ds.ROIContourSequence = Sequence(
        _item(
            ReferencedROINumber=number,
            ROIDisplayColor=list(roi.colour),
            ContourSequence=Sequence(_contour_items(roi, ct_uids)),
        )
        for number, roi in numbered
    )
    ds.RTROIObservationsSequence = Sequence(
        _item(
            ObservationNumber=number,
            ReferencedROINumber=number,
            RTROIInterpretedType=roi.interpreted_type,
            ROIInterpreter="",
        )
        for number, roi in numbered
    )
    _approve(ds)
    _save(ds, path)


def _image_reference(uid: UID) -> Dataset:
    """A reference to one CT image."""
    return _item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=uid)


def _encoded(tag: BaseTag, text: str) -> RawDataElement:
    """Decimal strings that need no checking, as the bytes to write: contours are long."""
    value = text.encode("ascii") + b" " * (len(text) % 2)
    if len(value) >= 1 << 16:
        raise ValueError(f"{len(value)} bytes do not fit a decimal string of explicit VR")
    return RawDataElement(tag, "DS", len(value), value, 0, False, True)


def _contour_items(roi: Roi, ct_uids: dict[float, UID]) -> list[Dataset]:
    """The contours of one ROI from the lowest plane up."""
    if roi.point_mm is not None:
        point = _item(
            ContourNumber=1,
            ContourGeometricType="POINT",
            NumberOfContourPoints=1,
            ContourData=position(roi.point_mm),
        )
        return [point]
    items = []
    for z, loops in sorted(roi.contours.items()):
        height = decimal(z)
        for loop in loops:
            item = _item(ContourNumber=len(items) + 1)
            if z in ct_uids:
                item.ContourImageSequence = Sequence([_image_reference(ct_uids[z])])
            item.ContourGeometricType = "CLOSED_PLANAR"
            item.NumberOfContourPoints = len(loop)
            texts = (f"{decimal(x)}\\{decimal(y)}\\{height}" for x, y in loop.tolist())
            item[CONTOUR_DATA] = _encoded(CONTOUR_DATA, "\\".join(texts))
            items.append(item)
    return items


def write_plan(
    who: Identity, path: Path, treatment: Treatment, rois: list[Roi], target_mm: Array
) -> None:
    """Write the RT plan; leaves follow the outline of `target_mm`, points that fill the target."""
    ds = _new_file(who, RTPlanStorage, "RTPLAN")
    ds.RTPlanLabel, ds.RTPlanName = who.plan_label, who.plan_name
    ds.RTPlanDate, ds.RTPlanTime = DATE, TIME
    ds.PlanIntent, ds.RTPlanGeometry = "CURATIVE", "PATIENT"
    ds.ReferencedStructureSetSequence = Sequence(
        [
            _item(
                ReferencedSOPClassUID=RTStructureSetStorage,
                ReferencedSOPInstanceUID=who.uid("RTSTRUCT"),
            )
        ]
    )
    ds.DoseReferenceSequence = Sequence(_dose_references(who, treatment, rois))
    ds.FractionGroupSequence = Sequence([_fraction_group(treatment)])
    setup = _setup_beam(treatment)
    arcs = [_arc_beam(number, arc, target_mm) for number, arc in enumerate(treatment.arcs, start=1)]
    ds.BeamSequence = Sequence([*arcs, setup])
    ds.PatientSetupSequence = Sequence(
        [_item(PatientPosition="HFS", PatientSetupNumber=1, SetupTechnique="ISOCENTRIC")]
    )
    _approve(ds)
    _save(ds, path)


def _dose_references(who: Identity, treatment: Treatment, rois: list[Roi]) -> list[Dataset]:
    """The prescription to the target volume, and a point that is none."""
    roi_number = 1 + [roi.name for roi in rois].index(treatment.target)
    volume = _item(
        ReferencedROINumber=roi_number,
        DoseReferenceNumber=1,
        DoseReferenceUID=who.uid("dose reference", "1"),
        DoseReferenceStructureType="VOLUME",
        DoseReferenceDescription=treatment.target,
        DoseReferenceType="TARGET",
        DeliveryMaximumDose=decimal(1.10 * treatment.total_gy),
        TargetPrescriptionDose=decimal(treatment.total_gy),
    )
    point = _item(
        DoseReferenceNumber=2,
        DoseReferenceUID=who.uid("dose reference", "2"),
        DoseReferenceStructureType="COORDINATES",
        DoseReferenceDescription="Calculation point",
        DoseReferencePointCoordinates=position(treatment.point_mm),
        DoseReferenceType="TARGET",
        TargetPrescriptionDose=decimal(1.04 * treatment.total_gy),
    )
    return [volume, point]


def _fraction_group(treatment: Treatment) -> Dataset:
    """All beams in one fraction group; only arcs have a meterset."""
    sweeps = np.array([abs(arc.sweep_deg) for arc in treatment.arcs])
    fraction_gy = treatment.total_gy / treatment.fractions
    shares = sweeps / sweeps.sum()
    beams = [
        _item(
            BeamDose=decimal(share * fraction_gy, 4),
            BeamMeterset=decimal(share * fraction_gy * 235.0, 1),
            ReferencedBeamNumber=number,
        )
        for number, share in enumerate(shares.tolist(), start=1)
    ]
    beams.append(_item(ReferencedBeamNumber=len(beams) + 1))
    return _item(
        FractionGroupNumber=1,
        NumberOfFractionsPlanned=treatment.fractions,
        NumberOfBeams=len(beams),
        NumberOfBrachyApplicationSetups=0,
        ReferencedBeamSequence=Sequence(beams),
    )


def _beam(number: int, name: str, beam_type: str, delivery: str) -> Dataset:
    """What arcs and set-up beams have in common."""
    devices = [
        _item(RTBeamLimitingDeviceType="ASYMX", NumberOfLeafJawPairs=1),
        _item(RTBeamLimitingDeviceType="ASYMY", NumberOfLeafJawPairs=1),
    ]
    if delivery == "TREATMENT":
        edges = LEAF_WIDTH_MM * (np.arange(LEAF_PAIRS + 1) - LEAF_PAIRS / 2)
        devices.append(
            _item(
                RTBeamLimitingDeviceType="MLCX",
                NumberOfLeafJawPairs=LEAF_PAIRS,
                LeafPositionBoundaries=[decimal(float(e)) for e in edges],
            )
        )
    return _item(
        Manufacturer="planeval phantom",
        TreatmentMachineName="LINAC1",
        PrimaryDosimeterUnit="MU",
        SourceAxisDistance="1000",
        BeamLimitingDeviceSequence=Sequence(devices),
        BeamNumber=number,
        BeamName=name,
        BeamType=beam_type,
        RadiationType="PHOTON",
        TreatmentDeliveryType=delivery,
        NumberOfWedges=0,
        NumberOfCompensators=0,
        NumberOfBoli=0,
        NumberOfBlocks=0,
        ReferencedPatientSetupNumber=1,
    )


def _first_control_point(
    gantry_deg: float, rotation: str, isocentre_mm: tuple[float, float, float]
) -> Dataset:
    """A control point with every angle and the isocentre."""
    return _item(
        ControlPointIndex=0,
        NominalBeamEnergy="6",
        DoseRateSet="600",
        GantryAngle=decimal(gantry_deg % 360.0, 1),
        GantryRotationDirection=rotation,
        BeamLimitingDeviceAngle="0",
        BeamLimitingDeviceRotationDirection="NONE",
        PatientSupportAngle="0",
        PatientSupportRotationDirection="NONE",
        TableTopEccentricAngle="0",
        TableTopEccentricRotationDirection="NONE",
        TableTopVerticalPosition=None,
        TableTopLongitudinalPosition=None,
        TableTopLateralPosition=None,
        IsocenterPosition=position(isocentre_mm),
    )


def _setup_beam(treatment: Treatment) -> Dataset:
    """An imaging field that delivers nothing."""
    beam = _beam(len(treatment.arcs) + 1, "Setup AP", "STATIC", "SETUP")
    first = _first_control_point(0.0, "NONE", treatment.arcs[0].isocentre_mm)
    first.BeamLimitingDevicePositionSequence = Sequence(
        [
            _item(RTBeamLimitingDeviceType=device, LeafJawPositions=["-80", "80"])
            for device in ("ASYMX", "ASYMY")
        ]
    )
    first.CumulativeMetersetWeight = None
    last = _item(ControlPointIndex=1, CumulativeMetersetWeight=None)
    beam.NumberOfControlPoints = 2
    beam.ControlPointSequence = Sequence([first, last])
    return beam


def _arc_beam(number: int, arc: Arcs, target_mm: Array) -> Dataset:
    """One arc with a control point about every 30 degrees, leaves around the target."""
    rotation = "CW" if arc.sweep_deg > 0 else "CC"
    beam = _beam(number, f"Arc {number}", "DYNAMIC", "TREATMENT")
    count = max(2, round(abs(arc.sweep_deg) / 30.0) + 1)
    gantry_deg = arc.start_deg + np.linspace(0.0, arc.sweep_deg, count)
    points = []
    for index, angle in enumerate(gantry_deg.tolist()):
        if index == 0:
            point = _first_control_point(angle, rotation, arc.isocentre_mm)
        else:
            turning = rotation if index < count - 1 else "NONE"
            point = _item(
                ControlPointIndex=index,
                GantryAngle=decimal(angle % 360.0, 1),
                GantryRotationDirection=turning,
            )
        positions = _leaf_positions(*project(target_mm, arc.isocentre_mm, angle))
        point.BeamLimitingDevicePositionSequence = Sequence(positions)
        point.CumulativeMetersetWeight = decimal(index / (count - 1), 6)
        points.append(point)
    beam.FinalCumulativeMetersetWeight = "1"
    beam.NumberOfControlPoints = count
    beam.ControlPointSequence = Sequence(points)
    return beam


def _leaf_positions(u_mm: Array, v_mm: Array, rim_mm: float = 3.0) -> list[Dataset]:
    """Jaws and leaves around projected points; leaves beyond the target are closed."""
    pair = np.floor(v_mm / LEAF_WIDTH_MM + LEAF_PAIRS / 2).astype(int)
    middle = round(float(u_mm.mean()), 1)
    low, high = np.full(LEAF_PAIRS, middle), np.full(LEAF_PAIRS, middle)
    for row in np.unique(pair):
        low[row] = u_mm[pair == row].min() - rim_mm
        high[row] = u_mm[pair == row].max() + rim_mm
    jaws = {
        "ASYMX": [float(u_mm.min()) - rim_mm, float(u_mm.max()) + rim_mm],
        "ASYMY": [float(v_mm.min()) - rim_mm, float(v_mm.max()) + rim_mm],
        "MLCX": [*low.tolist(), *high.tolist()],
    }
    return [
        _item(RTBeamLimitingDeviceType=device, LeafJawPositions=[decimal(p, 1) for p in positions])
        for device, positions in jaws.items()
    ]


def write_dose(
    who: Identity,
    path: Path,
    grid: Grid,
    stored: NDArray[np.uint16] | NDArray[np.uint32],
    *,
    scaling_gy: float,
    descending_absolute: bool = False,
) -> None:
    """Write the RT dose of the whole plan.

    Frame offsets are relative and rising, or, if `descending_absolute`, the z of every frame from
    the top down (PS3.3 C.8.8.3.2, second case).
    """
    z_mm = grid.axes_mm[2]
    if descending_absolute:
        stored, z_mm = stored[::-1], z_mm[::-1]
    offsets = z_mm if descending_absolute else z_mm - z_mm[0]
    ds = _new_file(who, RTDoseStorage, "RTDOSE")
    ds.ContentDate, ds.ContentTime = DATE, TIME
    ds.SliceThickness = decimal(grid.spacing_mm[2])
    ds.ImagePositionPatient = position((*grid.origin_mm[:2], float(z_mm[0])))
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.NumberOfFrames, ds.Rows, ds.Columns = stored.shape
    ds.FrameIncrementPointer = Tag("GridFrameOffsetVector")
    ds.PixelSpacing = [decimal(grid.spacing_mm[1]), decimal(grid.spacing_mm[0])]
    bits = stored.dtype.itemsize * 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, 0
    ds.DoseUnits, ds.DoseType, ds.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    ds.DoseComment = "Synthetic dose"
    ds.GridFrameOffsetVector = [decimal(float(o)) for o in offsets]
    ds.DoseGridScaling = decimal(scaling_gy, 12)
    ds.TissueHeterogeneityCorrection = "IMAGE"
    ds.ReferencedRTPlanSequence = Sequence(
        [_item(ReferencedSOPClassUID=RTPlanStorage, ReferencedSOPInstanceUID=who.uid("RTPLAN"))]
    )
    ds.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    _save(ds, path)
