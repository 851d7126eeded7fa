"""Every finding code of the DICOM readers, with its meaning and how much it matters.

Codes are stable: files, tests and people refer to them.
"""

from __future__ import annotations

from planeval.model import Severity
from planeval.model.finding import FindingCodes

__all__ = ["CODES", "finding"]

_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR

CODES: dict[str, tuple[Severity, str]] = {
    # folder
    "unreadable-file": (_WARNING, "a file looks like DICOM but cannot be read"),
    "duplicate-file": (_INFO, "the same object is there twice, byte for byte; it is used once"),
    "duplicate-uid": (_WARNING, "two different files carry the same SOPInstanceUID"),
    "text-undeclared": (_WARNING, "non-ASCII text without a (known) SpecificCharacterSet"),
    "text-undecodable": (_WARNING, "text does not fit its declared character set"),
    # linking
    "linked-by-frame": (_WARNING, "no reference: linked by frame of reference only"),
    "linked-by-presence": (_WARNING, "neither reference nor frame: linked as the only one there"),
    "reference-mismatch": (_ERROR, "a reference names another object; accepted by the user"),
    "patient-mismatch": (_ERROR, "two PatientIDs in one frame of reference; accepted by the user"),
    "frame-unknown": (_WARNING, "an object does not state its frame of reference"),
    "patient-id-missing": (_WARNING, "an object does not state its patient"),
    "plan-chosen": (_INFO, "several plans are there; only one of them has a dose"),
    "objects-ignored": (_INFO, "objects of the same case that were not used"),
    # RTSTRUCT
    "roi-unusable": (_WARNING, "an ROI has contours but no solid; the reason is given"),
    "roi-name-repeated": (_WARNING, "two ROIs of one name; the later one is renamed"),
    "roi-number-repeated": (_WARNING, "two ROIs of one number; matched in file order"),
    "contours-without-roi": (_WARNING, "contours refer to an ROI number that is not defined"),
    "contour-dropped": (_WARNING, "a contour of fewer than 3 points or no area is left out"),
    "contour-count-mismatch": (_WARNING, "NumberOfContourPoints differs from the data"),
    "contour-type-missing": (_WARNING, "ContourGeometricType is absent; closed contours assumed"),
    "contour-type-misspelled": (_WARNING, "CLOSED_PLANAR_XOR, not a DICOM term, read as XOR"),
    "contour-types-mixed": (_WARNING, "CLOSED_PLANAR and CLOSEDPLANAR_XOR mixed: XOR rule used"),
    "open-contours-ignored": (_WARNING, "open or point contours beside closed ones are left out"),
    "nested-contours": (_INFO, "a contour inside another is taken as a hole"),
    "duplicate-contour": (_WARNING, "a contour is drawn twice in one plane"),
    "overlapping-contours": (_WARNING, "partly overlapping contours of one plane are united"),
    "self-crossing-contour": (_WARNING, "a contour crosses itself so that its area is ambiguous"),
    "contour-gap": (_WARNING, "planes are missing between contours; the gap is not filled"),
    "oblique-contours": (_INFO, "contours do not lie in axial planes"),
    "single-plane": (_INFO, "a single plane; its thickness was taken from elsewhere"),
    "single-plane-no-volume": (_WARNING, "a single plane, which has no volume without end caps"),
    # RTDOSE
    "dose-type-missing": (_WARNING, "DoseType is absent; physical dose assumed"),
    "dose-effective": (_INFO, "the dose is EFFECTIVE (weighted), not physical"),
    "dose-zero": (_WARNING, "the dose is zero everywhere"),
    "dose-relative": (_WARNING, "a RELATIVE dose was scaled by the user's reference"),
    "dose-offsets-ambiguous": (_WARNING, "GridFrameOffsetVector can be read in two ways"),
    "dose-completeness-unknown": (_WARNING, "no RTPLAN: whether the doses are complete is unknown"),
    "dose-summed": (_INFO, "several doses were added"),
    "dose-several-grids": (_INFO, "the doses of one plan lie on different grids"),
    "dose-beam-sum-differs": (_WARNING, "the PLAN dose differs from the sum of its BEAM doses"),
    "dose-beam-sum-unchecked": (_INFO, "PLAN and BEAM doses are there but cannot be compared"),
    "dose-incomplete": (_ERROR, "the dose does not cover the plan; accepted by the user"),
    "dose-multi-plan": (_WARNING, "a dose of several plans: it has no fraction count"),
    # DVHSequence
    "tps-dvh-skipped": (_INFO, "a DVH in the dose file is not usable; the reason is given"),
    "tps-dvh-scale": (
        _WARNING,
        "a DVH in the dose file is not in Gy and cc, or contradicts its units",
    ),
    # RTPLAN
    "prescription-unknown-roi": (_WARNING, "a prescription names an ROI that is not there"),
    "prescription-without-roi": (_WARNING, "a VOLUME prescription does not name its ROI"),
    "prescription-invalid": (_WARNING, "a target dose that is not above 0 is left out"),
    "prescription-replaced": (_WARNING, "the user's prescription differs from the plan's"),
    "prescription-unknown-target": (_WARNING, "the user prescribes to a name that is not there"),
    "prescription-absent": (_INFO, "the plan states no prescription"),
    "fractions-unknown": (_WARNING, "the plan states no number of fractions"),
    "fraction-groups-several": (_INFO, "the plan has several fraction groups"),
    "plan-not-approved": (_INFO, "the plan's approval status is not APPROVED"),
    # CT
    "ct-unusable": (_WARNING, "the image series cannot be read as one volume; no image is shown"),
    "ct-ambiguous": (_WARNING, "several image series could belong to the case; none is shown"),
    "ct-localizer": (_INFO, "scouts in the image series are left out"),
    "ct-duplicate-slices": (_WARNING, "several slices at one position; referenced ones are used"),
    "ct-missing-slices": (_WARNING, "slices are missing within the image series"),
    "ct-irregular-spacing": (_INFO, "the slices of the image series are not equally spaced"),
    "ct-unreferenced-slices": (_INFO, "slices that the structure set does not reference"),
    "ct-absent-slices": (_INFO, "slices that the structure set references are not there"),
    "ct-linked-by-frame": (_INFO, "the image series was found by frame of reference only"),
    # written structure sets
    "write-roi-left-out": (_WARNING, "an ROI without a solid is not copied into the written file"),
    "write-number-changed": (_WARNING, "an ROI number that is not unique is replaced"),
    "write-value-left-out": (_INFO, "a patient or study value that is not legal is left empty"),
    "write-name-changed": (_WARNING, "a name is written in another spelling"),
    "write-name-not-tg263": (_INFO, "a written name is not of TG-263 form"),
    "write-plane-without-slice": (_WARNING, "contours on planes where there is no CT slice"),
    "write-planes-not-of-image": (_WARNING, "contours on planes that are not the image's"),
    "write-thickness-unstated": (_WARNING, "a single contour whose thickness the file cannot say"),
    "write-volume-differs": (_WARNING, "the written contours have another volume than the solid"),
    "write-part-left-out": (_INFO, "parts too small to write are left out"),
}
"""Code -> (severity, meaning)."""

finding = FindingCodes(CODES)
