"""What people wear or carry that has a shape of its own: long hair, glasses, a cap's visor, headphones, bag, mug."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.paint import COVER, FRAME, HAIR, THING, WORN
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import Floats
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.body.render import normals
from scipy.spatial import cKDTree

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Worn:
    """A mesh on the rest body: `vertices` (N, 3), `faces` (M, 3) counter-clockwise from outside, and a material.

    `bound` says how much of each vertex follows a joint: a number or (N,) per joint name.
    """

    vertices: Points
    faces: NDArray[np.int32]
    material: int
    bound: Mapping[str, float | Points]


def equip(bodies: Sequence[BodyModel], worn: Sequence[Sequence[Worn]]) -> tuple[list[BodyModel], Floats]:
    """Give each of P bodies what it wears, and all of them the same triangles: what others wear is a point inside.

    Returns the bodies and where each vertex is for `paint.material` (V, 3). Without anything worn nothing changes.
    """
    body = bodies[0]
    things = [(owner, thing) for owner, own in enumerate(worn) for thing in own]
    places = BodyModel.embedded().v_template
    if not things:
        return list(bodies), places
    starts = np.cumsum([len(body.v_template)] + [len(thing.vertices) for _, thing in things])
    faces = np.concatenate(
        [body.faces] + [thing.faces + start for (_, thing), start in zip(things, starts, strict=False)]
    )
    joints, weights = (
        np.concatenate(parts) for parts in zip(*(_skinning(body, thing) for _, thing in things), strict=True)
    )
    marked = np.concatenate([t.vertices * [1, 0, 1] + [0, WORN + t.material + 0.5, 0] for _, t in things])
    equipped = []
    for number, wearer in enumerate(bodies):
        extra = np.concatenate([t.vertices if owner == number else np.zeros_like(t.vertices) for owner, t in things])
        near = cKDTree(wearer.v_template).query(extra)[1]
        equipped.append(replace(
            wearer,
            v_template=np.concatenate([wearer.v_template, extra]).astype(np.float32),
            faces=faces.astype(np.int32),
            skin_joints=np.concatenate([wearer.skin_joints, joints]).astype(np.uint8),
            skin_weights=np.concatenate([wearer.skin_weights, weights]).astype(np.float32),
            shape_dirs=np.concatenate([wearer.shape_dirs, wearer.shape_dirs[:, near]], 1),
        ))  # fmt: skip
    return equipped, np.concatenate([places, marked]).astype(np.float32)


def _skinning(body: BodyModel, thing: Worn) -> tuple[NDArray[np.uint8], Floats]:
    """The joints and weights (N, K) of a thing's vertices, the strongest first."""
    count = body.skin_joints.shape[1]
    joints = np.zeros((len(thing.vertices), count), np.uint8)
    weights = np.zeros((len(thing.vertices), count), np.float32)
    for k, (name, share) in enumerate(thing.bound.items()):
        joints[:, k], weights[:, k] = JOINT[name], share
    order = np.argsort(-weights, axis=1, kind="stable")
    return np.take_along_axis(joints, order, 1), np.take_along_axis(weights, order, 1)


def _grid(rows: int, columns: int, around: bool) -> NDArray[np.int32]:
    """The triangles of a grid of vertices, whose columns may meet `around`."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if around else columns - 1), indexing="ij")
    a, b = (r * columns + c).ravel(), (r * columns + (c + 1) % columns).ravel()
    return np.concatenate([np.stack([a, a + columns, b], 1), np.stack([b, a + columns, b + columns], 1)]).astype(
        np.int32
    )


def _sheet(surface: Points, material: int, bound: Mapping[str, float | Points], thickness: float = 0.006) -> Worn:
    """A sheet (R, C, 3) that is seen from both sides; `thickness` is towards the head's axis."""
    rows, columns = surface.shape[:2]
    outer = surface.reshape(-1, 3)
    axis = outer * [0, 1, 0] + [0, 0, 0.03]
    inward = (axis - outer) / np.maximum(np.linalg.norm(axis - outer, axis=1, keepdims=True), 1e-6)
    faces = _grid(rows, columns, False)
    both = np.concatenate([faces, faces[:, ::-1] + len(outer)])
    doubled = {name: share if isinstance(share, float) else np.tile(share, 2) for name, share in bound.items()}
    return Worn(np.concatenate([outer, outer + thickness * inward]), both, material, doubled)


