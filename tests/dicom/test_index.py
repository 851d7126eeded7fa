"""Indexing folders: everything found, nothing but headers read, other files counted."""

import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from tests.dicom_writer import CaseWriter, Roi, Rx, axial_grid, box_ring, prism

from planeval.dicom import scan_folder
from planeval.errors import UnreadableFile

GRID = axial_grid((3, 4, 5))
BOX = prism(box_ring(10, 10), [-5, 0, 5])


def write(folder, **names):
    writer = CaseWriter(folder)
    writer.ct(GRID)
    writer.structures([Roi("PTV", BOX)])
    writer.plan([Rx("PTV", 50)], label="Leber")
    writer.dose(GRID, np.ones(GRID.shape), summation="BEAM", beams=[1, 3], group=1)
    return writer


def test_kinds_and_references(tmp_path):
    """Every object with its kind, label and references."""
    writer = write(tmp_path)
    index = scan_folder(tmp_path)
    assert [len(index.of_kind(k)) for k in ("CT", "RTSTRUCT", "RTPLAN", "RTDOSE")] == [3, 1, 1, 1]
    (structures,), (plan,), (dose,) = map(index.of_kind, ("RTSTRUCT", "RTPLAN", "RTDOSE"))
    assert structures.referenced("series") == (writer.uid("series ct"),)
    assert structures.frame_uid == writer.frame_uid
    assert plan.referenced("structures") == (writer.structure_uid,)
    assert plan.label == "Leber"
    assert dose.referenced("plan") == (writer.plan_uid,)
    assert (dose.summation, dose.beams, dose.groups) == ("BEAM", (1, 3), (1,))
    assert (dose.patient_id, dose.file) == ("P1", "RD.dose.dcm")
    assert index.findings == ()


def test_nested_folders_unicode_names_no_extensions(tmp_path):
    """Names and depth do not matter; the file is named relative to the root."""
    CaseWriter(tmp_path).structures([Roi("A", BOX)], name="患者 1/计划/结构")
    CaseWriter(tmp_path, label="x").structures([Roi("A", BOX)], name="a b/RS (1)")
    assert sorted(e.file for e in scan_folder(tmp_path).entries) == [
        "a b/RS (1)",
        "患者 1/计划/结构",
    ]


def test_other_files_are_counted(tmp_path):
    """Texts, archives, empty files and DICOM-like noise are skipped and counted."""
    write(tmp_path)
    (tmp_path / "notes.txt").write_text("not DICOM")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "noise").write_bytes(b"\x08\x00\x10\x00\x04\x00\x00\x00abcd" * 3)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("x", "y")
    index = scan_folder(tmp_path)
    assert index.other_files == 4
    assert len(index.entries) == 6


def test_single_files_and_several_roots(tmp_path):
    """Files and folders can be mixed; a file found twice counts once."""
    write(tmp_path / "a")
    index = scan_folder(tmp_path / "a" / "RP.plan.dcm", tmp_path / "a")
    assert len(index.entries) == 6
    assert index.of_kind("RTPLAN")[0].file == "RP.plan.dcm"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
def test_a_file_reached_by_several_ways_counts_once(tmp_path, monkeypatch):
    """By a link to it, by a link to its folder, by a path with detours, relative and absolute."""
    write(tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "again.dcm").symlink_to(tmp_path / "a" / "RP.plan.dcm")
    (tmp_path / "broken").symlink_to(tmp_path / "gone")
    monkeypatch.chdir(tmp_path)
    ways = (tmp_path / "a", "link", "a/../a/RP.plan.dcm", "link/again.dcm", tmp_path)
    index = scan_folder(*ways)
    assert len(index.entries) == 6
    assert index.findings == ()


def test_path_that_does_not_exist(tmp_path):
    """A wrong path is an error, not an empty index."""
    with pytest.raises(UnreadableFile, match="nowhere: no such file or folder"):
        scan_folder(tmp_path / "nowhere")


def test_folder_that_cannot_be_listed_is_a_finding(tmp_path, monkeypatch):
    """A folder without permission is told, not passed over."""
    write(tmp_path)
    real = os.scandir

    def scandir(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "scandir", scandir)
    index = scan_folder(tmp_path)
    assert len(index.entries) == 6
    assert [(f.code, f.where) for f in index.findings] == [("unreadable-file", "locked")]


def test_copies_are_used_once(tmp_path):
    """A byte-for-byte copy is dropped with a remark."""
    write(tmp_path)
    (tmp_path / "RP copy").write_bytes((tmp_path / "RP.plan.dcm").read_bytes())
    index = scan_folder(tmp_path)
    assert len(index.of_kind("RTPLAN")) == 1
    assert [f.code for f in index.findings] == ["duplicate-file"]


def test_one_uid_two_contents(tmp_path):
    """Different files of one UID are both kept, with a finding."""
    writer = write(tmp_path)
    writer.plan([Rx("PTV", 60)], name="RP other")
    index = scan_folder(tmp_path)
    assert len(index.of_kind("RTPLAN")) == 2
    assert [f.code for f in index.findings] == ["duplicate-uid"]


def test_unreadable_dicom_is_a_finding(tmp_path):
    """A damaged DICOM file does not stop the others."""
    write(tmp_path)
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\x02\x00\x00\x00UL\x03\x00abc")
    index = scan_folder(tmp_path)
    assert len(index.entries) == 6
    assert [(f.code, f.where) for f in index.findings] == [("unreadable-file", "broken.dcm")]


def test_other_objects_are_kept_as_other(tmp_path):
    """An SR or a secondary capture is in the index, as OTHER."""

    def edit(ds):
        ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"

    CaseWriter(tmp_path).plan(edit=edit)
    assert [e.kind for e in scan_folder(tmp_path).entries] == ["OTHER"]


def test_dicomdir_is_not_an_object(tmp_path):
    """A DICOMDIR lists files; it is none."""

    def edit(ds):
        for element in list(ds):
            del ds[element.tag]
        ds.SOPClassUID = "1.2.840.10008.1.3.10"
        ds.DirectoryRecordSequence = [Dataset()]

    CaseWriter(tmp_path).plan(edit=edit, name="DICOMDIR")
    index = scan_folder(tmp_path)
    assert [e.kind for e in index.entries] in ([], ["OTHER"])
    assert index.findings == ()


def test_bulk_data_is_not_read(tmp_path):
    """ContourData and PixelData may be nonsense: the index does not look."""
    roi = Roi("PTV", BOX, texts=["nonsense"] * 3)
    writer = CaseWriter(tmp_path)
    writer.structures([roi])
    path = writer.dose(GRID, np.ones(GRID.shape))
    path.write_bytes(path.read_bytes()[:-200])
    index = scan_folder(tmp_path)
    assert len(index.entries) == 2
    assert index.findings == ()


def test_frame_of_a_structure_set_without_frame_sequence(tmp_path):
    """The frame of the ROIs is taken where the optional sequence is missing."""

    def edit(ds):
        del ds.ReferencedFrameOfReferenceSequence

    writer = CaseWriter(tmp_path)
    writer.structures([Roi("PTV", BOX)], edit=edit)
    assert scan_folder(tmp_path).entries[0].frame_uid == writer.frame_uid
