"""The upper abdomen: organs, vessels and a tumour as shapes, and the CT that shows them.

Lengths below are in a model frame: millimetres, LPS directions, origin in the middle of the body
at the height of the liver hilum. `Patient` knows where the model lies in patient coordinates, and
how it is bent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phantom.shapes import (
    Array,
    Placement,
    Point,
    Points,
    Shape,
    column,
    ellipsoid,
    half_space,
    tube,
)

PORTAL_TRUNK = [(10.0, 4, -44), (-6, -2, -28), (-20, -7, -12), (-30, -8, -2)]
PORTAL_RIGHT = [(-30.0, -8, -2), (-42, -8, 3), (-56, -5, 8), (-70, 0, 12), (-82, 4, 15)]
PORTAL_LEFT = [(-30.0, -8, -2), (-20, -18, 9), (-6, -28, 17), (8, -40, 22)]
PORTAL_POSTERIOR = [(-68.0, -1, 11), (-78, 14, 6), (-92, 30, 2)]
PORTAL_ANTERIOR = [(-68.0, -1, 11), (-78, -14, 20), (-90, -30, 30)]


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What differs between patients, in the model frame."""

    seed: int
    scale: float = 1.0
    origin_mm: Point = (0.0, 0.0, 0.0)
    tumour_center_mm: Point = (-97.0, 3.0, 17.0)
    tumour_radii_mm: Point = (29.0, 31.0, 28.0)
    thrombus: bool = True
    loop_mm: Point = (-22.0, -58.0, -62.0)
    flexure_mm: Point = (-92.0, -38.0, -78.0)
    bend_mm: float = 2.2


@dataclass(frozen=True, slots=True, eq=False)
class Patient:
    """Shapes in the model frame, drawn ones and those only CT shows, and how they are placed."""

    anatomy: Anatomy
    placement: Placement
    organs: dict[str, Shape]
    extras: dict[str, Shape]

    @classmethod
    def build(cls, anatomy: Anatomy) -> Patient:
        """All shapes of one patient, mutually disjoint where organs are."""
        placement = Placement.from_seed(
            anatomy.seed,
            scale=anatomy.scale,
            origin_mm=anatomy.origin_mm,
            bend_mm=anatomy.bend_mm,
        )
        return cls(anatomy, placement, *_model(anatomy))

    @property
    def body_half_axes_mm(self) -> tuple[float, float]:
        """Half width and half depth of the trunk."""
        return 168.0 * self.anatomy.scale, 112.0 * self.anatomy.scale

    def slice_points(self, x_mm: Array, y_mm: Array, z_mm: float) -> Points:
        """The model points of one axial slice of patient positions, arrays (y, x)."""
        x, y = np.meshgrid(x_mm, y_mm)
        return self.placement.model_points(x, y, np.full_like(x, z_mm))

    def to_patient_mm(self, point: Point) -> Point:
        """About where a model point lies in the patient (the gentle bend is ignored)."""
        a = self.anatomy
        x, y, z = (a.scale * p + o for p, o in zip(point, a.origin_mm, strict=True))
        return x, y, z


def _body(inset_mm: float = 0.0) -> Shape:
    """The trunk, or the trunk shrunk evenly; flat at the back, wider at the ribs."""

    def distance(p: Points) -> Array:
        half_width = 168.0 - 5.0 * np.cos((p.z - 10.0) / 38.0)
        half_depth = 112.0 + 3.0 * np.cos((p.z - 25.0) / 45.0) - 5.0 * (p.y > 0)
        ux, uy = np.abs(p.x) / half_width, np.abs(p.y) / half_depth
        norm = (ux**2.25 + uy**2.25) ** (1 / 2.25)
        # A first-order distance: the plain norm would measure 1.5 times too much at the flanks.
        slope = np.sqrt((ux / half_width) ** 2 + (uy / half_depth) ** 2)
        groove = 5.0 * np.exp(-((p.x / 14.0) ** 2)) * (p.y > 0)
        return norm * (norm - 1.0) / np.maximum(slope, 1e-6) + groove + inset_mm

    return Shape(distance)