def _tube(
    path: Points,
    radius: float | Points,
    material: int,
    bound: Mapping[str, float | Points],
    closed: bool = False,
    sides: int = 7,
) -> Worn:
    """A tube of `radius` along `path` (N, 3); a `closed` one is a ring. Ends are closed by points."""
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    aside = np.cross(ahead, np.where(np.abs(ahead[:, :1]) > 0.8, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]))
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    up = np.cross(ahead, aside)
    turn = np.arange(sides) / sides * 2 * np.pi
    radii = np.broadcast_to(np.asarray(radius, np.float64), len(path)).copy()
    ring = np.cos(turn)[None, :, None] * aside[:, None] + np.sin(turn)[None, :, None] * up[:, None]
    points = path[:, None] + radii[:, None, None] * ring
    if closed:
        points = np.concatenate([points, points[:1]])
    else:
        points = np.concatenate([np.repeat(path[:1, None], sides, 1), points, np.repeat(path[-1:, None], sides, 1)])
    faces = _grid(len(points), sides, True)[:, ::-1]
    spread: dict[str, float | Points] = {}
    for name, share in bound.items():
        if isinstance(share, float):
            spread[name] = share
        else:
            along = np.concatenate([share, share[:1]]) if closed else np.concatenate([share[:1], share, share[-1:]])
            spread[name] = np.repeat(along, sides)
    return Worn(points.reshape(-1, 3), np.ascontiguousarray(faces), material, spread)


def _ball(centre: Sequence[float], radii: Sequence[float], material: int, joint: str, squareness: float = 1.0) -> Worn:
    """An ellipsoid, or a rounded box with a `squareness` below 1 (superellipsoid)."""
    up, around = np.linspace(-np.pi / 2, np.pi / 2, 11), np.arange(18) / 18 * 2 * np.pi

    def power(value: Points) -> Points:
        return np.asarray(np.sign(value) * np.abs(value) ** squareness)

    ring = np.stack([power(np.cos(around)), 0 * around, power(np.sin(around))], 1)
    points = power(np.cos(up))[:, None, None] * ring + power(np.sin(up))[:, None, None] * [0, 1, 0]
    return Worn((points * radii + centre).reshape(-1, 3), _grid(11, 18, True)[:, ::-1].copy(), material, {joint: 1.0})


def _follow(height: Points) -> dict[str, float | Points]:
    """Hair on the head follows the head, hair on the back the back."""
    share = np.clip((height - 0.25) / 0.12, 0, 1)
    return {"head": share, "spine3": 1 - share}


def long_hair(body: BodyModel, end: float, bulk: float, clothes: float) -> Worn:
    """Hair that falls to the height `end` at the back and to the chin at the sides, `bulk` metres off the head.

    `clothes` is how far they stand off the body, which the hair lies on.
    """
    angle = np.radians(np.linspace(-112, 112, 29))[None, :]
    side = np.clip((np.abs(angle) - np.radians(26)) / np.radians(24), 0, 1)
    lowest = end + (max(0.285, end) - end) * side
    share = np.linspace(0, 1, 18)[:, None]
    y = 0.515 + (lowest - 0.515) * share
    x, z = np.sin(angle), -np.cos(angle)
    dome = np.where(y > 0.44, np.sqrt(np.clip(1 - ((y - 0.44) / 0.125) ** 2, 0.35, 1)), 1.0)
    radius = np.hypot(0.088 * x, 0.098 * z) * dome + bulk
    surface = np.stack([radius * x, y + 0 * x, 0.025 + radius * z], -1)
    return _sheet(_outside(body, surface, np.where(y < 0.27, clothes, 0.0) + 0.010), HAIR, _follow((y + 0 * x).ravel()))


def _outside(body: BodyModel, surface: Points, gap: Points) -> Points:
    """The points (R, C, 3) moved out of the body until they are `gap` (R, C) metres from its skin."""
    points = surface.reshape(-1, 3).copy()
    outward, tree = normals(body.v_template[None], body.faces)[0], cKDTree(body.v_template)
    for _ in range(4):
        nearest = tree.query(points)[1]
        height = ((points - body.v_template[nearest]) * outward[nearest]).sum(1)
        points += np.maximum(gap.ravel() - height, 0)[:, None] * outward[nearest]
    return points.reshape(surface.shape)


