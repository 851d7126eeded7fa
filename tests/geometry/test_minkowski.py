"""Sums of an area and a convex polygon: two ways to resolve where their curve winds."""

import numpy as np
import pytest
import shapely

from planeval.geometry import minkowski
from planeval.geometry.minkowski import Convex, Outline, grown, shrunk

ELL = shapely.Polygon([(0, 0), (30, 0), (30, 10), (12, 10), (12, 26), (0, 26)])
COMB = shapely.union_all(
    [shapely.box(0, 0, 40, 6), *(shapely.box(n, 0, n + 4, 20) for n in (0, 12, 24, 36))]
)
AROUND = np.linspace(0, 2 * np.pi, 40, endpoint=False)


def disc(radius, squeeze=1.0):
    """A polygon of forty corners around the origin."""
    return Convex.hull(radius * np.stack([np.cos(AROUND), squeeze * np.sin(AROUND)], axis=1))


@pytest.mark.parametrize("area", [ELL, COMB], ids=["ell", "comb"])
@pytest.mark.parametrize(
    "element", [disc(3.3), disc(6.1, 0.3), disc(1e-3)], ids=["disc", "flat", "tiny"]
)
def test_both_ways_find_where_the_curve_winds(area, element):
    """The faces asked one by one are those of the buffer, for sums and for what they leave."""
    ring = Outline(area).parts[0][0]
    for one in (ring, ring.around):
        curve = one.convolved(element)
        asked = minkowski._by_winding(curve)
        (found,) = minkowski._resolved([curve])
        assert asked.area == pytest.approx(found.area, rel=1e-9)
        assert asked.symmetric_difference(found).area < 1e-6


def test_a_filled_hole_is_noticed(monkeypatch):
    """A buffer that rounding misleads fills what is left: its area is more than the curve can hold."""
    outline, element = Outline(ELL), disc(3.0)
    right = shrunk([outline], [element])
    assert right.area > 100

    def misled(areas, distance):
        found = shapely.buffer(areas, distance)
        return np.array([shapely.Polygon(each.exterior) for each in found])

    fake = type("Misled", (), {"__getattr__": lambda _self, name: getattr(shapely, name)})()
    fake.buffer = misled
    monkeypatch.setattr(minkowski, "shapely", fake)
    assert shrunk([outline], [element]).symmetric_difference(right).area < 1e-6


def test_a_sum_holds_its_area_moved_by_the_element():
    """Every corner of the element, added to the area, lies in the sum."""
    element = disc(4.0)
    whole = grown([Outline(ELL)], [element]).buffer(1e-6)
    for u, v in element.vertices[::5]:
        assert whole.covers(shapely.transform(ELL, lambda xy, to=(u, v): xy + np.array(to)))