def _spine() -> dict[str, Shape]:
    """One long spine: bodies, arch and processes, canal and cord."""
    y0 = 50.0
    bodies, arch = column((0, y0), (21, 16)), column((0, y0 + 27), (15, 14))
    canal, cord = column((0, y0 + 26), (10, 9)), column((0, y0 + 26), (6, 5))

    def processes(p: Points) -> Array:
        level = np.abs((p.z + 7.0) / 30.0 - np.round((p.z + 7.0) / 30.0)) * 30.0
        spinous = np.maximum(np.abs(p.x) - 3.5, np.abs(p.y - (y0 + 44)) - 8.0)
        across = np.abs(p.y - (y0 + 28) + 0.12 * np.abs(p.x)) - 4.0
        transverse = np.maximum(np.abs(p.x) - 34.0, across)
        return np.maximum(np.minimum(spinous, transverse), level - 8.0)

    bone = bodies.blend(arch, radius_mm=6.0).blend(Shape(processes), radius_mm=4.0)
    return {
        "bone": bone.minus(canal, gap_mm=0.0),
        "canal": canal,
        "SpinalCord": cord,
        "bodies": bodies,
    }


def _ribs(body: Shape) -> Shape:
    """Ribs as oblique bands within the chest wall."""

    def distance(p: Points) -> Array:
        height = (p.z - 0.42 * p.y + 9.0) / 27.0
        level = np.abs(height - np.round(height)) * 27.0
        rib = np.hypot(np.abs(p.of(body) + 21.0) * 1.5, level) - 6.0
        lowest = -62.0 - 0.9 * p.y - p.z
        return np.maximum(np.maximum(rib, lowest), 22.0 - np.abs(p.x))

    return Shape(distance)


def _portal(anatomy: Anatomy) -> dict[str, Shape]:
    """The portal vein and, if asked, the thrombus that fills its right branch."""
    vein = tube(PORTAL_TRUNK, [7.0, 7.0, 7.0, 7.0])
    for path, radii in (
        (PORTAL_RIGHT, [6.6, 6.4, 6.2, 5.6, 4.6]),
        (PORTAL_LEFT, [5.8, 5.2, 4.6, 3.6]),
        (PORTAL_POSTERIOR, [4.6, 4.0, 3.0]),
        (PORTAL_ANTERIOR, [4.6, 4.0, 3.0]),
    ):
        vein = vein.blend(tube(path, radii), radius_mm=3.0)
    shapes = {"V_Portal": vein}
    if anatomy.thrombus:
        shapes["PVTT"] = vein & tube(PORTAL_RIGHT[1:], [9.0, 9.0, 9.0, 8.0])
    return shapes


def _tumour(anatomy: Anatomy) -> Shape:
    """A lobulated mass: a large ellipsoid and two knobs."""
    (x, y, z), (a, b, c) = anatomy.tumour_center_mm, anatomy.tumour_radii_mm
    mass = ellipsoid((x, y, z), (a, b, c))
    knob = ellipsoid((x + 0.35 * a, y - 0.55 * b, z + 0.35 * c), (0.6 * a, 0.6 * b, 0.6 * c))
    lobe = ellipsoid((x - 0.1 * a, y + 0.55 * b, z - 0.4 * c), (0.65 * a, 0.6 * b, 0.65 * c))
    return mass.blend(knob, radius_mm=0.3 * a).blend(lobe, radius_mm=0.3 * a)


