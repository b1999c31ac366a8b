"""Rendered scenes of mannequins in scripted motion, with the exact SMPL-X parameters of every frame."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pymafx_live.engines.body import raster, render
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.mannequin import stage
from pymafx_live.engines.mannequin.motions import MOTIONS, perform
from pymafx_live.engines.mannequin.paint import folds, paint
from pymafx_live.engines.mannequin.room import draw_room, plain
from pymafx_live.engines.mannequin.stage import Build, Setup
from pymafx_live.engines.mannequin.wardrobe import Outfit, dress, wear
from pymafx_live.pipeline.errors import AssetError, UsageError
from pymafx_live.pipeline.types import Camera, Floats

ANTIALIAS = 2
WORKERS = 4
VIEWER = np.array([0, 0, -1], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class TruePerson:
    """One person of one frame. All is exact, in metres and radians of the camera's frame, SMPL-X order.

    `pose` (55, 3), `transl` (3,), `betas` (S,) and `bones` (55,) of the embedded body; `joints` (55, 3);
    `box` (4,) as x1, y1, x2, y2 in pixels around the whole figure, cut at the image's border; `visible` is the
    share of the figure that lies inside the image and is not hidden by another one.
    """

    id: int
    pose: Floats
    transl: Floats
    betas: Floats
    bones: Floats
    joints: Floats
    box: Floats
    visible: float


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """All people of one frame, and the camera that sees them."""

    time: float
    camera: Camera
    people: tuple[TruePerson, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Actor:
    body: BodyModel  # dressed
    outfit: Outfit
    build: Build
    pose: Floats  # (T, 55, 3), camera frame
    transl: Floats  # (T, 3)


def render_clip(
    name: str,
    seed: int,
    frames: int = 75,
    fps: float = 25.0,
    background: str = "room",
    proportions: bool = False,
    fov: float | None = None,
) -> Iterator[tuple[NDArray[np.uint8], Truth]]:
    """Render the motion `name` (a key of `MOTIONS`), one performance per seed: images (720, 1280, 3) and truth.

    `background` is "room", "plain" or an image file; `proportions` gives each person a build of their own;
    `fov` fixes the camera's horizontal field of view in degrees. Equal arguments give equal pixels.

    Raises `UsageError` for an unknown motion and `AssetError` for an unreadable background.
    """
    if name not in MOTIONS:
        raise UsageError(f"There is no mannequin motion {name!r}: choose one of {', '.join(MOTIONS)}.")
    rng = np.random.default_rng([seed, *name.encode()])
    body = BodyModel.embedded()
    actors, setup = _cast(rng, body, name, frames, fps, proportions, fov)
    scenery = _background(rng, background, setup)
    lamp = _lamp(rng)
    noise = rng.integers(2**31, size=frames)

    def shot(i: int) -> tuple[NDArray[np.uint8], Truth]:
        image = _render(body, actors, setup, scenery, lamp, i)
        return _noise(np.random.default_rng(noise[i]), image), _truth(body, actors, setup.camera, i, fps)

    with ThreadPoolExecutor(WORKERS) as pool:  # the compiled loops release the GIL
        for first in range(0, frames, WORKERS):
            yield from pool.map(shot, range(first, min(first + WORKERS, frames)))


def _cast(
    rng: Generator, body: BodyModel, name: str, frames: int, fps: float, proportions: bool, fov: float | None
) -> tuple[list[_Actor], Setup]:
    """Everybody's performance on the floor, and the camera that sees it."""
    performances = perform(name, rng, frames, fps, body.rest_joints)
    builds = [stage.random_build(rng, body) if proportions else stage.average_build(body) for _ in performances]
    paths = [stage.plant(body, b, p, fps) for b, p in zip(builds, performances, strict=True)]
    aims = []
    for performance, build, path in zip(performances, builds, paths, strict=True):
        betas, bones = np.tile(build.betas, (frames, 1)), np.tile(build.bones, (frames, 1))
        joints, _ = body.joints(performance.pose, path - body.rest_joints[0], betas, bones)
        aims.append(stage.aim(joints, performance.focus))
    setup = stage.place_camera(rng, np.concatenate(aims), performances[0].focus == "body", fov)
    actors = []
    for performance, path, build in zip(performances, paths, builds, strict=True):
        pose, transl = stage.to_camera(setup, performance.pose.astype(np.float32), path, body.rest_joints[0])
        outfit = dress(rng)
        actors.append(_Actor(wear(body, outfit), outfit, build, pose, transl))
    return actors, setup


def _background(rng: Generator, background: str, setup: Setup) -> NDArray[np.uint8]:
    if background == "plain":
        return plain(rng, setup.camera)
    if background == "room":
        return draw_room(rng, setup.camera, setup.rotation, setup.position, int(rng.integers(0, 7)))
    image = cv2.imread(background)
    if image is None:
        raise AssetError(f"The background {background} is no readable picture: name a JPEG or PNG file.")
    return cv2.resize(image, (setup.camera.width, setup.camera.height)).astype(np.uint8)


def _lamp(rng: Generator) -> tuple[Floats, Floats]:
    """The direction to the lamp in the room (above, on the camera's side), and its BGR colour."""
    direction = np.array([rng.uniform(-0.8, 0.8), rng.uniform(0.6, 1.2), rng.uniform(0.3, 1.0)])
    colour = np.array([rng.uniform(0.8, 1.05), 1.0, rng.uniform(0.95, 1.1)]) * rng.uniform(0.9, 1.1)
    return (direction / np.linalg.norm(direction)).astype(np.float32), colour.astype(np.float32)


