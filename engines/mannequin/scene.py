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
from pymafx_live.engines.mannequin.acting import Act, Performance
from pymafx_live.engines.mannequin.build import Build, Cast, average_build, random_build
from pymafx_live.engines.mannequin.motions import MOTIONS, perform
from pymafx_live.engines.mannequin.paint import folds, paint
from pymafx_live.engines.mannequin.props import MARGIN, Set, build_set
from pymafx_live.engines.mannequin.room import draw_room, plain
from pymafx_live.engines.mannequin.sight import seen_joints
from pymafx_live.engines.mannequin.stage import Setup
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


@dataclass(frozen=True, slots=True, eq=False)
class _Actor:
    body: BodyModel  # dressed
    outfit: Outfit
    build: Build
    pose: Floats  # (T, 55, 3), camera frame
    transl: Floats  # (T, 3)

    def vertices(self, i: int) -> Floats:
        """The dressed skin (1, V, 3) of frame i."""
        return self.body.vertices(self.pose[i : i + 1], self.transl[i], self.build.betas, self.build.bones[None])


@dataclass(frozen=True, slots=True, eq=False)
class _Shoot:
    """All that the frames of a clip have in common."""

    body: BodyModel
    actors: Sequence[_Actor]
    setup: Setup
    lamp: tuple[Floats, Floats]
    furniture: Set | None
    scenery: NDArray[np.uint8]


def render_clip(
    name: str,
    seed: int,
    frames: int = 75,
    fps: float = 25.0,
    background: str = "room",
    proportions: bool = False,
    fov: float | None = None,
) -> Iterator[tuple[NDArray[np.uint8], Truth]]:
    """Render the motion `name` (a key of `MOTIONS`), one performance per seed: images (H, W, 3) and truth.

    Pictures are 1280 x 720 unless the motion's own camera has another size.
    `background` is "room", "plain" or an image file; `proportions` gives each person a build of their own;
    `fov` fixes the camera's horizontal field of view in degrees. Equal arguments give equal pixels.

    Raises `UsageError` for an unknown motion and `AssetError` for an unreadable background.
    """
    if name not in MOTIONS:
        raise UsageError(f"There is no mannequin motion {name!r}: choose one of {', '.join(MOTIONS)}.")
    rng = np.random.default_rng([seed, *name.encode()])
    body = BodyModel.embedded()
    act = perform(name, rng, frames, fps, Cast(body, proportions))
    actors, setup = _cast(rng, body, act, fps, proportions, fov)
    scenery = _background(rng, background, setup)
    shoot = _furnished(body, actors, act, setup, scenery, _lamp(rng))
    noise = rng.integers(2**31, size=frames)

    def shot(i: int) -> tuple[NDArray[np.uint8], Truth]:
        image, truth = _shoot(shoot, i, fps)
        return _noise(np.random.default_rng(noise[i]), image), truth

    with ThreadPoolExecutor(WORKERS) as pool:  # the compiled loops release the GIL
        for first in range(0, frames, WORKERS):
            yield from pool.map(shot, range(first, min(first + WORKERS, frames)))


def _cast(
    rng: Generator, body: BodyModel, act: Act, fps: float, proportions: bool, fov: float | None
) -> tuple[list[_Actor], Setup]:
    """Everybody's performance on the floor, and the camera that sees it."""
    builds = [_build(rng, body, p.build, proportions) for p in act.people]
    paths = [
        stage.plant(body, b, p, fps) if p.path is None else p.path.astype(np.float32)
        for b, p in zip(builds, act.people, strict=True)
    ]
    if act.view is not None:
        setup = stage.set_up(act.view, fov)
    else:
        aims = [_aim(body, *each) for each in zip(act.people, builds, paths, strict=True)]
        setup = stage.place_camera(rng, np.concatenate(aims), act.people[0].focus == "body", fov)
    actors = []
    for performance, path, build in zip(act.people, paths, builds, strict=True):
        pelvis = body.rest_joints[0] + build.betas @ body.joint_shape_dirs[:, 0]
        pose, transl = stage.to_camera(setup, performance.pose.astype(np.float32), path, pelvis)
        outfit = dress(rng)
        actors.append(_Actor(wear(body, outfit), outfit, build, pose, transl))
    return actors, setup


def _build(rng: Generator, body: BodyModel, chosen: Build | None, proportions: bool) -> Build:
    if chosen is not None:
        return chosen
    return random_build(rng, body) if proportions else average_build(body)


def _aim(body: BodyModel, performance: Performance, build: Build, path: Floats) -> Floats:
    """What the camera has to see of a person, (N, 3)."""
    betas, bones = (np.tile(values, (len(path), 1)) for values in (build.betas, build.bones))
    joints, _ = body.joints(performance.pose, path - body.rest_joints[0], betas, bones)
    return stage.aim(joints, performance.focus)


