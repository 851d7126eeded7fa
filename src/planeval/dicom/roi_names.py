"""Names and types of written ROIs: the form of TG-263 names, and what the value representations allow.

AAPM TG-263 (Mayo et al. 2018, Int J Radiat Oncol Biol Phys 100:1057): at most 16 characters, no blanks,
unique whatever the case of the letters; a custom qualifier follows a ``^``. Only this form is checked,
not the vocabulary.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

__all__ = ["MOST_CHARACTERS", "interpreted_type", "is_tg263_form", "legal_text", "short_form"]

MOST_CHARACTERS = 16
"""Characters of a TG-263 name, and of the SH value representation (PS3.5 6.2)."""

_FORM = re.compile(r"[A-Za-z][A-Za-z0-9_+\-~^!]{0,15}")
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_+\-~^!]+")
_TARGETS = re.compile(r"(?P<kind>I?GTV|I?CTV|ITV|PTV)(?![a-z]{3})", re.IGNORECASE)


def is_tg263_form(name: str) -> bool:
    """Whether a name has the form of a TG-263 name.

    >>> [is_tg263_form(name) for name in ("PTV_Eval", "Liver-GTV", "PTV 50", "CTV^Expand")]
    [True, True, False, True]
    """
    return _FORM.fullmatch(name) is not None


def short_form(name: str, taken: Collection[str] = ()) -> str:
    """Return a name of TG-263 form that is nearest to this one and not ``taken``, in any case.

    >>> short_form("PTV 50 Gy (liver, segment 8)"), short_form("PTV", ["ptv"])
    ('PTV_50_Gy_liver_', 'PTV_2')
    """
    folded = unicodedata.normalize("NFKD", name)
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    base = _FORBIDDEN.sub("_", plain).strip("_") or "ROI"
    if not base[0].isalpha():
        base = f"z{base}"
    used = {other.casefold() for other in taken}
    found, count = base[:MOST_CHARACTERS], 2
    while found.casefold() in used:
        suffix = f"_{count}"
        found, count = base[: MOST_CHARACTERS - len(suffix)] + suffix, count + 1
    return found


def legal_text(text: str, most: int) -> str:
    r"""Return text without control characters and backslashes, cut to ``most`` characters.

    The backslash divides values and control characters are not allowed (PS3.5 6.1.3 and 6.2).

    >>> legal_text("a\\b\nc", 64)
    'a_b_c'
    """
    clean = "".join(
        "_" if char == "\\" or unicodedata.category(char) in ("Cc", "Cs") else char for char in text
    )
    return clean.strip()[:most].rstrip()


def interpreted_type(name: str, stated: str) -> str:
    """Return the RTROIInterpretedType: the stated one, else that of a target's name, else empty.

    DICOM has no term for an ITV (PS3.3 C.8.8.8.1): it contains the CTV in motion and is a CTV here;
    an IGTV is a GTV.

    >>> interpreted_type("ITV_T50", ""), interpreted_type("PTV_Eval", ""), interpreted_type("Liver", "")
    ('CTV', 'PTV', '')
    """
    if stated:
        return legal_text(stated.upper(), MOST_CHARACTERS)
    match = _TARGETS.match(name)
    if match is None:
        return ""
    kind = match["kind"].upper()
    return {"ITV": "CTV", "IGTV": "GTV", "ICTV": "CTV"}.get(kind, kind)
