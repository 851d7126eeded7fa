"""Organ names of the liver set in German, French, Spanish, Japanese and Korean.

Only words that mean exactly the organ: a word that may also mean another one is left out. Chinese and
English spellings stand in :mod:`planeval.protocol.organs`.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LANGUAGE_NAMES", "TRANSLATIONS"]

LANGUAGE_NAMES: Mapping[str, str] = {
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "ja": "Japanese",
    "ko": "Korean",
}

TRANSLATIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Liver": {
        "de": ("Leber",),
        "fr": ("Foie",),
        "es": ("Hígado", "Higado"),
        "ja": ("肝臓", "全肝臓"),
        "ko": ("간",),
    },
    "Esophagus": {
        "de": ("Ösophagus", "Speiseröhre", "Speiseroehre"),
        "fr": ("Œsophage", "Oesophage"),
        "es": ("Esófago", "Esofago"),
        "ko": ("식도",),
    },
    "Stomach": {
        "de": ("Magen",),
        "fr": ("Estomac",),
        "es": ("Estómago", "Estomago"),
        "ko": ("위", "위장"),
    },
    "Duodenum": {
        "de": ("Zwölffingerdarm", "Zwoelffingerdarm"),
        "fr": ("Duodénum",),
        "es": ("Duodeno",),
        "ko": ("십이지장",),
    },
    "Bowel_Small": {
        "de": ("Dünndarm", "Duenndarm"),
        "fr": ("Intestin grêle", "Intestin grele", "Grêle"),
        "es": ("Intestino delgado",),
        "ko": ("소장",),
    },
    "Bowel_Large": {
        "de": ("Dickdarm",),
        "fr": ("Gros intestin",),
        "es": ("Intestino grueso",),
        "ko": ("대장",),
    },
    "Colon": {"de": ("Kolon",), "fr": ("Côlon",), "ko": ("결장",)},
    "Kidneys": {
        "de": ("Nieren", "Beide Nieren"),
        "fr": ("Reins",),
        "es": ("Riñones", "Rinones"),
        "ja": ("両腎", "両腎臓"),
        "ko": ("양측 신장", "양신장"),
    },
    "Kidney_L": {
        "de": ("Niere links", "Linke Niere", "Niere li"),
        "fr": ("Rein gauche",),
        "es": ("Riñón izquierdo", "Rinon izquierdo"),
        "ja": ("左腎", "左腎臓"),
        "ko": ("좌신장", "왼쪽 신장"),
    },
    "Kidney_R": {
        "de": ("Niere rechts", "Rechte Niere", "Niere re"),
        "fr": ("Rein droit",),
        "es": ("Riñón derecho", "Rinon derecho"),
        "ja": ("右腎", "右腎臓"),
        "ko": ("우신장", "오른쪽 신장"),
    },
    "SpinalCord": {
        "de": ("Rückenmark", "Rueckenmark", "Myelon"),
        "fr": ("Moelle épinière", "Moelle epiniere"),
        "es": ("Médula espinal", "Medula espinal"),
        "ja": ("脊髄",),
        "ko": ("척수",),
    },
    "SpinalCanal": {
        "de": ("Spinalkanal",),
        "fr": ("Canal rachidien",),
        "es": ("Canal raquídeo", "Canal espinal"),
        "ja": ("脊柱管",),
        "ko": ("척추관",),
    },
    "Heart": {
        "de": ("Herz",),
        "fr": ("Cœur", "Coeur"),
        "es": ("Corazón", "Corazon"),
        "ja": ("心臓",),
        "ko": ("심장",),
    },
    "Lungs": {
        "de": ("Lungen", "Beide Lungen"),
        "fr": ("Poumons",),
        "es": ("Pulmones",),
        "ja": ("両肺",),
        "ko": ("양측 폐", "양폐"),
    },
    "Lung_L": {
        "de": ("Lunge links", "Linke Lunge"),
        "fr": ("Poumon gauche",),
        "es": ("Pulmón izquierdo", "Pulmon izquierdo"),
        "ko": ("좌폐", "왼쪽 폐"),
    },
    "Lung_R": {
        "de": ("Lunge rechts", "Rechte Lunge"),
        "fr": ("Poumon droit",),
        "es": ("Pulmón derecho", "Pulmon derecho"),
        "ko": ("우폐", "오른쪽 폐"),
    },
    "V_Portal": {
        "de": ("Pfortader",),
        "fr": ("Veine porte",),
        "es": ("Vena porta",),
        "ja": ("門脈",),
        "ko": ("간문맥", "문맥"),
    },
    "V_Venacava_I": {
        "de": ("Untere Hohlvene",),
        "fr": ("Veine cave inférieure", "Veine cave inferieure"),
        "ja": ("下大静脈",),
        "ko": ("하대정맥",),
    },
    "A_Aorta": {"fr": ("Aorte",), "ja": ("大動脈",), "ko": ("대동맥",)},
    "Gallbladder": {
        "de": ("Gallenblase",),
        "fr": ("Vésicule biliaire", "Vesicule biliaire"),
        "es": ("Vesícula biliar", "Vesicula biliar"),
        "ja": ("胆嚢",),
        "ko": ("담낭", "쓸개"),
    },
    "BileDuct_Common": {
        "de": ("Ductus choledochus",),
        "fr": ("Cholédoque", "Choledoque"),
        "es": ("Colédoco", "Coledoco"),
        "ja": ("総胆管",),
        "ko": ("총담관",),
    },
    "Pancreas": {
        "de": ("Pankreas", "Bauchspeicheldrüse"),
        "fr": ("Pancréas",),
        "es": ("Páncreas",),
        "ja": ("膵臓", "膵"),
        "ko": ("췌장",),
    },
    "Spleen": {
        "de": ("Milz",),
        "fr": ("Rate",),
        "es": ("Bazo",),
        "ja": ("脾臓",),
        "ko": ("비장",),
    },
    "Chestwall": {
        "de": ("Brustwand", "Thoraxwand"),
        "fr": ("Paroi thoracique",),
        "es": ("Pared torácica", "Pared toracica"),
        "ko": ("흉벽",),
    },
    "Rib": {
        "de": ("Rippe", "Rippen"),
        "fr": ("Côtes",),
        "es": ("Costillas",),
        "ko": ("늑골", "갈비뼈"),
    },
    "Skin": {"de": ("Haut",), "fr": ("Peau",), "es": ("Piel",), "ja": ("皮膚",), "ko": ("피부",)},
    "External": {
        "de": ("Außenkontur", "Körperkontur"),
        "fr": ("Contour externe",),
        "es": ("Contorno externo",),
        "ja": ("体輪郭",),
    },
}
"""TG-263 name to its words by language."""
