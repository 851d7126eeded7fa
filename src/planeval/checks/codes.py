"""Every finding code of the plan checks, with its meaning and how much it matters.

What follows from UIDs and numbers of references is a fact and an error where it contradicts; what a
threshold says is a guess and a warning that carries its evidence. Codes are stable.
"""

from __future__ import annotations

from planeval.model import Severity
from planeval.model.finding import FindingCodes

__all__ = ["CODES", "finding"]

_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR

CODES: dict[str, tuple[Severity, str]] = {
    # relations of the objects
    "image-frame-differs": (_ERROR, "the images are in another frame of reference"),
    "plan-frame-differs": (_ERROR, "the plan is in another frame of reference than the dose"),
    "dose-names-other-structures": (_ERROR, "the dose refers to another structure set"),
    "plan-names-other-dose": (_ERROR, "the plan refers to other doses than those evaluated"),
    "dates-out-of-order": (_WARNING, "images, structures, plan and dose changed in another order"),
    "plan-changed-after-approval": (_WARNING, "the plan was changed after its review"),
    "plan-rejected": (_WARNING, "the plan's approval status is REJECTED"),
    "structures-rejected": (_WARNING, "the structure set's approval status is REJECTED"),
    "structures-not-approved": (_INFO, "the plan is approved, its structure set is not"),
    # what the plan orders
    "fraction-dose-unusual": (_WARNING, "total dose and fractions give an unusual fraction dose"),
    "beam-doses-differ": (_WARNING, "fractions times beam doses are far from the prescription"),
    "beam-dose-point-differs": (_WARNING, "the dose is not what the beams state at their point"),
    "fraction-group-doses-differ": (_WARNING, "fraction groups prescribe another sum"),
    "fraction-group-unknown-beam": (_ERROR, "a fraction group delivers a beam that is not there"),
    "beam-without-fraction-group": (_WARNING, "a treatment beam that no fraction group delivers"),
    "beam-without-meterset": (_WARNING, "a treatment beam without monitor units"),
    "imaging-beam-as-treatment": (_INFO, "a set-up imaging field is exported as TREATMENT"),
    "isocentres-several": (_INFO, "treatment beams have several isocentres"),
    "isocentres-close": (_WARNING, "isocentres so close that one of them may be a mistake"),
    "bolus-unknown": (_ERROR, "a beam names a bolus ROI that the structure set does not have"),
    "bolus-not-used": (_WARNING, "a bolus is drawn that no beam of the plan names"),
    "bolus-present": (_INFO, "a bolus is part of the plan"),
    "couch-present": (_INFO, "couch or other support structures are drawn"),
    # dose grid
    "dose-grid-coarse": (_WARNING, "the dose grid is coarse for this fractionation or target"),
    "target-outside-dose-grid": (_WARNING, "part of a target lies outside the dose grid"),
    "dose-grid-cut": (_WARNING, "high dose reaches the border of the dose grid"),
    "target-cold": (_WARNING, "a target has its dose in the middle and not everywhere"),
    # structures
    "structure-outside-body": (_WARNING, "part of a structure lies outside the body"),
    "target-outside-body": (_WARNING, "part of a target lies outside the body"),
    "parts-unexpected": (_WARNING, "an organ consists of more parts than it can have"),
    "target-stray-part": (_WARNING, "a target has a part too small to be meant"),
    "structure-beyond-image": (_WARNING, "contours lie beyond the image series"),
    "organ-cut-by-scan": (_WARNING, "an organ is drawn up to the end of the image series"),
    "contours-off-slices": (_WARNING, "contour planes do not lie on slices of the image series"),
    "target-in-air": (_WARNING, "part of a target is air in the CT"),
}
"""Code -> (severity, meaning)."""

finding = FindingCodes(CODES)