def _liver(cavity: Shape, kidney: Shape, cava: Shape, gallbladder: Shape) -> Shape:
    """Right lobe under the dome, left lobe across the midline, a slanting visceral surface."""
    right = ellipsoid((-78, -4, 4), (66, 74, 66))
    left = ellipsoid((-8, -50, 26), (72, 36, 27))
    caudate = ellipsoid((-22, 0, 20), (20, 22, 24))
    tip = ellipsoid((-108, 10, -34), (32, 48, 44))
    whole = right.blend(left, radius_mm=34).blend(caudate, radius_mm=12).blend(tip, radius_mm=20)
    below = (~half_space((0.62, 0.28, -0.73), 26.0)).minus(tip, gap_mm=0.0, radius_mm=14)
    whole = whole.minus(below, gap_mm=0.0, radius_mm=16) & cavity
    bed = tube([(-62, 64, -2), (-60, 70, -50), (-60, 66, -100)], [24, 27, 25])
    whole = whole.minus(kidney, bed, gap_mm=3.0, radius_mm=8)
    fissure = tube([(-48, -36, -24), (-30, -30, -19), (0, -24, -10)], [9, 11, 16])
    return whole.minus(cava, gallbladder, fissure, gap_mm=0.5, radius_mm=4)


def _gut(anatomy: Anatomy) -> dict[str, Shape]:
    """Oesophagus to colon, as they lie before neighbours press on them."""
    loop, flexure = anatomy.loop_mm, anatomy.flexure_mm
    x, y, z = loop
    stomach = tube(
        [
            (62, 10, 42),
            (66, -16, 22),
            (58, -42, -4),
            (38, -56, -26),
            (14, -54, -34),
            (-6, -44, -30),
        ],
        [30, 31, 27, 22, 17, 11],
    )
    descending = [(-35.0, -12, -44), (-37.0, 0, -60)]
    duodenum = tube(
        [(-10, -40, -32), (-26, -28, -34), *descending, (-26, 2, -76), (2, 0, -78), (24, 2, -66)],
        [10, 12, 12, 12, 12, 11, 10],
    )
    jejunum = [(36.0, -14, -70), (56.0, -24, -82), (66.0, 4, -74), (40.0, 10, -92)]
    ileum = [(20.0, -24, -96), (46.0, -50, -100), (70.0, -34, -98), (88.0, -8, -92)]
    near = [(x + 34, y + 8, z - 14), loop, (x + 14, y + 30, z - 12)]
    small = tube([*near, *jejunum, *ileum], [13, 12, 13, *[14] * 7, 13])
    transverse = [(-56.0, -58, -88), (-8.0, -66, -92), (48.0, -64, -82), (92.0, -44, -48)]
    left = [(112.0, 0, -20), (116.0, 34, -50), (116.0, 40, -84), (112.0, 42, -125)]
    colon = tube(
        [(-112, 14, -125), (-110, 8, -104), flexure, *transverse, *left],
        [23, 22, 20, 18, 17, 17, 17, 17, 15, 15, 15],
        ripple=0.09,
        per_span=10,
    )
    esophagus = tube(
        [(2, 16, 130), (6, 14, 90), (14, 12, 66), (30, 6, 46), (40, 2, 42)], [9, 9, 9, 9, 8]
    )
    return {
        "Stomach": stomach,
        "Duodenum": duodenum,
        "Bowel_Small": small,
        "Colon": colon,
        "Esophagus": esophagus,
    }


def _chest(cavity: Shape, liver: Shape, spleen: Shape, stomach: Shape, heart: Shape) -> Shape:
    """Both lung bases in one shape of two parts, moulded by what lies below and between."""
    right = ellipsoid((-86, 8, 135), (64, 88, 130))
    left = ellipsoid((90, 10, 135), (60, 84, 125))
    mediastinum = column((0, 28), (30, 46))
    # Where the diaphragm meets mediastinum and wall: keeps the bases crescents, never rings.
    ligament = tube([(-68, -6, 52), (-50, -8, 74), (-20, -8, 90)], [26, 22, 18])
    both = (right | left) & cavity
    dome = ellipsoid((50, -8, 36), (52, 50, 43))
    both = both.minus(liver, spleen, stomach, dome, gap_mm=4.0, radius_mm=5.0)
    recess = tube([(104, 30, 40), (118, 32, 56), (140, 34, 72)], [26, 18, 14])
    return both.minus(heart, mediastinum, ligament, recess, gap_mm=2.0, radius_mm=6.0)


