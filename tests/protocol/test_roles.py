"""Targets and the GTV, by type and name."""

import pytest

from planeval.protocol.roles import Candidate, gtv_of, is_phase_copy, is_target


def reading(*rois, **flags):
    return gtv_of([Candidate(name, kind, **flags) for name, kind in rois])


@pytest.mark.parametrize(
    ("rois", "members"),
    [
        ([("GTV", "GTV")], ("GTV",)),
        ([("GTV", "GTV"), ("PVTT", "GTV")], ("GTV", "PVTT")),
        ([("GTV", ""), ("Thrombus", "ORGAN")], ("GTV", "Thrombus")),
        ([("GTV", "GTV"), ("门静脉癌栓", "")], ("GTV", "门静脉癌栓")),
        ([("GTVp", "GTV"), ("GTV_N", "GTV"), ("GTV-1", "GTV")], ("GTVp", "GTV_N", "GTV-1")),
        ([("HCC seg 8", "GTV"), ("Liver", "ORGAN")], ("HCC seg 8",)),
        ([("GTV", "GTV"), ("CTV", "CTV"), ("PTV", "PTV"), ("CTV_PVTT", "CTV")], ("GTV",)),
        ([("GTV", "GTV"), ("GTV_T00", "GTV"), ("GTV_T50", "GTV")], ("GTV",)),
        ([("GTV", "GTV"), ("GTV 50%", "GTV"), ("GTV phase 3", "GTV")], ("GTV",)),
        ([("GTV", "GTV"), ("4D GTV", "GTV"), ("GTV_MIP", "GTV"), ("GTV吸气", "")], ("GTV",)),
        ([("GTV", "GTV"), ("GTV+5mm", "GTV"), ("GTV ring", "")], ("GTV",)),
        ([("GTV", "GTV"), ("TT", "GTV"), ("Stomach", "ORGAN")], ("GTV", "TT")),
        ([("Liver", "ORGAN"), ("Liver-GTV", "ORGAN")], ()),
    ],
)
def test_members(rois, members):
    """Tumour, nodes and thrombus; phases, expansions and other targets stay out."""
    found = reading(*rois)
    assert found.members == members
    assert not found.doubtful


@pytest.mark.parametrize(
    ("rois", "doubtful", "why"),
    [
        ([("GTV", "PTV")], "GTV", "its name says GTV and its type PTV"),
        ([("PTV", "GTV"), ("GTV", "GTV")], "PTV", "its name says PTV and its type GTV"),
        ([("GTV_T00", "GTV"), ("GTV_T50", "GTV")], "GTV_T00", "one phase of a 4D-CT"),
        ([("IGTV", "GTV"), ("GTV", "GTV")], "IGTV", "internal GTV covers motion"),
        ([("GTV", "GTV"), ("GTV_old", "GTV")], "GTV_old", "a copy or out of date"),
        ([("GTV", "GTV"), ("血栓", "GTV")], "血栓", "not tumour"),
    ],
)
def test_doubts_are_named_and_not_decided(rois, doubtful, why):
    """Where type and name disagree, somebody has to say."""
    assert why in reading(*rois).doubtful[doubtful]


def test_an_empty_gtv_is_left_out_and_an_unusable_one_is_in_doubt():
    """A left-over of a template is nothing; a GTV in another frame is missing."""
    good = Candidate("GTV", "GTV")
    empty = Candidate("GTV2", "GTV", is_usable=False, is_empty=True, reason="it has no contours")
    other = Candidate("GTV3", "GTV", is_usable=False, reason="another frame")
    assert gtv_of([good, empty]).members == ("GTV",)
    assert gtv_of([good, empty]).excluded == {"GTV2": "it has no contours"}
    assert gtv_of([good, other]).doubtful == {"GTV3": "another frame"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GTV_T00", True), ("GTVT50", True), ("T90 GTV", True), ("GTV_0%", True), ("GTV Ph3", True),
        ("GTV_T1", False), ("GTV T2 MR", False), ("PTV55", False), ("GTV_40", False),
        ("Esophagus", False), ("Graves", False),
    ],
)  # fmt: skip
def test_phase_copies(name, expected):
    """Marks of a phase, not numbers or sequences."""
    assert is_phase_copy(name) is expected


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (Candidate("PTV", "PTV"), True),
        (Candidate("CTV肝", ""), True),
        (Candidate("Tumour", "GTV"), True),
        (Candidate("ptv55", "ORGAN"), True),
        (Candidate("PTV ring", "PTV"), False),
        (Candidate("GTV_T50", "GTV"), False),
        (Candidate("PTV", "PTV", is_usable=False), False),
        (Candidate("Liver-PTV", "ORGAN"), False),
    ],
)
def test_targets(candidate, expected):
    """By type or name; helpers and phases are no targets."""
    assert is_target(candidate) is expected
