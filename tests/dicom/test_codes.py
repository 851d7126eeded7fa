"""The finding codes: listed, spelled alike, raised somewhere and tested somewhere."""

import re
from pathlib import Path

import pytest

import planeval.dicom
from planeval.dicom.codes import CODES, finding
from planeval.model import Severity

SOURCES = [
    path.read_text(encoding="utf-8")
    for path in Path(planeval.dicom.__file__).parent.glob("*.py")
    if path.name != "codes.py"
]
TESTS = [
    path.read_text(encoding="utf-8")
    for path in Path(__file__).parent.glob("test_*.py")
    if path.name not in ("test_codes.py", "test_shared_data.py")
]


@pytest.mark.parametrize("code", CODES)
def test_code_is_listed_used_and_tested(code):
    """Every code is kebab-case, explained, used by a reader, and seen to fire in a test."""
    severity, meaning = CODES[code]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
    assert isinstance(severity, Severity)
    assert meaning
    assert any(f'"{code}"' in text for text in SOURCES)
    assert any(f'"{code}"' in text for text in TESTS)


def test_unlisted_code_is_a_mistake():
    """A code that is not in the table cannot be used."""
    with pytest.raises(KeyError):
        finding("no-such-code", "x")
