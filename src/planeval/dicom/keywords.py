"""Tags and value representations of the DICOM keywords that the readers use (PS3.6).

They are kept here so that a plain file is read without pydicom, whose import takes longer than such
a file. A keyword that is not listed is looked up in pydicom's dictionary.
"""

from __future__ import annotations

import functools

__all__ = ["spelled", "tag_of", "vr_of"]

_KNOWN = {
    "TransferSyntaxUID": (0x00020010, "UI"),
    "SpecificCharacterSet": (0x00080005, "CS"),
    "ImageType": (0x00080008, "CS"),
    "InstanceCreationDate": (0x00080012, "DA"),
    "SOPClassUID": (0x00080016, "UI"),
    "SOPInstanceUID": (0x00080018, "UI"),
    "StudyDate": (0x00080020, "DA"),
    "ContentDate": (0x00080023, "DA"),
    "Modality": (0x00080060, "CS"),
    "Manufacturer": (0x00080070, "LO"),
    "SeriesDescription": (0x0008103E, "LO"),
    "ReferencedSOPInstanceUID": (0x00081155, "UI"),
    "PatientName": (0x00100010, "PN"),
    "PatientID": (0x00100020, "LO"),
    "PatientBirthDate": (0x00100030, "DA"),
    "PatientSex": (0x00100040, "CS"),
    "SpacingBetweenSlices": (0x00180088, "DS"),
    "PatientPosition": (0x00185100, "CS"),
    "StudyInstanceUID": (0x0020000D, "UI"),
    "SeriesInstanceUID": (0x0020000E, "UI"),
    "InstanceNumber": (0x00200013, "IS"),
    "ImagePositionPatient": (0x00200032, "DS"),
    "ImageOrientationPatient": (0x00200037, "DS"),
    "FrameOfReferenceUID": (0x00200052, "UI"),
    "SamplesPerPixel": (0x00280002, "US"),
    "NumberOfFrames": (0x00280008, "IS"),
    "Rows": (0x00280010, "US"),
    "Columns": (0x00280011, "US"),
    "PixelSpacing": (0x00280030, "DS"),
    "BitsAllocated": (0x00280100, "US"),
    "PixelRepresentation": (0x00280103, "US"),
    "RescaleIntercept": (0x00281052, "DS"),
    "RescaleSlope": (0x00281053, "DS"),
    "DVHType": (0x30040001, "CS"),
    "DoseUnits": (0x30040002, "CS"),
    "DoseType": (0x30040004, "CS"),
    "DoseComment": (0x30040006, "LO"),
    "DoseSummationType": (0x3004000A, "CS"),
    "GridFrameOffsetVector": (0x3004000C, "DS"),
    "DoseGridScaling": (0x3004000E, "DS"),
    "DVHSequence": (0x30040050, "SQ"),
    "DVHDoseScaling": (0x30040052, "DS"),
    "DVHVolumeUnits": (0x30040054, "CS"),
    "DVHData": (0x30040058, "DS"),
    "DVHReferencedROISequence": (0x30040060, "SQ"),
    "DVHROIContributionType": (0x30040062, "CS"),
    "StructureSetLabel": (0x30060002, "SH"),
    "StructureSetDate": (0x30060008, "DA"),
    "ReferencedFrameOfReferenceSequence": (0x30060010, "SQ"),
    "RTReferencedStudySequence": (0x30060012, "SQ"),
    "RTReferencedSeriesSequence": (0x30060014, "SQ"),
    "ContourImageSequence": (0x30060016, "SQ"),
    "StructureSetROISequence": (0x30060020, "SQ"),
    "ROINumber": (0x30060022, "IS"),
    "ReferencedFrameOfReferenceUID": (0x30060024, "UI"),
    "ROIName": (0x30060026, "LO"),
    "ROIDisplayColor": (0x3006002A, "IS"),
    "ROIContourSequence": (0x30060039, "SQ"),
    "ContourSequence": (0x30060040, "SQ"),
    "ContourGeometricType": (0x30060042, "CS"),
    "ContourSlabThickness": (0x30060044, "DS"),
    "NumberOfContourPoints": (0x30060046, "IS"),
    "SourcePixelPlanesCharacteristicsSequence": (0x3006004A, "SQ"),
    "ContourData": (0x30060050, "DS"),
    "RTROIObservationsSequence": (0x30060080, "SQ"),
    "ReferencedROINumber": (0x30060084, "IS"),
    "RTROIInterpretedType": (0x300600A4, "CS"),
    "RTPlanLabel": (0x300A0002, "SH"),
    "RTPlanName": (0x300A0003, "LO"),
    "RTPlanDate": (0x300A0006, "DA"),
    "PlanIntent": (0x300A000A, "CS"),
    "DoseReferenceSequence": (0x300A0010, "SQ"),
    "DoseReferenceNumber": (0x300A0012, "IS"),
    "DoseReferenceStructureType": (0x300A0014, "CS"),
    "DoseReferenceDescription": (0x300A0016, "LO"),
    "DoseReferencePointCoordinates": (0x300A0018, "DS"),
    "DoseReferenceType": (0x300A0020, "CS"),
    "TargetPrescriptionDose": (0x300A0026, "DS"),
    "FractionGroupSequence": (0x300A0070, "SQ"),
    "FractionGroupNumber": (0x300A0071, "IS"),
    "NumberOfFractionsPlanned": (0x300A0078, "IS"),
    "BeamDoseSpecificationPoint": (0x300A0082, "DS"),
    "BeamDose": (0x300A0084, "DS"),
    "BeamMeterset": (0x300A0086, "DS"),
    "BeamSequence": (0x300A00B0, "SQ"),
    "TreatmentMachineName": (0x300A00B2, "SH"),
    "BeamNumber": (0x300A00C0, "IS"),
    "BeamName": (0x300A00C2, "LO"),
    "BeamDescription": (0x300A00C3, "ST"),
    "BeamType": (0x300A00C4, "CS"),
    "RadiationType": (0x300A00C6, "CS"),
    "TreatmentDeliveryType": (0x300A00CE, "CS"),
    "ControlPointSequence": (0x300A0111, "SQ"),
    "IsocenterPosition": (0x300A012C, "DS"),
    "PatientSetupSequence": (0x300A0180, "SQ"),
    "ScanMode": (0x300A0308, "CS"),
    "IonBeamSequence": (0x300A03A2, "SQ"),
    "IonControlPointSequence": (0x300A03A8, "SQ"),
    "ReferencedRTPlanSequence": (0x300C0002, "SQ"),
    "ReferencedBeamSequence": (0x300C0004, "SQ"),
    "ReferencedBeamNumber": (0x300C0006, "IS"),
    "ReferencedFractionGroupSequence": (0x300C0020, "SQ"),
    "ReferencedFractionGroupNumber": (0x300C0022, "IS"),
    "ReferencedDoseReferenceSequence": (0x300C0050, "SQ"),
    "ReferencedDoseReferenceNumber": (0x300C0051, "IS"),
    "ReferencedStructureSetSequence": (0x300C0060, "SQ"),
    "ReferencedDoseSequence": (0x300C0080, "SQ"),
    "ReferencedBolusSequence": (0x300C00B0, "SQ"),
    "ApprovalStatus": (0x300E0002, "CS"),
    "ReviewDate": (0x300E0004, "DA"),
    "PixelData": (0x7FE00010, "OB or OW"),
    "Item": (0xFFFEE000, "NONE"),
}


def tag_of(keyword: str) -> int:
    """Return the tag of a keyword. Raises ValueError for what is not a DICOM keyword.

    >>> f"{tag_of('ContourData'):08X}"
    '30060050'
    """
    return _found(keyword)[0]


def vr_of(keyword: str) -> str:
    """Return the value representation that the standard gives a keyword."""
    return _found(keyword)[1]


def spelled(keyword: str) -> str:
    """Spell an element as keyword and tag, for messages.

    >>> spelled("ContourData")
    'ContourData (3006,0050)'
    """
    tag = tag_of(keyword)
    return f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _found(keyword: str) -> tuple[int, str]:
    return _KNOWN.get(keyword) or _in_pydicom(keyword)


@functools.cache
def _in_pydicom(keyword: str) -> tuple[int, str]:
    from pydicom.datadict import dictionary_VR, tag_for_keyword  # noqa: PLC0415 - rarely needed

    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"{keyword} is not a DICOM keyword")
    return int(tag), str(dictionary_VR(tag))
