"""Plain files without pydicom: the same elements as pydicom finds, and everything odd left to it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from tests.dicom_writer import CaseWriter, Roi, Rx, axial_grid, box_ring, prism

from planeval.dicom import keywords
from planeval.dicom.elements import Item
from planeval.dicom.files import open_file, open_header
from planeval.dicom.keywords import spelled, tag_of, vr_of
from planeval.dicom.plain import CutOff, NotPlain, PlainDataset, plain_file, plain_header
from planeval.dicom.pydicom_datasets import PydicomDataset, quiet_pydicom
from planeval.errors import UnreadableFile

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DATA = next(
    (
        parent.parent / "shared" / "data"
        for parent in Path(__file__).resolve().parents
        if (parent / "pyproject.toml").exists()
    ),
    Path("absent"),
)
FILES = ["RS.structures.dcm", "RD.dose.dcm", "RP.plan.dcm"]


def write_case(folder, syntax=EXPLICIT, edit=None):
    """A structure set, a plan and a dose."""
    writer = CaseWriter(folder)
    grid = axial_grid((5, 6, 7), spacing_mm=(5, 4, 4), origin_mm=(-12, -10, -10))
    rois = [
        Roi("PTV", prism(box_ring(20, 20), [-5, 0, 5])),
        Roi("肝脏", prism(box_ring(9, 9), [0])),
    ]
    writer.structures(rois, syntax=syntax, edit=edit)
    writer.plan([Rx("PTV", 40.0)], syntax=syntax)
    writer.dose(grid, np.full(grid.shape, 40.0), syntax=syntax)


def open_lengths(ds):
    """Write every sequence and item of a dataset without stating its length."""
    for element in ds:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                open_lengths(item)


def assert_same(plain, parsed):
    """Both datasets hold the same elements, down to the last item."""
    assert isinstance(plain, PlainDataset)
    for tag in map(int, parsed.keys()):
        assert tag in plain
        if dictionary_or_none(tag) == "SQ":
            ours, theirs = plain.items(tag), PydicomDataset(parsed).items(tag)
            assert ours is not None
            assert theirs is not None
            assert len(ours) == len(theirs)
            for one, other in zip(ours, theirs, strict=True):
                assert_same(one, other.dataset)
        else:
            stored = plain.stored(tag)
            reference = PydicomDataset(parsed).stored(tag)
            assert stored is not None
            assert reference is not None
            assert stored.value.strip(b"\0 ") == reference.value.strip(b"\0 "), hex(tag)
    assert 0x99990001 not in plain
    assert plain.stored(0x99990001) is None


def dictionary_or_none(tag):
    try:
        return dictionary_VR(tag)
    except KeyError:
        return None


@pytest.mark.parametrize("edit", [None, open_lengths], ids=["stated", "open"])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_elements_are_those_of_pydicom(tmp_path, syntax, edit):
    """Implicit and explicit files, with stated and with open lengths, give the same elements."""
    write_case(tmp_path, syntax, edit)
    for name in FILES:
        plain, found = plain_file((tmp_path / name).read_bytes())
        assert found == syntax
        assert_same(plain, pydicom.dcmread(tmp_path / name))


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.skipif(not DATA.is_dir(), reason="no data beside the checkout")
def test_real_files_are_read_alike():
    """Every real file that is read without pydicom holds what pydicom finds in it."""
    plain_files = 0
    for path in sorted(DATA.rglob("*")):
        if not path.is_file() or path.stat().st_size > 30_000_000:
            continue
        content = path.read_bytes()
        try:
            plain, _ = plain_file(content)
        except NotPlain:
            continue
        plain_files += 1
        with quiet_pydicom():
            assert_same(plain, pydicom.dcmread(path))
    assert plain_files > 50


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
@pytest.mark.parametrize("edit", [None, open_lengths], ids=["stated", "open"])
def test_cut_files_are_never_plain(tmp_path, syntax, edit):
    """A file that ends within an element or an open sequence is left to pydicom's reader."""
    write_case(tmp_path, syntax, edit)
    content = (tmp_path / FILES[0]).read_bytes()
    root, _ = plain_file(content)
    complete = {0}
    for length in range(132, len(content), 37):
        try:
            cut, _ = plain_file(content[:length])
        except NotPlain:
            continue
        # a cut between two elements of the file is a shorter file, as pydicom sees it too
        complete.add(length)
        assert set(pydicom.dcmread(_written(tmp_path, content[:length])).keys()) <= {
            tag for tag in _tags(root) if tag in cut
        }
    assert len(complete) < 30