def ponytail(length: float) -> Worn:
    """Hair bound behind the head."""
    share = np.linspace(0, 1, 9)
    y = 0.48 - length * share**1.3
    z = -0.038 - 0.075 * np.sin(np.pi * np.clip(share + 0.08, 0, 1)) - 0.045 * share
    path = np.stack([0 * share, y, z], 1)
    radius = 0.034 * np.sin(np.pi * np.clip(0.12 + 0.86 * share, 0, 1)) ** 0.7
    return _tube(path, radius, HAIR, _follow(path[:, 1]), sides=12)


def bun() -> Worn:
    """A knot of hair at the back of the head."""
    return _ball((0.0, 0.495, -0.062), (0.045, 0.042, 0.042), HAIR, "head")


def glasses(body: BodyModel, roundness: float) -> list[Worn]:
    """Two rims before the eyes, a bridge and two temples; a `roundness` below 1 makes the rims square."""
    rest = body.v_template
    lids = rest[(np.abs(rest[:, 0] - 0.033) < 0.02) & (np.abs(rest[:, 1] - 0.4376) < 0.012)]
    z = float(lids[:, 2].max()) + 0.010
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    across, up = (np.sign(v) * np.abs(v) ** roundness for v in (np.cos(turn), np.sin(turn)))
    rim = np.stack([0.034 + 0.024 * across, 0.4345 + 0.019 * up, z - 0.006 * np.maximum(np.cos(turn), 0) ** 2], 1)
    temple = np.array(
        [[0.058, 0.440, z - 0.006], [0.076, 0.441, z - 0.05], [0.084, 0.441, 0.02], [0.082, 0.425, -0.005]]
    )
    bridge = np.array([[-0.011, 0.438, z], [0.0, 0.441, z + 0.002], [0.011, 0.438, z]])
    parts = [_tube(bridge, 0.0017, FRAME, {"head": 1.0}, sides=5)]
    for side in (1, -1):
        parts.append(_tube(rim * [side, 1, 1], 0.0018, FRAME, {"head": 1.0}, closed=True, sides=5))
        parts.append(_tube(temple * [side, 1, 1], 0.0017, FRAME, {"head": 1.0}, sides=5))
    return parts


def visor() -> Worn:
    """The visor of a cap."""
    angle, out = np.radians(np.linspace(-52, 52, 15))[None, :], np.linspace(0, 1, 5)[:, None]
    reach = 0.075 * out * np.cos(angle * 1.6)
    x, z = (0.083 + 0.6 * reach) * np.sin(angle), 0.045 + 0.105 * np.cos(angle) + reach
    y = 0.487 - 0.10 * reach - 0.03 * np.sin(angle) ** 2 + 0 * out
    return _sheet(np.stack([x, y, z], -1)[:, ::-1], COVER, {"head": 1.0}, 0.003)


def headphones() -> list[Worn]:
    """A band over the head and two shells over the ears."""
    turn = np.linspace(0, np.pi, 21)
    band = np.stack([0.106 * np.cos(turn), 0.425 + 0.152 * np.sin(turn), 0.030 + 0 * turn], 1)
    shells = [_ball((side * 0.102, 0.422, 0.024), (0.022, 0.042, 0.038), FRAME, "head", 0.7) for side in (1, -1)]
    return [_tube(band, 0.007, FRAME, {"head": 1.0}, sides=6), *shells]


def backpack() -> Worn:
    """A bag on the back."""
    return _ball((0.0, -0.02, -0.185), (0.15, 0.22, 0.085), THING, "spine3", 0.5)


MUG_PLACE = np.array([0.095, -0.052, 0.0])
"""Where the middle of a mug is, seen from the wrist of the left hand of the rest body that holds it, in metres."""
MUG_RADIUS, MUG_HEIGHT = 0.036, 0.095


def mug(body: BodyModel, side: str) -> Worn:
    """A mug in one hand; its axis points to the thumb."""
    left = body.rest_joints[JOINT["left_wrist"]] + MUG_PLACE
    ends = np.linspace(-MUG_HEIGHT / 2, MUG_HEIGHT / 2, 5)
    path = left + ends[:, None] * [0.0, 0.0, 1.0]
    whole = _tube(path, MUG_RADIUS, THING, {f"{side}_wrist": 1.0}, sides=20)
    if side == "left":
        return whole
    return replace(whole, vertices=whole.vertices * [-1, 1, 1], faces=whole.faces[:, ::-1].copy())
