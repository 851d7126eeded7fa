"""Connected parts of solids with known pieces."""

import numpy as np
import pytest
import shapely
from tests.phantoms import round_stack, sphere

from planeval.geometry.parts import part_volumes_cc
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, volume_cc

LEFT, RIGHT = shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 10)
BRIDGE = shapely.box(0, 0, 30, 10)
BOTH = shapely.union(LEFT, RIGHT)


def stack(*areas, step=5.0):
    return PlanarStack(AXIAL, [DrawnPlane(step * k, area) for k, area in enumerate(areas)])


def test_a_bridge_on_one_plane_makes_one_part():
    """A horseshoe is one part wherever its bow is drawn; without it there are two."""
    for areas in ((BRIDGE, BOTH, BOTH), (BOTH, BRIDGE, BOTH), (BOTH, BOTH, BRIDGE)):
        assert len(part_volumes_cc(stack(*areas))) == 1
    assert part_volumes_cc(stack(BOTH, BOTH, BOTH)) == pytest.approx((1.5, 1.5))


def test_touching_at_an_edge_or_a_corner_is_apart():
    """Only a shared area joins pieces of neighbouring planes."""
    edge, corner = shapely.box(10, 0, 20, 10), shapely.box(10, 10, 20, 20)
    for other in (edge, corner):
        assert len(part_volumes_cc(stack(LEFT, other))) == 2


@pytest.mark.parametrize("caps", ["half", "none", "tapered"])
@pytest.mark.parametrize("between", ["prism", "interpolated"])
def test_parts_add_up_to_the_volume(caps, between):
    """Under every method, for a sphere and for two boxes."""
    for solid in (round_stack(sphere(20), 3.0, half_mm=20), stack(BOTH, BOTH, BOTH)):
        parts = part_volumes_cc(solid, caps=caps, between=between)
        assert sum(parts) == pytest.approx(volume_cc(solid, caps=caps, between=between))
        assert list(parts) == sorted(parts, reverse=True)


def test_a_gap_does_not_part():
    """Missing planes are a finding of their own."""
    planes = [DrawnPlane(z, LEFT) for z in (0.0, 5.0, 10.0, 30.0, 35.0)]
    assert len(part_volumes_cc(PlanarStack(AXIAL, planes))) == 1


def test_an_empty_stack_has_no_parts():
    """Nothing solid, no part."""
    assert part_volumes_cc(PlanarStack(AXIAL)) == ()


def test_against_labels_of_a_voxel_image():
    """Random blocks on a lattice: as many parts as 6-connected labels, of the same sizes."""
    from scipy import ndimage

    random = np.random.default_rng(5)
    for _ in range(10):
        filled = random.random((5, 6, 6)) < 0.45
        filled[:, 0, 0] = True
        areas = [
            shapely.union_all([shapely.box(i, j, i + 1, j + 1) for j, i in np.argwhere(level)])
            for level in filled
        ]
        # cells that meet in a corner only are one polygon with a pinch or two: keep those out
        labels, count = ndimage.label(filled)
        found = part_volumes_cc(stack(*areas, step=1.0))
        sizes = sorted(np.bincount(labels.ravel())[1:] / 1000.0, reverse=True)
        assert len(found) == count
        assert found == pytest.approx(sizes)