def _written(folder, content):
    path = folder / "cut.dcm"
    path.write_bytes(content)
    return path


def _tags(dataset):
    return dataset._places


@pytest.mark.parametrize("syntax", [BIG_ENDIAN, "1.2.840.10008.1.2.1.99"])
def test_other_syntaxes_are_left_to_pydicom(tmp_path, syntax):
    """Big-endian and deflated files are not plain."""
    write_case(tmp_path, syntax)
    with pytest.raises(NotPlain):
        plain_file((tmp_path / FILES[0]).read_bytes())
    file = open_file(tmp_path / FILES[0], FILES[0])
    assert isinstance(file.root.dataset, PydicomDataset)
    assert file.syntax == syntax


def test_no_preamble_is_not_plain():
    """A file without preamble is left to pydicom."""
    with pytest.raises(NotPlain):
        plain_file(b"\x08\x00\x05\x00\x0a\x00\x00\x00ISO_IR 100")


def element(tag, value, vr=None, length=None):
    """One little-endian element; explicit where a VR is given."""
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    size = len(value) if length is None else length
    if vr is None:
        return head + size.to_bytes(4, "little") + value
    if vr in (b"SQ", b"UN", b"OB"):
        return head + vr + b"\0\0" + size.to_bytes(4, "little") + value
    return head + vr + size.to_bytes(2, "little") + value


def file_of(syntax, *elements):
    """A file of some elements."""
    meta = element(0x00020010, syntax.encode() + b"\0" * (len(syntax) % 2), b"UI")
    return b"\0" * 128 + b"DICM" + meta + b"".join(elements)


UID = element(0x00080018, b"1.2.3\0")
EXPLICIT_UID = element(0x00080018, b"1.2.3\0", b"UI")
OPEN = 0xFFFFFFFF


@pytest.mark.parametrize(
    "content",
    [
        file_of(IMPLICIT, UID, UID),
        file_of(IMPLICIT, element(0x00100020, b"ID"), UID),
        file_of(IMPLICIT, EXPLICIT_UID),
        file_of(EXPLICIT, UID),
        file_of(EXPLICIT, EXPLICIT_UID, element(0x00100020, b"ID", b"ZZ")),
        file_of(EXPLICIT, element(0x30060020, b"", b"UN", OPEN)),
        file_of(EXPLICIT, EXPLICIT_UID, element(0x7FE00010, b"", b"OB", OPEN)),
        file_of(IMPLICIT, UID, element(0xFFFEE00D, b"")),
        file_of(IMPLICIT, UID, element(0x30060020, element(0x00080018, b"1"), None, OPEN)),
        file_of("1.2.840.10008.1.2.4.90", EXPLICIT_UID),
        b"\0" * 128 + b"DICM" + element(0x00020000, b"\0\0\0\0", b"UL"),
    ],
    ids=[
        "repeated", "falling", "explicit in implicit", "implicit in explicit", "unknown VR",
        "open UN", "encapsulated", "stray delimiter", "open sequence without item", "compressed",
        "no syntax",
    ],
)  # fmt: skip
def test_odd_files_are_left_to_pydicom(content):
    """Whatever is not exactly plain is not read here."""
    with pytest.raises(NotPlain):
        plain_file(content)