def _model(anatomy: Anatomy) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Every shape in the model frame: (drawn structures, those only CT shows)."""
    body, cavity = _body(), _body(inset_mm=28.0)
    spine = _spine()
    aorta = tube([(14, 32, 140), (13, 24, 60), (10, 20, -40), (8, 21, -140)], [11, 11, 10, 9])
    cava = tube(
        [(-18, -14, 96), (-22, -2, 66), (-24, 14, 30), (-22, 20, -30), (-19, 22, -140)],
        [13, 13, 12, 11, 10],
    )
    kidney_r = ellipsoid((-64, 46, -54), (27, 25, 50)).minus(
        ellipsoid((-38, 34, -54), (14, 12, 16)), gap_mm=0, radius_mm=8
    )
    kidney_l = ellipsoid((64, 46, -38), (26, 25, 52)).minus(
        ellipsoid((38, 34, -38), (14, 12, 16)), gap_mm=0, radius_mm=8
    )
    gallbladder = tube([(-46, -34, -26), (-56, -58, -40)], [10, 14])
    liver = _liver(cavity, kidney_r, cava, gallbladder)
    heart = (ellipsoid((22, -34, 112), (58, 48, 52)) & cavity).minus(liver, gap_mm=5, radius_mm=6)
    spleen = (ellipsoid((106, 30, 20), (31, 50, 40)) & cavity).minus(kidney_l, radius_mm=6)
    vessels = _portal(anatomy)
    gut = _gut(anatomy)
    bones = (spine["bodies"], aorta, cava)
    stomach = (gut["Stomach"] & cavity).minus(liver, spleen, kidney_l, radius_mm=6)
    duodenum = gut["Duodenum"].minus(
        liver, stomach, kidney_r, *bones, vessels["V_Portal"], radius_mm=3
    )
    esophagus = gut["Esophagus"].minus(liver, stomach, heart, *bones, radius_mm=3)
    colon = (gut["Colon"] & cavity).minus(
        liver, stomach, spleen, kidney_r, kidney_l, gallbladder, duodenum, radius_mm=5
    )
    small = (gut["Bowel_Small"] & cavity).minus(
        liver, stomach, colon, duodenum, kidney_l, kidney_r, *bones, radius_mm=4
    )
    lungs = _chest(cavity, liver, spleen, stomach, heart)
    tumour = _tumour(anatomy)
    organs = {
        "External": body,
        "Liver": liver,
        "GTV": tumour.minus(~liver, gap_mm=1.5, radius_mm=5.0),
        **dict(reversed(vessels.items())),
        "Esophagus": esophagus,
        "Stomach": stomach,
        "Duodenum": duodenum,
        "Bowel_Small": small,
        "Colon": colon,
        "Kidney_L": kidney_l,
        "Kidney_R": kidney_r,
        "SpinalCord": spine["SpinalCord"],
        "Heart": heart,
        "Lungs": lungs,
    }
    back = column((-36, 78), (24, 18))
    psoas = tube([(-30, 44, 0), (-34, 46, -60), (-40, 44, -140)], [4, 13, 20])
    extras = {
        "cavity": cavity,
        "muscle": _body(inset_mm=13.0),
        "back": back | back.mirrored() | psoas | psoas.mirrored(),
        "ribs": _ribs(body),
        "aorta": aorta,
        "cava": cava,
        "spleen": spleen,
        "gallbladder": gallbladder,
        **{name: spine[name] for name in ("bone", "canal", "bodies")},
    }
    return organs, extras


# Painted in this order, the later over the earlier: name, HU, width of the soft edge in mm.
CT_LAYERS: list[tuple[str, float, float]] = [
    ("External", -100, 2.0),
    ("muscle", 55, 2.0),
    ("cavity", -95, 2.5),
    ("back", 55, 2.0),
    ("ribs", 380, 2.0),
    ("Lungs", -760, 2.5),
    ("Heart", 120, 2.0),
    ("bone", 400, 2.0),
    ("canal", 15, 1.5),
    ("SpinalCord", 42, 1.5),
    ("aorta", 165, 2.0),
    ("Kidney_L", 150, 2.0),
    ("Kidney_R", 150, 2.0),
    ("spleen", 118, 2.0),
    ("Esophagus", 45, 2.0),
    ("Stomach", 45, 2.0),
    ("Duodenum", 40, 2.0),
    ("Bowel_Small", 42, 2.0),
    ("Colon", 45, 2.0),
    ("Liver", 105, 2.0),
    ("gallbladder", 12, 2.0),
    ("cava", 150, 2.0),
    ("V_Portal", 160, 2.0),
    ("GTV", 75, 3.0),
    ("PVTT", 60, 1.5),
]

# What lies deeper than a wall of this thickness: name, wall mm, HU.
CT_CONTENTS: list[tuple[str, float, float]] = [
    ("bone", 3.0, 210),
    ("Stomach", 4.5, 18),
    ("Bowel_Small", 4.0, 18),
    ("Colon", 3.5, -60),
    ("Esophagus", 5.5, -250),
    ("GTV", 11.0, 62),
    ("Heart", 12.0, 150),
]

# Organs that hold gas: wall mm, share of the lumen's depth.
CT_GAS: dict[str, tuple[float, float]] = {"Stomach": (5.0, 0.35), "Colon": (4.0, 0.55)}


def ct_values_hu(patient: Patient, points: Points, *, noise_hu: Array) -> Array:
    """CT numbers of one axial slice: smooth-edged layers, gas, and noise inside the body."""
    hu = np.full(points.x.shape, -1000.0)
    shapes = {**patient.organs, **patient.extras}
    for name, value, edge_mm in CT_LAYERS:
        if name not in shapes:
            continue
        depth_mm = -points.of(shapes[name])
        hu += _weight(depth_mm, edge_mm) * (value - hu)
        for inner, wall_mm, content in CT_CONTENTS:
            if inner == name:
                hu += _weight(depth_mm - wall_mm, 2.0) * (content - hu)
        if name in CT_GAS:
            hu += _gas_weight(points, depth_mm, *CT_GAS[name]) * (-850.0 - hu)
    outside = points.of(patient.organs["External"]) > 1.5
    return np.clip(hu + np.where(outside, 0.0, noise_hu), -1000.0, 2000.0)


def _weight(depth_mm: Array, edge_mm: float) -> Array:
    """1 deep inside, 0 outside, linear across the edge."""
    return np.clip(depth_mm / edge_mm + 0.5, 0.0, 1.0)


def _gas_weight(points: Points, depth_mm: Array, wall_mm: float, share: float) -> Array:
    """Gas floats to the front of the lumen and takes up `share` of its depth."""
    lumen = depth_mm - wall_mm
    inside = lumen > 0
    if np.count_nonzero(inside) < 20:
        return np.zeros_like(depth_mm)
    front, back = points.y[inside].min(), points.y[inside].max()
    level = front + share * min(back - front, 40.0)
    return np.clip(np.minimum(lumen, level - points.y) / 2.0, 0.0, 1.0)


def ct_noise(seed: int, shape: tuple[int, int], sigma_hu: float = 10.0) -> NDArray[np.float64]:
    """Noise of one slice with the soft grain of a filtered reconstruction."""
    raw = np.random.default_rng(seed).standard_normal((shape[0] + 2, shape[1] + 2))
    soft = sum(
        weight * raw[1 + dj : raw.shape[0] - 1 + dj, 1 + di : raw.shape[1] - 1 + di]
        for dj, di, weight in ((0, 0, 1.0), (0, 1, 0.5), (0, -1, 0.5), (1, 0, 0.5), (-1, 0, 0.5))
    )
    return sigma_hu / np.sqrt(2.0) * soft
