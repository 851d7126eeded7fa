"""Registrations: their direction on an asymmetric phantom, what is refused, what is widened."""

import numpy as np
import pytest
from tests.sums.conftest import first_dose, rigid, second_dose, write

import planeval as pe
from planeval.dicom import read_registrations
from planeval.dose.field import trilinear
from planeval.errors import (
    AmbiguousSelection,
    DataError,
    GeometryError,
    InconsistentCase,
    InvalidElement,
    UnsupportedData,
)
from planeval.model import Registration

POINTS = [(0, 0, 0), (11.3, -7.1, 4.4), (-14, 9, -6), (9, 9, 9)]


def assert_sums(total):
    """Both doses at every point, in the frame of the first plan."""
    for point in POINTS:
        expected = first_dose(*point) + second_dose(*point)
        assert float(total.dose_at(*point)) == pytest.approx(expected, abs=2e-3)


def test_a_registration_maps_the_source_into_the_objects_frame(first, elsewhere, tmp_path):
    """x_first = M x_elsewhere: written into the first plan's frame, as PS3.3 C.20.2 says."""
    first.writer.folder = tmp_path
    path = first.writer.registration(elsewhere.writer.frame_uid, rigid())
    total = pe.plan_sum([first.load(), elsewhere.load()], registrations=[path])
    assert_sums(total)
    liver = total.metric("Mean[Gy]", "Liver")
    (x0, y0, z0), (x1, y1, z1) = total.structure("Liver").bounds_mm
    middle = ((x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2)
    assert float(liver) == pytest.approx(first_dose(*middle) + second_dose(*middle), abs=5e-3)
    (found,) = [f for f in total.findings if f.code == "dose-registered"]
    assert "20250104" in found.message
    assert "shift (12.0, -8.0, 5.0) mm" in found.message
    assert total.data.registrations[0].angle_degrees == pytest.approx(21.1, abs=0.3)
    assert any(source.kind == "REG" for source in total.data.sources)


def test_a_registration_stored_the_other_way_is_inverted(first, elsewhere, tmp_path):
    """The object lies in the moving plan's frame: its matrix maps the first plan into it."""
    elsewhere.writer.folder = tmp_path
    path = elsewhere.writer.registration(first.writer.frame_uid, np.linalg.inv(rigid()))
    assert_sums(pe.plan_sum([first.load(), elsewhere.load()], registrations=[path]))


def test_several_matrices_multiply_from_the_left(first, elsewhere, tmp_path):
    """x_first = M1 M2 x: the last matrix of the sequence acts first."""
    last = rigid((0, 0, 25), (3, 4, -5))
    first.writer.folder = tmp_path
    path = first.writer.registration(
        elsewhere.writer.frame_uid, [rigid() @ np.linalg.inv(last), last]
    )
    assert_sums(pe.plan_sum([first.load(), elsewhere.load()], registrations=[path]))


def test_the_moving_plan_may_lead(first, elsewhere, tmp_path):
    """The same REG, the other plan's frame and structures: points are those of that frame."""
    first.writer.folder = tmp_path
    path = first.writer.registration(elsewhere.writer.frame_uid, rigid())
    total = pe.plan_sum([elsewhere.load(), first.load()], registrations=[tmp_path])
    registration = read_registrations(path)[0][0]
    for point in POINTS:
        here = registration.inverse().apply(point)[0]
        expected = first_dose(*point) + second_dose(*point)
        assert float(total.dose_at(*here)) == pytest.approx(expected, abs=2e-3)


def test_resampling_agrees_with_simpleitk(first, elsewhere):
    """The moved dose on the first plan's grid, against ITK's own transform and interpolator."""
    import SimpleITK as sitk  # noqa: N813 - its own habit

    one, other = first.load(), elsewhere.load()
    registration = Registration(other.data.frame_uid, one.data.frame_uid, rigid())
    term = pe.plan_sum([one, other], registrations=[registration]).dose.terms[1]
    image = sitk.GetImageFromArray(np.asarray(term.gy, dtype=np.float64))
    image.SetOrigin(term.grid.origin_mm)
    image.SetSpacing((term.grid.column_step_mm, term.grid.row_step_mm, 3.0))
    transform = sitk.AffineTransform(3)
    inverse = np.linalg.inv(rigid())
    transform.SetMatrix(inverse[:3, :3].ravel())
    transform.SetTranslation(inverse[:3, 3])
    grid = one.dose.terms[0].grid
    reference = sitk.Image([grid.columns, grid.rows, grid.shape[0]], sitk.sitkFloat64)
    reference.SetOrigin(grid.origin_mm)
    reference.SetSpacing((grid.column_step_mm, grid.row_step_mm, 3.0))
    moved = sitk.GetArrayFromImage(
        sitk.Resample(image, reference, transform, sitk.sitkLinear, float("nan"))
    )
    k, j, i = np.indices(grid.shape).reshape(3, -1)
    ours = trilinear(term, grid.to_patient(np.stack([k, j, i], 1))).reshape(grid.shape)
    known = np.isfinite(moved) & np.isfinite(ours)
    assert known.mean() > 0.8
    assert np.abs(moved - ours)[known].max() < 1e-9


def test_registration_accuracy_widens_the_band(first, elsewhere):
    """2 mm of a dose of 0.19 Gy/mm and 0.23 Gy/mm: the band of Mean is +-2 mm times the steepest."""
    one, other = first.load(), elsewhere.load()
    registration = Registration(other.data.frame_uid, one.data.frame_uid, rigid())
    exact, wide = (
        pe.plan_sum([one, other], registrations=[registration], registration_mm=mm).metric(
            "Mean[Gy]", "PTV"
        )
        for mm in (0.0, 2.0)
    )
    assert float(wide) == pytest.approx(float(exact))
    assert (exact.low - wide.low, wide.high - exact.high) == pytest.approx((0.46, 0.46), abs=0.01)
    assert "2 mm of registration" in wide.notes[-1]
    assert exact.notes == ()


def test_without_a_registration_the_sum_is_refused(first, elsewhere, tmp_path):
    """Nothing is guessed; what was there and could not be used is said."""
    with pytest.raises(InconsistentCase, match="no registration between them was given; add"):
        pe.plan_sum([first.load(), elsewhere.load()])
    first.writer.folder = tmp_path
    first.writer.registration(elsewhere.writer.frame_uid, rigid(), kind="AFFINE")
    with pytest.raises(InconsistentCase, match="is AFFINE; only RIGID"):
        pe.plan_sum([first.load(), elsewhere.load()], registrations=[tmp_path])


def test_registrations_that_disagree_are_for_the_user(first, elsewhere, tmp_path):
    """More than 1 mm apart inside the body: choose. Less: the first is used, with a finding."""
    one, other = first.load(), elsewhere.load()

    def along(mm):
        return Registration(
            other.data.frame_uid, one.data.frame_uid, rigid(shift=(12 + mm, -8, 5)), file=f"{mm}"
        )

    with pytest.raises(AmbiguousSelection, match=r"2 registrations .* differ by up to 1.2 mm"):
        pe.plan_sum([one, other], registrations=[along(0), along(1.2)])
    total = pe.plan_sum([one, other], registrations=[along(0), along(0.4).inverse()])
    assert [f.code for f in total.findings if f.code == "registrations-several"]
    turned = Registration(
        other.data.frame_uid, one.data.frame_uid, rigid((10, -6, 24)), file="turned"
    )
    with pytest.raises(AmbiguousSelection, match="give one of them"):
        pe.plan_sum([one, other], registrations=[along(0), turned])


SCALED, SHEARED, MIRRORED = (rigid() for _ in range(3))
SCALED[:3, :3] *= 1.01
SHEARED[0, 1] += 0.02
MIRRORED[:3, 0] *= -1


@pytest.mark.parametrize(
    ("matrix", "kind", "error", "match"),
    [
        (rigid(), "RIGID_SCALE", UnsupportedData, "is RIGID_SCALE; only RIGID"),
        (rigid(), "AFFINE", UnsupportedData, "is AFFINE"),
        (rigid(), "", UnsupportedData, "of no stated type"),
        (SCALED, "RIGID", InvalidElement, "not orthonormal"),
        (SHEARED, "RIGID", InvalidElement, "not orthonormal"),
        (MIRRORED, "RIGID", InvalidElement, "mirrors left and right"),
    ],
)
def test_what_is_not_rigid_is_refused(first, tmp_path, matrix, kind, error, match):
    """Whatever the object says of itself, the matrix is checked."""
    first.writer.folder = tmp_path
    path = first.writer.registration("1.2.3", matrix, kind=kind)
    with pytest.raises(error, match=match):
        read_registrations(path)
    assert match.split(";")[0] in read_registrations(tmp_path)[1][0]


def broken(**changes):
    def edit(ds):
        for name, value in changes.items():
            if value is None:
                delattr(ds, name)
            else:
                setattr(ds, name, value)

    return edit


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (broken(FrameOfReferenceUID=None), "FrameOfReferenceUID .* is absent"),
        (broken(RegistrationSequence=None), "RegistrationSequence .* is absent"),
        (broken(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.3"), "deformable"),
        (broken(SOPClassUID="1.2.840.10008.5.1.4.1.1.2"), "no Spatial Registration"),
        (lambda ds: ds.RegistrationSequence.pop(), "maps no other frame"),
        (
            lambda ds: delattr(ds.RegistrationSequence[1], "MatrixRegistrationSequence"),
            "MatrixRegistrationSequence .* is absent",
        ),
        (
            lambda ds: delattr(ds.RegistrationSequence[1], "FrameOfReferenceUID"),
            "registration 2: FrameOfReferenceUID .* is absent",
        ),
    ],
)
def test_broken_objects_say_what_is_wrong(first, tmp_path, edit, match):
    """A REG without what it needs is no registration."""
    first.writer.folder = tmp_path
    path = first.writer.registration("1.2.3", rigid(), edit=edit)
    with pytest.raises(DataError, match=match):
        read_registrations(path)


def test_a_registration_of_another_patient_is_refused(first, elsewhere, tmp_path):
    """Its frames may fit by accident of a copied phantom."""
    stranger = write(tmp_path / "p2", "X", second_dose, patient="P2")
    path = stranger.writer.registration(
        elsewhere.writer.frame_uid, rigid(), target_frame=first.writer.frame_uid
    )
    with pytest.raises(InconsistentCase, match="is of patient 'P2'"):
        pe.plan_sum([first.load(), elsewhere.load()], registrations=[path])


def test_a_matrix_must_be_four_by_four_and_finite():
    """Wrong shapes, infinities and projective rows are no registrations."""
    for matrix, match in (
        (np.eye(3), "4 x 4"),
        (np.full((4, 4), np.inf), "4 x 4"),
        (np.diag([1.0, 1, 1, 2]), "last row"),
    ):
        with pytest.raises(GeometryError, match=match):
            Registration("1", "2", matrix)


def test_inverse_and_direction():
    """between() inverts where the object lies the other way, and knows foreign frames."""
    one = Registration("1", "2", rigid())
    points = np.array(POINTS, dtype=float)
    assert np.allclose(one.inverse().apply(one.apply(points)), points)
    assert one.between("1", "2") is one
    assert np.allclose(one.between("2", "1").matrix, np.linalg.inv(rigid()))
    assert one.between("1", "3") is None
    assert repr(one) == "Registration('', 21.02 degrees, (12.0, -8.0, 5.0) mm)"