def test_nesting_without_end_is_left_to_pydicom():
    """Thousands of nested sequences end in one clear error, not in a crash."""
    nested = b""
    for _ in range(3000):
        nested += element(0x30060020, element(0xFFFEE000, b"", None, OPEN), None, OPEN)
    with pytest.raises(NotPlain):
        plain_file(file_of(IMPLICIT, nested))


def test_sequence_stored_as_un_is_read(tmp_path):
    """A sequence whose VR an archive did not know (UN, PS3.5 6.2.2) still has its items."""
    item = element(0xFFFEE000, element(0x30060022, b"7 "))
    content = file_of(EXPLICIT, EXPLICIT_UID, element(0x30060020, item, b"UN"))
    path = _written(tmp_path, content)
    root = open_file(path, "RS").root
    assert isinstance(root.dataset, PlainDataset)
    assert [one.integer("ROINumber") for one in root.items("StructureSetROISequence")] == [7]


def test_item_with_its_own_oddity_is_read_by_pydicom(tmp_path):
    """A sequence of stated length that is not plain inside is parsed by pydicom alone."""
    odd = element(0x30060026, b"PTV ") + element(0x30060022, b"7 ")
    content = file_of(IMPLICIT, UID, element(0x30060020, element(0xFFFEE000, odd)))
    root = open_file(_written(tmp_path, content), "RS").root
    assert isinstance(root.dataset, PlainDataset)
    (item,) = root.items("StructureSetROISequence")
    assert isinstance(item.dataset, PydicomDataset)
    assert (item.text("ROIName"), item.integer("ROINumber")) == ("PTV", 7)


def test_header_stops_and_grows(tmp_path):
    """A header is read up to its last tag, however long what lies before it is."""
    long = element(0x00081030, b"x" * 40_000)
    path = _written(tmp_path, file_of(IMPLICIT, UID, long, element(0x7FE00010, b"\0" * 10)))
    header = open_header(path, "CT", [0x00080018], 0x50000000)
    assert header.text("SOPInstanceUID") == "1.2.3"
    assert len(header.text("StudyDescription")) == 40_000
    assert not header.has("PixelData")
    with pytest.raises(CutOff):
        plain_header(path.read_bytes()[:8192], 0x50000000, is_whole=False)


def test_cut_header_is_refused_as_before(tmp_path):
    """A header that ends within an element is pydicom's to judge, and so not silently shorter."""
    path = _written(tmp_path, file_of(IMPLICIT, UID, element(0x00081030, b"abc", None, 400)))
    with pytest.raises(UnreadableFile, match="ends within"):
        open_file(path, "RS")


def test_keywords_are_those_of_the_dictionary():
    """Tags and VRs in our table are pydicom's; a keyword that is not in it is looked up there."""
    for keyword, (tag, vr) in keywords._KNOWN.items():
        assert tag_for_keyword(keyword) == tag
        assert dictionary_VR(tag) == vr
    assert (tag_of("KVP"), vr_of("KVP"), spelled("KVP")) == (0x00180060, "DS", "KVP (0018,0060)")
    with pytest.raises(ValueError, match="not a DICOM keyword"):
        tag_of("NotAKeyword")


def test_wrapped_pydicom_elements(tmp_path):
    """Converted elements of a pydicom dataset give the same text as stored ones."""
    ds = Dataset()
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.Rows = 512
    ds.PixelRepresentation = 0
    ds.PatientID = "A"
    ds.StructureSetROISequence = Sequence([])
    root = Item.root(PydicomDataset(ds), "x")
    assert root.texts("ImageType") == ("ORIGINAL", "PRIMARY")
    assert root.text("PatientID") == "A"
    assert (root.integer("Rows"), root.integer("PixelRepresentation")) == (512, 0)
    assert root.items("StructureSetROISequence") == []


def test_a_plain_case_is_read_without_pydicom(tmp_path):
    """Scanning and reading a usual export never imports pydicom."""
    write_case(tmp_path)
    code = (
        "import sys, planeval; case = planeval.load(sys.argv[1]); case.dvh('PTV').mean(); "
        "print('pydicom' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
