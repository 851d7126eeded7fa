"""Masks lie where the structure lies, in any orientation, and hold its volume."""

import numpy as np
import pytest
import shapely
import SimpleITK as sitk  # noqa: N813
from tests.dicom_writer import axial_grid, turned_grid
from tests.phantoms import disc, round_stack, sphere, structure

from planeval.errors import GeometryError, ReportError
from planeval.files.masks import fractions_of, mask_of, write_mask
from planeval.geometry.grid import Grid
from planeval.geometry.stack import AXIAL, PlanarStack, PlaneFrame, Slab
from planeval.model import Structure

TURNED = tuple(np.round([np.cos(0.4), np.sin(0.4), 0, -np.sin(0.4), np.cos(0.4), 0], 7))


def l_shape(centre):
    """A solid without any symmetry, 2 of 9 mm high, at a patient point."""
    area = shapely.union(shapely.box(0, 0, 12, 4), shapely.box(0, 0, 3, 9))
    x, y, z = centre
    area = shapely.affinity.translate(
        area, x + 0.3, y + 0.2
    )  # no voxel is covered by just one half
    return Structure("L", PlanarStack(AXIAL, slabs=[Slab(z - 3.8, z + 5.2, area)]))


@pytest.mark.parametrize("orientation", ["HFS", "HFP", "FFS", "FFP", TURNED])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_the_file_puts_every_voxel_where_it_belongs(tmp_path, orientation, suffix):
    """SimpleITK, asked for a patient point, answers as the solid does; volume and sides are right."""
    grid = turned_grid(orientation, (14, 30, 36), spacing_mm=(2.0, 0.9, 1.1), origin_mm=(3, -7, 40))
    centre = grid.to_patient([[6, 12, 15]])[0]
    solid = l_shape(centre)
    mask = write_mask(tmp_path / f"m{suffix}", solid, grid)
    image = sitk.ReadImage(str(mask.path))
    inside = np.add(centre, [(10, 2, 1), (1.5, 7.5, 1), (1.5, 2, 3.5)])
    outside = np.add(centre, [(10, 7, 1), (-2, 2, 1), (2, -2, 1), (2, 2, 7), (2, 2, -6)])
    for points, value in ((inside, 1), (outside, 0)):
        for point in points:
            assert image[image.TransformPhysicalPointToIndex(point.tolist())] == value
    exact = write_mask(tmp_path / f"f{suffix}", solid, grid, fractions=True)
    assert exact.mask_cc == pytest.approx(solid.volume_cc, rel=1e-6)
    assert mask.outside_cc == 0


def test_nifti_states_ras(tmp_path):
    """The voxel-to-world matrix of the NIfTI file itself (srow) is RAS: x and y change sign."""
    grid = axial_grid((5, 6, 7), spacing_mm=(3, 2, 1.5), origin_mm=(10, 20, 30))
    mask = write_mask(tmp_path / "m.nii", structure(round_stack(sphere(4), 1, half_mm=4)), grid)
    header = mask.path.read_bytes()[:348]
    rows = np.frombuffer(header, "<f4", 12, offset=280).reshape(3, 4)
    assert rows == pytest.approx(np.array([[-1.5, 0, 0, -10], [0, -2, 0, -20], [0, 0, 3, 30]]))


def test_fractions_hold_the_exact_volume(tmp_path):
    """Exact shares add up to the solid's volume however coarse the grid; one half decides a mask."""
    grid = axial_grid((12, 12, 12), spacing_mm=(5, 6, 7), origin_mm=(-38, -33, -28))
    ball = structure(round_stack(sphere(22), 2, half_mm=22, centre=(1.3, 0.4, -2)))
    shares = fractions_of(ball, grid)
    assert shares.sum() * 5 * 6 * 7 / 1000 == pytest.approx(ball.volume_cc, rel=1e-9)
    assert ((shares >= 0.5) == mask_of(ball, grid)).all()
    written = write_mask(tmp_path / "f.nrrd", ball, grid, fractions=True)
    again = sitk.GetArrayFromImage(sitk.ReadImage(str(written.path)))
    assert again == pytest.approx(shares, abs=1e-6)


def test_descending_planes(tmp_path):
    """A grid whose planes go down gives the same file as the same grid going up."""
    up = axial_grid((6, 20, 20), spacing_mm=(2, 1, 1), origin_mm=(-5, -5, 0))
    down = axial_grid((6, 20, 20), offsets_mm=[0, -2, -4, -6, -8, -10], spacing_mm=(2, 1, 1),
                      origin_mm=(-5, -5, 10))  # fmt: skip
    solid = l_shape((0, 0, 2))
    assert (mask_of(solid, down)[::-1] == mask_of(solid, up)).all()
    images = [
        sitk.ReadImage(str(write_mask(tmp_path / f"{n}.nrrd", solid, grid).path))
        for n, grid in enumerate((up, down))
    ]
    assert images[0].GetOrigin() == images[1].GetOrigin()
    assert (sitk.GetArrayFromImage(images[0]) == sitk.GetArrayFromImage(images[1])).all()


def test_what_lies_outside_the_grid_is_said(tmp_path):
    """Half of the solid beyond the grid is missing from the mask and counted."""
    grid = axial_grid((6, 20, 20), spacing_mm=(2, 1, 1), origin_mm=(-5, -5, 4))  # from z = 3
    solid = l_shape((0, 0, 4))  # from z = 0.2 to 9.2
    mask = write_mask(tmp_path / "m.nrrd", solid, grid)
    assert mask.outside_cc == pytest.approx(solid.volume_cc * 2.8 / 9)
    assert mask.solid_cc == solid.volume_cc


def test_refusals(tmp_path):
    """What a mask file cannot say is refused."""
    solid, grid = l_shape((0, 0, 4)), axial_grid((6, 9, 9))
    with pytest.raises(ValueError, match=r"choose one of .nii.gz"):
        write_mask(tmp_path / "m.mha", solid, grid)
    (tmp_path / "there.nrrd").touch()
    with pytest.raises(ReportError, match="exists and is not overwritten"):
        write_mask(tmp_path / "there.nrrd", solid, grid)
    with pytest.raises(ReportError, match="cannot be written"):
        write_mask(tmp_path / "no" / "m.nrrd", solid, grid)
    with pytest.raises(GeometryError, match="distances from 2 to 5 mm"):
        mask_of(solid, axial_grid((3, 9, 9), offsets_mm=[0, 2, 7]))
    with pytest.raises(GeometryError, match="one plane"):
        mask_of(solid, axial_grid((1, 9, 9)))
    across = Structure(
        "S", PlanarStack(PlaneFrame((0, 1, 0), (0, 0, 1)), slabs=[Slab(0, 1, disc(3))])
    )
    with pytest.raises(GeometryError, match="not parallel to the grid's"):
        mask_of(across, grid)
    framed = Grid((0, 0, 0), (1, 0, 0), (0, 1, 0), 1, 1, 9, 9, (0, 1, 2), frame_uid="1.2")
    elsewhere = Structure("E", solid.stack, frame_uid="1.3")
    with pytest.raises(GeometryError, match="need a registration"):
        mask_of(elsewhere, framed)
