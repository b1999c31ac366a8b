"""What is known of every rendered frame: each person's exact parameters, and what of them can be seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.mannequin import raster
from pymafx_live.bench.mannequin.build import Build
from pymafx_live.bench.mannequin.props import hide
from pymafx_live.bench.mannequin.sight import seen_joints
from pymafx_live.core.types import Camera, Floats
from pymafx_live.engines.body.model import BodyModel


@dataclass(frozen=True, slots=True, eq=False)
class TruePerson:
    """One person of one frame. All is exact, in metres and radians of the camera's frame, SMPL-X order.

    `pose` (55, 3), `transl` (3,), `betas` (S,) and `bones` (55,) of the embedded body; `joints` (55, 3);
    `box` (4,) as x1, y1, x2, y2 in pixels around what furniture leaves of the figure, cut at the image's border;
    `visible` is the share of the figure that lies inside the image and is not hidden by another one or by furniture.
    `seen` (55,) says which joints can be seen (`sight.seen_joints`).
    """

    id: int
    pose: Floats
    transl: Floats
    betas: Floats
    bones: Floats
    joints: Floats
    box: Floats
    visible: float
    seen: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """All people of one frame, and the camera that sees them."""

    time: float
    camera: Camera
    people: tuple[TruePerson, ...]


class Posed(Protocol):
    """Somebody whose parameters are known for every frame: `pose` (T, 55, 3) and `transl` (T, 3), camera frame."""

    @property
    def build(self) -> Build: ...  # noqa: D102
    @property
    def pose(self) -> Floats: ...  # noqa: D102
    @property
    def transl(self) -> Floats: ...  # noqa: D102


def people_of(
    body: BodyModel,
    posed: Sequence[Posed],
    vertices: Floats,
    seen: raster.View,
    hidden: int,
    furniture: Floats | None,
    camera: Camera,
    i: int,
) -> tuple[TruePerson, ...]:
    """The truth of frame i: P people with the skin `vertices` (P, V, 3), of which `seen` is the view.

    `furniture` is the inverse depth of what may hide them, at the view's scale; it hid `hidden` pixels of the view.
    """
    joints = np.concatenate([
        body.joints(p.pose[i : i + 1], p.transl[i], p.build.betas, p.build.bones[None])[0] for p in posed
    ])  # fmt: skip
    extents = [_extent(points, camera) for points in seen.screen]
    boxes, shown = [box for box, _ in extents], np.ones(len(posed))
    if len(posed) > 1:
        near = None if furniture is None else furniture[:: seen.scale, :: seen.scale]
        shown, frames = _unhidden(vertices, body, camera, near)
        boxes = boxes if furniture is None else frames
    elif furniture is not None:
        left = int((seen.index >= 0).sum())
        shown[0], boxes = left / max(left + hidden, 1), [_box(seen)]
    flags = seen_joints(joints, seen, furniture, body, camera)
    return tuple(
        TruePerson(k, p.pose[i], p.transl[i], p.build.betas, p.build.bones, joints[k], boxes[k],
                   float(extents[k][1] * shown[k]), flags[k])
        for k, p in enumerate(posed)
    )  # fmt: skip


def _extent(screen: Floats, camera: Camera) -> tuple[Floats, float]:
    """The box (4,) around the points (V, 3) in front of the camera, and the share inside the image."""
    xy = screen[screen[:, 2] > 0, :2]
    size = np.array([camera.width - 1, camera.height - 1], np.float32)
    within = ((xy >= 0) & (xy <= size)).all(1)
    if not within.any():
        return np.zeros(4, np.float32), 0.0
    box = np.concatenate([xy.min(0).clip(0, size), xy.max(0).clip(0, size)])
    return box.astype(np.float32), float(within.sum() / len(screen))


def _unhidden(
    vertices: Floats, body: BodyModel, camera: Camera, near: Floats | None
) -> tuple[NDArray[np.float64], list[Floats]]:
    """The share (P,) of each silhouette that nobody else and nothing hides; boxes (4,) around what furniture leaves."""
    whole, boxes = [], []
    for person in vertices:
        alone = raster.view(person[None], body.faces, camera)
        whole.append((alone.index >= 0).sum())
        if near is not None:
            hide(alone, near)
        boxes.append(_box(alone))
    together = raster.view(vertices, body.faces, camera)
    if near is not None:
        hide(together, near)
    owner = together.index[together.index >= 0] // len(body.faces)
    shown = np.bincount(owner, minlength=len(vertices)) / np.maximum(whole, 1)
    return np.asarray(shown), boxes


def _box(view: raster.View) -> Floats:
    """The box (4,) around what a view shows, in pixels of the image; zeros around nothing."""
    rows, columns = (np.flatnonzero((view.index >= 0).any(axis)) for axis in (1, 0))
    if len(rows) == 0:
        return np.zeros(4, np.float32)
    x, y = view.corner
    ends = np.array([columns[0], rows[0], columns[-1], rows[-1]], np.float32) / view.scale
    return np.asarray(ends + (x, y, x, y), np.float32)
