"""Standard structure names (AAPM TG-263) with the other spellings that mean exactly the same organ.

A spelling stands under one name only. Names that are easily confused are never spellings of each
other: Bag_Bowel, Spc_Bowel, Bowel_Small, Jejunum_Ileum, Bowel_Large and Colon; SpinalCanal and
SpinalCord; Liver and any Liver minus something; a kidney or lung of one side and the pair.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

from planeval.protocol.translations import LANGUAGE_NAMES, TRANSLATIONS

__all__ = ["SPELLINGS", "fold", "standard_name", "standard_names", "why_standard"]

_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}

_SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "External": ("Body", "Outer contour", "体表", "外轮廓", "身体"),
        "Liver": ("Hepar", "Whole liver", "肝", "肝脏", "全肝", "肝臟"),
        "Liver-GTV": (
            "Liver minus GTV",
            "Liver - GTV",
            "Normal liver",
            "正常肝",
            "正常肝脏",
            "肝-GTV",
        ),
        "Liver-CTV": ("Liver minus CTV", "Liver - CTV", "肝-CTV"),
        "Liver-PTV": ("Liver minus PTV", "Liver - PTV", "肝-PTV"),
        "Esophagus": ("Oesophagus", "食管", "食道"),
        "Stomach": ("胃",),
        "Duodenum": ("十二指肠", "十二指腸"),
        "Bowel_Small": ("Small bowel", "Small intestine", "SmallBowel", "小肠", "小腸"),
        "Jejunum_Ileum": ("Jejunum and ileum", "Jejunum/Ileum", "空回肠", "空肠回肠"),
        "Bowel_Large": ("Large bowel", "Large intestine", "大肠", "大腸"),
        "Colon": ("结肠", "結腸"),
        "Rectum": ("直肠", "直腸"),
        "Bag_Bowel": ("Bowel bag", "Bowel cavity", "肠袋", "肠管袋"),
        "Spc_Bowel": ("Bowel space", "肠腔"),
        "Kidneys": (
            "Kidney both",
            "Both kidneys",
            "Kidneys total",
            "双肾",
            "双侧肾脏",
            "肾",
            "肾脏",
        ),
        "Kidney_L": (
            "Left kidney",
            "L kidney",
            "Kidney left",
            "Lt kidney",
            "Kidney Lt",
            "左肾",
            "左肾脏",
        ),
        "Kidney_R": (
            "Right kidney",
            "R kidney",
            "Kidney right",
            "Rt kidney",
            "Kidney Rt",
            "右肾",
            "右肾脏",
        ),
        "SpinalCord": ("Spinal cord", "Cord", "Medulla spinalis", "脊髓"),
        "SpinalCanal": ("Spinal canal", "Canal", "椎管"),
        "SpinalCord_PRV05": ("SpinalCord PRV 5mm", "Cord PRV 5 mm", "脊髓PRV5mm"),
        "Heart": ("心", "心脏", "心臟"),
        "Lungs": ("Lung both", "Both lungs", "Lungs total", "Lung total", "肺", "双肺", "全肺"),
        "Lung_L": ("Left lung", "L lung", "Lung left", "Lt lung", "Lung Lt", "左肺"),
        "Lung_R": ("Right lung", "R lung", "Lung right", "Rt lung", "Lung Rt", "右肺"),
        "V_Portal": ("Portal vein", "门静脉", "門靜脈", "门脉"),
        "V_Venacava_I": ("Inferior vena cava", "IVC", "Vena cava inferior", "下腔静脉"),
        "GreatVes": ("Great vessels", "大血管"),
        "A_Aorta": ("Aorta", "主动脉", "腹主动脉"),
        "Kidney_Cortex": ("Renal cortex", "肾皮质"),
        "Gallbladder": ("Gall bladder", "胆囊"),
        "BileDuct_Common": ("Common bile duct", "CBD", "胆总管"),
        "Pancreas": ("胰", "胰腺"),
        "Spleen": ("脾", "脾脏"),
        "Chestwall": ("Chest wall", "胸壁"),
        "Rib": ("Ribs", "肋骨"),
        "Skin": ("皮肤",),
        "Bladder": ("Urinary bladder", "膀胱"),
        "Glnd_Adrenal_L": ("Left adrenal", "左肾上腺"),
        "Glnd_Adrenal_R": ("Right adrenal", "右肾上腺"),
    }
)
"""TG-263 name to its other English and Chinese spellings. The name itself is not repeated."""


def fold(name: str) -> str:
    """Return a name without its case, blanks and underscores, full-width letters made narrow.

    Nothing else is dropped: a hyphen, a number, a side or a bracket keeps two names apart.

    >>> fold("Spinal_Cord") == fold("ＳＰＩＮＡＬ cord")
    True
    """
    narrow = unicodedata.normalize("NFC", name).translate(_WIDE)
    return "".join(narrow.replace("_", "").split()).casefold()


def _reversed(name: str) -> tuple[str, ...]:
    """Return the TG-263 reverse-order name: L_Kidney for Kidney_L; none for a single word."""
    parts = name.split("_")
    return ("_".join(reversed(parts)),) if len(parts) > 1 else ()


_EVIDENCE: dict[str, tuple[str, str]] = {}
"""Folded spelling to (TG-263 name, why)."""

for _name, _others in _SPELLINGS.items():
    _EVIDENCE[fold(_name)] = (_name, "the TG-263 name")
    for _text in _reversed(_name):
        _EVIDENCE.setdefault(fold(_text), (_name, "the TG-263 name in reverse order"))
    for _text in _others:
        _EVIDENCE.setdefault(fold(_text), (_name, "another name"))
for _name, _words in TRANSLATIONS.items():
    for _language, _texts in _words.items():
        for _text in _texts:
            _EVIDENCE.setdefault(fold(_text), (_name, f"the {LANGUAGE_NAMES[_language]} name"))

SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        name: (
            *others,
            *_reversed(name),
            *(text for texts in TRANSLATIONS.get(name, {}).values() for text in texts),
        )
        for name, others in _SPELLINGS.items()
    }
)
"""TG-263 name to every other spelling: English, Chinese, reverse order, other languages."""


def standard_name(name: str) -> str:
    """Return the TG-263 name that a spelling means, empty where the table has none.

    >>> standard_name("肝脏")
    'Liver'
    """
    return _EVIDENCE.get(fold(name), ("", ""))[0]


def why_standard(name: str) -> str:
    """Return why a spelling means its TG-263 name, empty where the table has none.

    >>> why_standard("Linke Niere"), why_standard("L_Kidney")
    ('the German name', 'the TG-263 name in reverse order')
    """
    return _EVIDENCE.get(fold(name), ("", ""))[1]


def standard_names() -> tuple[str, ...]:
    """Return every TG-263 name of the table."""
    return tuple(SPELLINGS)
