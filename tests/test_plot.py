"""Figures: what a notebook shows is what the DVH says."""

import matplotlib as mpl
import numpy as np
import pytest
from tests.dicom_writer import CaseWriter, Roi, axial_grid, box_ring, prism

import planeval as pe
from planeval.errors import UnknownStructure


@pytest.fixture(scope="module", autouse=True)
def _no_screen():
    mpl.use("Agg")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plot")
    writer = CaseWriter(folder)
    grid = axial_grid((24, 40, 40), spacing_mm=(2.5, 2.0, 2.0), origin_mm=(-39, -39, -29))
    inside = prism(box_ring(40, 40), heights=range(-20, 21, 5))
    beyond = prism(box_ring(20, 20, centre=(39, 0)), heights=range(-20, 21, 5))
    writer.structures([Roi("Liver", inside), Roi("$cut$", beyond)])
    _, _, x = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    writer.dose(grid, 10.0 + x)
    return pe.load(folder, rx=pe.Rx(50, 25))


def test_the_lines_are_the_dvhs(case):
    """In percent and in cc; the label is the name, and expressions are drawn too."""
    axes = pe.plot.dvh(case, ["Liver", "Liver - 5 mm"])
    first, second = axes.get_lines()
    curve = case.dvh("Liver")
    assert np.array_equal(first.get_xdata()[1:], curve.dose_gy)
    assert first.get_ydata()[1:] == pytest.approx(100 * curve.volume_cc / curve.total_cc)
    assert (first.get_xdata()[0], first.get_ydata()[0]) == (0, pytest.approx(100))
    assert second.get_label() == "Liver - 5 mm"
    assert axes.get_ylabel() == "Volume [%]"
    again = pe.plot.dvh(case, [case.structures["Liver"]], axes, unit="cc")
    assert again is axes
    assert axes.get_lines()[-1].get_ydata()[1:] == pytest.approx(curve.volume_cc)


def test_a_cut_structure_says_so_and_its_name_is_no_formula(case):
    """Half of it lies outside: the curve begins below 100 %, the label has the cc."""
    axes = pe.plot.dvh(case)
    line = axes.get_lines()[1]
    assert 40 < line.get_ydata()[0] < 60
    assert line.get_label().startswith("$cut$ (")
    assert "cc outside the dose grid" in line.get_label()
    axes.figure.canvas.draw()
    assert all(not text.get_parse_math() for text in axes.get_legend().get_texts())


def test_wrong_calls(case):
    """An unknown structure, an unknown unit."""
    with pytest.raises(UnknownStructure):
        pe.plot.dvh(case, ["nobody"])
    with pytest.raises(ValueError, match="expected '%' or 'cc'"):
        pe.plot.dvh(case, unit="mm")
