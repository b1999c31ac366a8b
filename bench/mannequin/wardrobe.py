"""Clothes, hair and colours for the embedded body, chosen at random, and the mesh that wears them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.paint import (
    BELT,
    COVER,
    CUTS,
    EYE,
    HAIR,
    HEM,
    IRIS,
    LASH,
    LIPS,
    MATERIALS,
    NAPE,
    NECKLINE,
    PUPIL,
    SHIRT,
    SHOES,
    SKIN,
    SLEEVE,
    SOLE,
    STRENGTH,
    THROAT,
    TROUSERS,
    material,
)  # fmt: skip
from pymafx_live.bench.mannequin.worn import Worn
from pymafx_live.core.types import Floats
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.body.render import normals
from scipy.sparse import csr_matrix, diags, identity
from scipy.spatial import ConvexHull

SKIN_TONES = ((62, 86, 122), (84, 116, 160), (108, 146, 190), (134, 170, 210), (150, 184, 222), (44, 62, 92))
HAIR_TONES = ((22, 24, 28), (30, 44, 66), (44, 70, 104), (84, 128, 168), (120, 122, 124), (26, 36, 92))
SHIRT_TONES = ((60, 60, 170), (150, 92, 50), (72, 120, 70), (205, 205, 208), (60, 60, 62), (90, 160, 205),
               (140, 70, 110), (110, 110, 116), (170, 150, 60))  # fmt: skip
TROUSER_TONES = ((92, 66, 44), (50, 48, 46), (84, 92, 100), (104, 128, 150), (60, 72, 64), (140, 110, 84))
SHOE_TONES = ((40, 40, 42), (60, 80, 112), (215, 215, 218), (50, 44, 100))
IRIS_TONES = ((40, 60, 84), (110, 90, 60), (70, 92, 80), (24, 34, 48))
"""BGR, 0..255"""


THICKNESS = np.zeros(MATERIALS, np.float32)
THICKNESS[[SHIRT, TROUSERS, SHOES, SOLE, BELT, HAIR]] = 0.008, 0.008, 0.007, 0.005, 0.008, 0.014
"""Metres that a material stands off the skin."""


@dataclass(frozen=True, slots=True, eq=False)
class Outfit:
    """One person's looks: `palette` (MATERIALS, 3) BGR, `cut` (CUTS,), the borders of the garments (`paint`).

    `thickness` (MATERIALS,) is how many metres each material stands off the skin, and `brow` the most that hair does
    on the face; `worn` is what has a shape of its own.
    """

    palette: Floats
    cut: Floats
    thickness: Floats
    worn: tuple[Worn, ...] = ()
    brow: float = 1.0


def dress(rng: Generator) -> Outfit:
    """Choose clothes, skin, hair and eyes."""
    palette = np.zeros((MATERIALS, 3), np.float32)
    for cloth, tones in (
        (SKIN, SKIN_TONES),
        (SHIRT, SHIRT_TONES),
        (TROUSERS, TROUSER_TONES),
        (SHOES, SHOE_TONES),
        (HAIR, HAIR_TONES),
        (IRIS, IRIS_TONES),
    ):
        palette[cloth] = rng.choice(tones) * rng.uniform(0.9, 1.1, 3)
    palette[BELT] = 35, 40, 48
    palette[SOLE] = rng.choice([30, 200])
    palette[LIPS] = palette[SKIN] * (0.80, 0.70, 0.92)
    palette[EYE] = 222, 226, 230
    palette[PUPIL] = 12, 12, 14
    palette[LASH] = palette[SKIN] * 0.30
    sleeves = rng.choice([0.33, 0.46, 0.70])
    legs = rng.choice([-1.175, -1.175, -0.70])
    cut = np.zeros(CUTS, np.float32)
    cut[THROAT] = 1.0
    neckline, nape, strength = rng.uniform(0.22, 0.26), rng.choice([0.36, 0.36, 0.30]), rng.uniform(0.0, 0.04)
    cut[[SLEEVE, HEM, NECKLINE, NAPE, STRENGTH]] = sleeves, legs, neckline, nape, strength
    return Outfit(palette.clip(0, 255), cut, THICKNESS)


def wear(body: BodyModel, outfit: Outfit) -> BodyModel:
    """The body with its mesh pushed out to the surface of the clothes and the hair; the joints stay."""
    rest = body.v_template
    materials = np.array([material(x, y, z, outfit.cut) for x, y, z in rest.astype(np.float64)])
    average = _averaging(body.faces, len(rest))
    shape = _shod(rest)
    foot = rest[:, 1] < -1.155
    for _ in range(4):
        shape[foot] = (average @ shape)[foot]
    covered = (materials == COVER) & (np.abs(rest[:, 0]) > 0.055)
    for _ in range(25):  # ears do not show through a scarf
        shape[covered] = (average @ shape)[covered]
    thickness = outfit.thickness[materials]
    face = (rest[:, 2] > 0.09) & (rest[:, 1] > 0.30) & (rest[:, 1] < 0.465)
    thickness[face] = np.minimum(thickness[face], outfit.brow)
    for _ in range(2):  # a hem is not a step
        thickness = average @ thickness
    thickness[(materials == SKIN) & (rest[:, 1] > 0.30) & (rest[:, 2] > 0.09)] = 0.0
    dressed = shape + thickness[:, None] * normals(shape[None], body.faces)[0]
    return replace(body, v_template=np.asarray(dressed, np.float32))


def _shod(rest: Floats) -> Floats:
    """The mesh (V, 3) with the toes pushed out to the convex hull of the front of each foot: shoes have no toes."""
    shape = rest.copy()
    for side in (1, -1):
        front = (rest[:, 1] < -1.155) & (rest[:, 2] > 0.10) & (side * rest[:, 0] > 0)
        hull = ConvexHull(rest[front])
        centre = rest[front].mean(0)
        rays = rest[front] - centre
        with np.errstate(divide="ignore"):
            reach = -(hull.equations[:, :3] @ centre + hull.equations[:, 3]) / (rays @ hull.equations[:, :3].T)
        shape[front] = centre + rays * np.where(reach > 0, reach, np.inf).min(1)[:, None]
    return shape


def _averaging(faces: NDArray[np.int32], vertices: int) -> csr_matrix:
    """The matrix (V, V) that takes each vertex's mean over itself and its neighbours (Laplacian smoothing)."""
    a, b = np.concatenate([faces, faces[:, [1, 2, 0]]]).ravel(), np.concatenate([faces[:, [1, 2, 0]], faces]).ravel()
    near = csr_matrix((np.ones(len(a), np.float32), (a, b)), (vertices, vertices)) + identity(vertices, np.float32)
    near.data[:] = 1
    return diags(1 / near.sum(1).A1) @ near
