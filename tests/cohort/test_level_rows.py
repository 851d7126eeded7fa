"""The level of a dose table in the cohort's tables: a line beside its row."""

from tests.report import samples

from planeval.cohort.rows import rows_of
from planeval.pipeline import Evaluation


def test_the_level_stands_beside_its_row():
    """Gy with its band, the prescription that was scaled, no outcome; joined by row id."""
    found = rows_of(Evaluation(samples.record(), samples.case()), 1.0)["metrics"]
    (line,) = [each for each in found if each["metric"] == "HighestLevelMet[Gy]"]
    assert (line["value"], line["low"], line["high"], line["unit"]) == (45.0, 40.0, 45.0, "Gy")
    assert (line["beside"], line["row_id"], line["rx_gy"]) == ("Max[Gy]", "Gallbladder-Max[Gy]", 40)
    assert "outcome" not in line
    assert "if the whole dose is scaled" in line["notes"]