def _furnished(
    body: BodyModel,
    actors: Sequence[_Actor],
    act: Act,
    setup: Setup,
    scenery: NDArray[np.uint8],
    lamp: tuple[Floats, Floats],
) -> _Shoot:
    """The scenery with the act's furniture in it."""
    if not act.props:
        return _Shoot(body, actors, setup, lamp, None, scenery)
    furniture = build_set(act.props, setup.camera, setup.rotation, setup.position, lamp, ANTIALIAS)
    raster.blend(scenery, _halved(furniture.layer))
    return _Shoot(body, actors, setup, lamp, furniture, scenery)


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


def _shoot(shoot: _Shoot, i: int, fps: float) -> tuple[NDArray[np.uint8], Truth]:
    """Frame i: the scenery, the people's shadows on the floor, the people; and the truth."""
    body, setup, actors = shoot.body, shoot.setup, shoot.actors
    image = shoot.scenery.copy()
    vertices = np.concatenate([actor.vertices(i) for actor in actors])
    key, sky = setup.rotation @ shoot.lamp[0], setup.rotation[:, 1].copy()
    if shoot.furniture is None:
        _cast_shadows(image, vertices, body, setup, key, sky)
    seen = render.view(vertices, body.faces, setup.camera, ANTIALIAS)
    if shoot.furniture is not None:
        _hide(seen, shoot.furniture.depth)
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
            shoot.lamp[1],
            layer,
        )
        raster.blend(seen.window(image), _halved(layer))
    return image, Truth(i / fps, setup.camera, _people(shoot, vertices, seen, i))


def _halved(layer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A layer (h, w, 4) at the image's own scale."""
    h, w = layer.shape[0] // ANTIALIAS, layer.shape[1] // ANTIALIAS
    return cv2.resize(layer, (w, h), interpolation=cv2.INTER_AREA).reshape(h, w, 4).astype(np.uint8, copy=False)


def _hide(seen: render.View, furniture: Floats) -> None:
    """Take out of the view what is behind furniture, whose inverse depth is of the view's scale."""
    (x, y), (h, w) = seen.corner, seen.index.shape
    nearer = furniture[y * seen.scale :, x * seen.scale :][:h, :w]
    seen.index[nearer > seen.depth * (1 + MARGIN * nearer)] = -1


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


def _people(shoot: _Shoot, vertices: Floats, seen: render.View, i: int) -> tuple[TruePerson, ...]:
    body, camera = shoot.body, shoot.setup.camera
    furniture = None if shoot.furniture is None else shoot.furniture.depth
    joints = np.concatenate([
        body.joints(a.pose[i : i + 1], a.transl[i], a.build.betas, a.build.bones[None])[0] for a in shoot.actors
    ])  # fmt: skip
    screen = render.project(vertices, camera)
    boxes, inside = zip(*(_extent(points, camera) for points in screen), strict=True)
    shown, frames = _unhidden(vertices, body, camera, furniture)
    flags = seen_joints(joints, seen, furniture, body, camera)
    return tuple(
        TruePerson(k, a.pose[i], a.transl[i], a.build.betas, a.build.bones, joints[k],
                   boxes[k] if frames is None else frames[k], float(inside[k] * shown[k]), flags[k])
        for k, a in enumerate(shoot.actors)
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
    vertices: Floats, body: BodyModel, camera: Camera, furniture: Floats | None
) -> tuple[NDArray[np.float64], Floats | None]:
    """The share (P,) of each silhouette that nobody else and nothing hides.

    With furniture also the boxes (P, 4) around what it leaves of each; nothing of a person leaves a box of zeros.
    """
    if len(vertices) == 1 and furniture is None:
        return np.ones(1), None
    near = None if furniture is None else furniture[::ANTIALIAS, ::ANTIALIAS]
    whole, boxes = [], []
    for person in vertices:
        alone = render.view(person[None], body.faces, camera)
        whole.append((alone.index >= 0).sum())
        if near is not None:
            _hide(alone, near)
            boxes.append(_box(alone))
    together = render.view(vertices, body.faces, camera)
    if near is not None:
        _hide(together, near)
    owner = together.index[together.index >= 0] // len(body.faces)
    shown = np.bincount(owner, minlength=len(vertices)) / np.maximum(whole, 1)
    return shown, None if near is None else np.array(boxes, np.float32)


def _box(view: render.View) -> NDArray[np.float64]:
    """The box (4,) around what a view shows, in pixels of the image."""
    rows, columns = (np.flatnonzero((view.index >= 0).any(axis)) for axis in (1, 0))
    if len(rows) == 0:
        return np.zeros(4)
    x, y = view.corner
    return np.array([columns[0] + x, rows[0] + y, columns[-1] + x, rows[-1] + y], np.float64)