def _render(
    body: BodyModel,
    actors: Sequence[_Actor],
    setup: Setup,
    scenery: NDArray[np.uint8],
    lamp: tuple[Floats, Floats],
    i: int,
) -> NDArray[np.uint8]:
    """Frame i: the scenery, the people's shadows on the floor, the people."""
    image = scenery.copy()
    vertices = np.concatenate([_vertices(actor, i) for actor in actors])
    key, sky = setup.rotation @ lamp[0], setup.rotation[:, 1].copy()
    _cast_shadows(image, vertices, body, setup, key, sky)
    seen = render.view(vertices, body.faces, setup.camera, ANTIALIAS)
    if seen.index.size:
        layer = np.zeros((*seen.index.shape, 4), np.uint8)
        paint(
            seen.index,
            *seen.corner,
            ANTIALIAS,
            seen.screen,
            body.faces,
            body.v_template,
            folds(body.v_template),
            render.normals(vertices, body.faces) @ np.stack([key, sky, VIEWER], 1),
            np.stack([actor.outfit.palette for actor in actors]),
            np.stack([actor.outfit.cut for actor in actors]),
            lamp[1],
            layer,
        )
        h, w = layer.shape[0] // ANTIALIAS, layer.shape[1] // ANTIALIAS
        layer = cv2.resize(layer, (w, h), interpolation=cv2.INTER_AREA).reshape(h, w, 4)
        raster.blend(seen.window(image), layer)
    return image


def _vertices(actor: _Actor, i: int) -> Floats:
    return actor.body.vertices(actor.pose[i : i + 1], actor.transl[i], actor.build.betas, actor.build.bones[None])


def _cast_shadows(
    image: NDArray[np.uint8], vertices: Floats, body: BodyModel, setup: Setup, key: Floats, sky: Floats
) -> None:
    """Darken, in place, the floor where the lamp does not reach it: the meshes projected along the light."""
    ground = -setup.position @ setup.rotation.T @ sky
    height = vertices @ sky - ground
    flat = vertices - (height / (key @ sky))[..., None] * key
    both = np.concatenate([body.faces, body.faces[:, ::-1]])
    seen = render.view(flat.astype(np.float32), both, setup.camera)
    if seen.index.size == 0:
        return
    soft = 12  # pixels of penumbra
    shade = cv2.copyMakeBorder((seen.index >= 0) * np.uint8(97), soft, soft, soft, soft, cv2.BORDER_CONSTANT)
    layer = np.zeros((*shade.shape, 4), np.uint8)
    layer[..., 3] = cv2.GaussianBlur(shade, (0, 0), soft / 3)
    (x, y), (height, width) = seen.corner, image.shape[:2]
    top, left = max(soft - y, 0), max(soft - x, 0)
    layer = layer[top : top + height - max(y - soft, 0), left : left + width - max(x - soft, 0)]
    raster.blend(image[max(y - soft, 0) :, max(x - soft, 0) :], layer)


def _noise(rng: Generator, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The grain of a camera in a room."""
    table = np.clip(rng.normal(0, 1.6, 1 << 16).round(), -9, 9).astype(np.int16)
    grain = np.resize(np.roll(table, rng.integers(len(table))), image.shape)
    return (image + grain).clip(0, 255).astype(np.uint8)


def _truth(body: BodyModel, actors: Sequence[_Actor], camera: Camera, i: int, fps: float) -> Truth:
    vertices = np.concatenate([_vertices(actor, i) for actor in actors])
    screen = render.project(vertices, camera)
    boxes, inside = zip(*(_extent(points, camera) for points in screen), strict=True)
    unhidden = _unhidden(vertices, body, camera)
    people = []
    for k, actor in enumerate(actors):
        pose, transl = actor.pose[i], actor.transl[i]
        joints, _ = body.joints(pose[None], transl, actor.build.betas, actor.build.bones[None])
        people.append(
            TruePerson(k, pose, transl, actor.build.betas, actor.build.bones, joints[0], boxes[k],
                       float(inside[k] * unhidden[k]))
        )  # fmt: skip
    return Truth(i / fps, camera, tuple(people))


def _extent(screen: Floats, camera: Camera) -> tuple[Floats, float]:
    """The box (4,) around the points (V, 3) in front of the camera, and the share inside the image."""
    xy = screen[screen[:, 2] > 0, :2]
    size = np.array([camera.width - 1, camera.height - 1], np.float32)
    within = ((xy >= 0) & (xy <= size)).all(1)
    if not within.any():
        return np.zeros(4, np.float32), 0.0
    box = np.concatenate([xy.min(0).clip(0, size), xy.max(0).clip(0, size)])
    return box.astype(np.float32), float(within.sum() / len(screen))


def _unhidden(vertices: Floats, body: BodyModel, camera: Camera) -> NDArray[np.float64]:
    """The share (P,) of each silhouette that no other person hides."""
    if len(vertices) == 1:
        return np.ones(1)
    together = render.view(vertices, body.faces, camera).index
    owner = together[together >= 0] // len(body.faces)
    shown = np.bincount(owner, minlength=len(vertices))
    alone = [(render.view(v[None], body.faces, camera).index >= 0).sum() for v in vertices]
    return np.asarray(shown / np.maximum(alone, 1))
