"""Opening files: what is DICOM, what is cut off, and that no pydicom error or warning gets out."""

import warnings

import numpy as np
import pydicom
import pytest
from pydicom import config
from tests.dicom_writer import CaseWriter, Roi, Rx, axial_grid, box_ring, prism

from planeval.dicom import read_case, scan_folder
from planeval.dicom.files import looks_like_dicom, open_file
from planeval.dicom.pydicom_datasets import quiet_pydicom
from planeval.errors import DataError, PlanevalError, UnreadableFile

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"


def write_case(folder, syntax=EXPLICIT, *, preamble=True, bits=32):
    """A small complete case: a 20 mm box in a dose that rises along x."""
    writer = CaseWriter(folder)
    grid = axial_grid((9, 12, 14), spacing_mm=(5, 4, 4), origin_mm=(-26, -22, -20))
    ring = box_ring(20, 20)
    writer.structures(
        [Roi("PTV", prism(ring, [-5, 0, 5]))], syntax=syntax, preamble=preamble, slab_images=True
    )
    writer.plan([Rx("PTV", 40.0)], syntax=syntax, preamble=preamble)
    gy = np.broadcast_to(np.linspace(10, 40, 14), grid.shape)
    writer.dose(grid, gy, syntax=syntax, preamble=preamble, bits=bits)
    return writer


@pytest.mark.parametrize(
    ("syntax", "preamble"),
    [
        (IMPLICIT, True),
        (IMPLICIT, False),
        (EXPLICIT, True),
        (EXPLICIT, False),
        (BIG_ENDIAN, True),
        (BIG_ENDIAN, False),
        (DEFLATED, True),
    ],
)
def test_every_plain_syntax_reads_the_same(tmp_path, syntax, preamble):
    """Implicit, explicit, big endian and deflated files give one answer, with preamble or not."""
    write_case(tmp_path, syntax, preamble=preamble)
    case = read_case(scan_folder(tmp_path))
    assert case.structures["PTV"].volume_cc == pytest.approx(6.0)
    assert case.dose.terms[0].gy[3, 2, [0, -1]] == pytest.approx([10, 40], abs=1e-6)
    assert case.prescriptions[0].total_gy == 40


def test_rle_dose_is_decoded(tmp_path):
    """A compressed dose is decoded by pydicom."""
    write_case(tmp_path, bits=16)
    path = tmp_path / "RD.dose.dcm"
    plain = read_case(scan_folder(tmp_path)).dose.terms[0].gy
    ds = pydicom.dcmread(path)
    ds.compress(RLE, generate_instance_uid=False)
    ds.save_as(path)
    assert np.array_equal(read_case(scan_folder(tmp_path)).dose.terms[0].gy, plain)


def test_undecodable_syntax_is_one_clear_sentence(tmp_path):
    """JPEG 2000 data without a decoder, or broken, says what to do."""
    write_case(tmp_path)
    path = tmp_path / "RD.dose.dcm"
    content = path.read_bytes()
    old = EXPLICIT.encode() + b"\0"
    new = b"1.2.840.10008.1.2.4.90"
    head, tail = content[:400], content[400:]
    at = head.index(old)
    length = int.from_bytes(head[at - 2 : at], "little")
    head = head[: at - 2] + len(new).to_bytes(2, "little") + new + head[at + length :]
    group = head.index(b"UL\x04\x00") + 4
    total = int.from_bytes(head[group : group + 4], "little") + len(new) - length
    path.write_bytes(head[:group] + total.to_bytes(4, "little") + head[group + 4 :] + tail)
    with pytest.raises(DataError, match=r"RD\.dose\.dcm.*export it uncompressed"):
        read_case(scan_folder(tmp_path))


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED])
@pytest.mark.parametrize("name", ["RS.structures.dcm", "RD.dose.dcm", "RP.plan.dcm"])
def test_cut_files_never_give_other_numbers(tmp_path, syntax, name):
    """A file cut anywhere is refused or gives less, never a wrong volume or dose, never a crash."""
    write_case(tmp_path, syntax)
    path = tmp_path / name
    content = path.read_bytes()
    for length in np.linspace(1, len(content) - 1, 60).astype(int):
        path.write_bytes(content[:length])
        try:
            case = read_case(scan_folder(tmp_path))
        except PlanevalError:
            continue
        if "PTV" in case.structures:
            assert case.structures["PTV"].volume_cc == pytest.approx(6.0)
        assert case.dose.terms[0].gy.max() == pytest.approx(40, abs=1e-6)


def test_cut_file_says_that_it_is_incomplete(tmp_path):
    """The message of a cut file names it and what to do."""
    write_case(tmp_path)
    path = tmp_path / "RD.dose.dcm"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnreadableFile, match=r"RD\.dose\.dcm: the file ends within.*again"):
        read_case(scan_folder(tmp_path))


@pytest.mark.parametrize("name", ["RS.structures.dcm", "RD.dose.dcm", "RP.plan.dcm"])
def test_damaged_files_never_leak_foreign_errors(tmp_path, name):
    """Random damage ends in an answer or in one of our errors, and stays quiet."""
    write_case(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    rng = np.random.default_rng(7)
    for _ in range(80):
        damaged = bytearray(content)
        for place in rng.integers(132, min(len(content), 3000), 4):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(bytes(damaged))
        try:
            read_case(scan_folder(tmp_path))
        except PlanevalError:
            continue


def test_text_files_are_not_dicom():
    """Other files are told by their first bytes."""
    assert not looks_like_dicom(b"%PDF-1.7 ................")
    assert not looks_like_dicom(b"PK\x03\x04 zip")
    assert not looks_like_dicom(b"")
    assert looks_like_dicom(b"\x08\x00\x05\x00\x0a\x00\x00\x00ISO_IR 100")


def test_not_dicom_is_refused_by_name(tmp_path):
    """A file that is no DICOM is refused where one is needed."""
    path = tmp_path / "notes.txt"
    path.write_text("hello, this is a text")
    with pytest.raises(UnreadableFile, match=r"notes\.txt: not a DICOM file"):
        open_file(path, "notes.txt")


def test_quiet_restores_what_it_changed():
    """Pydicom's settings and the warning filters come back, also after an error."""
    before = config.settings.reading_validation_mode
    filters = list(warnings.filters)
    with pytest.raises(ValueError, match="x"), quiet_pydicom():
        raise ValueError("x")
    assert config.settings.reading_validation_mode == before
    assert warnings.filters == filters
