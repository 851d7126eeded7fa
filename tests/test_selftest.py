"""The self-test: every fault is made in copies, and what becomes of it is told truly."""

import json

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from tests.dicom_writer import CaseWriter, Roi, Rx, axial_grid, box_ring, prism

from planeval import selftest
from planeval.cli import cli
from planeval.dicom.faults import FAULTS, CopiedPlan, Fault, put
from planeval.errors import UndecidedProtocol
from planeval.model.faults import Noticed
from planeval.selftest import self_test

PROTOCOL = """schema: planeval.protocol/1
id: own
title: one organ
version: "1"
review: {status: draft}
sources: {src: {citation: "nobody", locator: "nowhere", evidence: page}}
structures: {Liver: {}, PTV: {}}
constraints:
  - {id: liver, structure: Liver, metric: "Mean[Gy]", kind: limit, per_protocol: "<= 60", source: src}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A liver to the right of a steep dose, with plan and CT."""
    folder = tmp_path_factory.mktemp("plan")
    writer = CaseWriter(folder)
    grid = axial_grid((24, 40, 50), spacing_mm=(2.5, 2.5, 2.5), origin_mm=(-60, -50, -29))
    writer.ct(axial_grid((16, 32, 32), spacing_mm=(4.0, 5.0, 5.0), origin_mm=(-80, -80, -30)))
    liver = prism(box_ring(30, 30, centre=(-30, 0)), heights=range(-20, 21, 4))
    target = prism(box_ring(10, 10, centre=(-30, 0)), heights=range(-8, 9, 4))
    writer.structures([Roi("Liver", liver), Roi("PTV", target, type="PTV")])
    writer.plan([Rx("PTV", 50.0)], fractions=25)
    x = -60 + 2.5 * np.arange(50)
    writer.dose(grid, np.broadcast_to(np.where(x < -5, 50.0, 10.0), grid.shape))
    (folder / "own.yaml").write_text(PROTOCOL, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def found(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*.dcm")}
    result = self_test(folder, protocol=folder / "own.yaml")
    assert {path: path.read_bytes() for path in folder.rglob("*.dcm")} == before
    return result


REFUSED = ["dose-other-plan", "dose-other-patient", "frame-changed"]
FLAGGED = [
    "dose-turned", "dose-halved", "dose-cgy", "plane-lost", "slice-lost", "organ-renamed",
    "organ-emptied",
]  # fmt: skip


def test_every_fault_is_refused_or_flagged(found):
    """Nothing is lost, the plan itself passes, and the plan's own files are as they were."""
    noticed = {each.code: each.noticed for each in found.results}
    assert list(noticed) == [fault.code for fault in FAULTS]
    assert {code for code in REFUSED if noticed[code] is not Noticed.REFUSED} == set()
    assert {code for code in FLAGGED if noticed[code] is not Noticed.FLAGGED} == set()
    assert "1 pass" in found.summary
    assert found.is_clean


def test_the_evidence_is_what_a_reader_says(found):
    """What a user would read: the target's dose, the patient, the missing organ."""
    said = {each.code: each.evidence for each in found.results}
    assert "D50% is 50.0 % of the 50 Gy" in said["dose-halved"]
    assert "different patients" in said["dose-other-patient"]
    assert "NOT EVALUABLE" in said["organ-renamed"]
    assert "slices are missing" in said["slice-lost"]


def with_fault(monkeypatch, make):
    monkeypatch.setattr(selftest, "FAULTS", (Fault("own", "a fault of this test", make),))


def test_numbers_alone_and_nothing_at_all(folder, monkeypatch):
    """A dose 2 % higher changes values and no sentence; a new description changes nothing."""

    def scale(plan):
        dose = pydicom.dcmread(plan.doses[0])
        dose.DoseGridScaling = float(dose.DoseGridScaling) * 1.02
        dose.save_as(plan.doses[0])
        return ""

    with_fault(monkeypatch, scale)
    (result,) = self_test(folder, protocol=folder / "own.yaml").results
    assert result.noticed is Noticed.NUMBERS
    assert " Gy [" in result.evidence
    assert result.evidence.split(" [")[0].split(" ")[0] in ("Liver", "PTV")
    runner = CliRunner()
    arguments = ["selftest", str(folder), "--protocol", str(folder / "own.yaml")]
    assert runner.invoke(cli, arguments, standalone_mode=False).return_value == 3
    with_fault(monkeypatch, lambda plan: "")
    done = runner.invoke(cli, [*arguments, "--json"], standalone_mode=False)
    assert done.return_value == 1
    (shown,) = json.loads(done.stdout)["results"]
    assert (shown["noticed"], shown["evidence"]) == ("not noticed", "nothing changed")


def test_a_protocol_that_names_no_organ_still_sees_the_numbers(folder, tmp_path, monkeypatch):
    """The inventory is compared as well: a dose that moved is not "nothing changed"."""
    other = tmp_path / "other.yaml"
    other.write_text(PROTOCOL.replace("Liver", "Heart"), encoding="utf-8")
    shifted = next(fault for fault in FAULTS if fault.code == "dose-halved")
    monkeypatch.setattr(selftest, "FAULTS", (shifted,))
    monkeypatch.setattr(selftest, "_flagged", lambda before, after: "")
    (result,) = self_test(folder, protocol=other).results
    assert result.noticed is Noticed.NUMBERS


def test_what_cannot_be_made_says_why(folder, tmp_path, monkeypatch):
    """No CT, no plan, no plane to spare, a file that is no DICOM: never a traceback."""
    nowhere = tmp_path / "none.dcm"
    nowhere.write_bytes(b"this is not DICOM")
    bare = CopiedPlan(nowhere, (nowhere,))
    reasons = {fault.code: put(fault, bare) for fault in FAULTS}
    assert reasons["slice-lost"] == "there is no CT"
    assert reasons["dose-other-plan"] == "there is no RTPLAN"
    assert all("cannot be rewritten" in reasons[code] for code in ("dose-turned", "plane-lost"))
    with_fault(monkeypatch, lambda plan: "there is no such thing")
    result = self_test(folder, protocol=folder / "own.yaml")
    assert result.results[0].noticed is Noticed.NOT_MADE
    assert result.is_clean


def test_no_protocol_that_applies_is_said(folder):
    """Without a protocol the one that applies is taken; here there is none."""
    with pytest.raises(UndecidedProtocol, match="no single disease set applies"):
        self_test(folder)


def test_the_command_shows_a_line_for_each(folder):
    """A table in the terminal, progress beside it, exit code 0."""
    done = CliRunner().invoke(
        cli, ["selftest", str(folder), "--protocol", str(folder / "own.yaml")],
        standalone_mode=False,
    )  # fmt: skip
    assert done.return_value == 0
    assert done.stdout.count("flagged") + done.stdout.count("refused") == len(FAULTS)
    assert "trying: dose scaled by 0.5" in done.stderr
