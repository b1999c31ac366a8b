"""Rendered scenes of mannequins in scripted motion, with the exact SMPL-X parameters of every frame."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pymafx_live.bench.mannequin import lens, raster, stage
from pymafx_live.bench.mannequin.acting import Act, Performance
from pymafx_live.bench.mannequin.build import Build, Cast, average_build, random_build
from pymafx_live.bench.mannequin.looks import dress_up
from pymafx_live.bench.mannequin.motions import MOTIONS, perform
from pymafx_live.bench.mannequin.paint import folds, paint
from pymafx_live.bench.mannequin.props import Set, build_set, hide
from pymafx_live.bench.mannequin.room import draw_room, plain
from pymafx_live.bench.mannequin.shadows import Plane, cast_shadow, planes
from pymafx_live.bench.mannequin.stage import Setup
from pymafx_live.bench.mannequin.study import draw_study
from pymafx_live.bench.mannequin.truth import Truth, people_of
from pymafx_live.bench.mannequin.wardrobe import Outfit, dress, wear
from pymafx_live.bench.mannequin.worn import equip
from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.core.types import Floats
from pymafx_live.core.world import FloorOrigin, World, WorldOrigin, tilt
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.body.render import blend, normals

Image = NDArray[np.uint8]

ANTIALIAS = 2
WORKERS = 4
VIEWER = np.array([0, 0, -1], np.float32)


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
    """All that the frames of a clip have in common; `places` (V, 3) is where `paint` finds each vertex."""

    body: BodyModel
    actors: Sequence[_Actor]
    places: Floats
    setup: Setup
    lamp: tuple[Floats, Floats]
    scenery: Image
    furniture: Set | None
    planes: Sequence[Plane]
    webcam: lens.Webcam | None


def render_clip(
    name: str,
    seed: int,
    frames: int = 75,
    fps: float = 25.0,
    background: str = "room",
    proportions: bool = False,
    fov: float | None = None,
) -> Iterator[tuple[Image, Truth]]:
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
    shoot = (_shoot_varied if act.varied else _shoot_plain)(rng, body, act, actors, setup, background)
    seeds = rng.integers(2**31, size=frames)

    def shot(i: int) -> tuple[Image, Truth]:
        image, truth = _take(shoot, i, fps)
        grain = np.random.default_rng(seeds[i])
        return lens.noise(grain, image) if shoot.webcam is None else lens.expose(grain, image, shoot.webcam), truth

    with ThreadPoolExecutor(WORKERS) as pool:  # the compiled loops release the GIL
        for first in range(0, frames, WORKERS):
            yield from pool.map(shot, range(first, min(first + WORKERS, frames)))


def stance(
    name: str, seed: int, frames: int = 75, fps: float = 25.0, proportions: bool = False, fov: float | None = None
) -> World:
    """How the camera of `render_clip` with these arguments truly stands, on the floor of its room."""
    rng = np.random.default_rng([seed, *name.encode()])
    body = BodyModel.embedded()
    _, setup = _cast(rng, body, perform(name, rng, frames, fps, Cast(body, proportions)), fps, proportions, fov)
    pitch, roll = tilt(setup.rotation[:, 1].astype(np.float64))
    return World.tilted(pitch, roll, float(setup.position[1]), WorldOrigin.GIVEN, FloorOrigin.GIVEN)


def _cast(
    rng: Generator, body: BodyModel, act: Act, fps: float, proportions: bool, fov: float | None
) -> tuple[list[_Actor], Setup]:
    """Everybody's performance on the floor, dressed, and the camera that sees it."""
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
        outfit = dress_up(rng, body, performance.carries) if act.varied else dress(rng)
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


def _shoot_plain(
    rng: Generator, body: BodyModel, act: Act, actors: list[_Actor], setup: Setup, background: str
) -> _Shoot:
    """An evenly lit room or studio, and a good camera."""
    if background == "room":
        scenery = draw_room(rng, setup.camera, setup.rotation, setup.position, int(rng.integers(0, 7)))
    else:
        scenery = _backdrop(rng, background, setup)
    return _Shoot(body, actors, body.v_template, setup, _lamp(rng), scenery, None, [Plane()], None)


def _shoot_varied(
    rng: Generator, body: BodyModel, act: Act, actors: list[_Actor], setup: Setup, background: str
) -> _Shoot:
    """Furniture, any light, any webcam, and what people wear beyond clothes."""
    light, webcam = lens.light(rng), lens.webcam(rng, setup.camera.width)
    farthest = min(float(p.path[:, 2].min()) for p in act.people if p.path is not None)
    behind = max(0.7 - farthest, rng.uniform(0.9, 3.2))
    if background == "room":
        scenery = draw_study(rng, setup.camera, setup.rotation, setup.position, behind)
    else:
        scenery = _backdrop(rng, background, setup)
    scenery = (scenery * light.scenery).clip(0, 255).astype(np.uint8)
    furniture = None
    if act.props:
        lit = [replace(block, colour=block.colour * light.people) for block in act.props]
        furniture = build_set(lit, setup.camera, setup.rotation, setup.position, light.lamp, ANTIALIAS)
        blend(scenery, _halved(furniture.layer))
    bodies, places = equip([a.body for a in actors], [a.outfit.worn for a in actors])
    actors = [
        replace(a, body=b, outfit=replace(a.outfit, palette=a.outfit.palette * np.float32(light.people)))
        for a, b in zip(actors, bodies, strict=True)
    ]
    levels = planes(act.props, furniture, setup, behind)
    whole = replace(body, faces=bodies[0].faces, skin_joints=bodies[0].skin_joints)
    return _Shoot(whole, actors, places, setup, light.lamp, scenery, furniture, levels, webcam)


def _backdrop(rng: Generator, background: str, setup: Setup) -> Image:
    if background == "plain":
        return plain(rng, setup.camera)
    image = cv2.imread(background)
    if image is None:
        raise AssetError(f"The background {background} is no readable picture: name a JPEG or PNG file.")
    return cv2.resize(image, (setup.camera.width, setup.camera.height)).astype(np.uint8)


def _lamp(rng: Generator) -> tuple[Floats, Floats]:
    """The direction to the lamp in the room (above, on the camera's side), and its BGR colour."""
    direction = np.array([rng.uniform(-0.8, 0.8), rng.uniform(0.6, 1.2), rng.uniform(0.3, 1.0)])
    colour = np.array([rng.uniform(0.8, 1.05), 1.0, rng.uniform(0.95, 1.1)]) * rng.uniform(0.9, 1.1)
    return (direction / np.linalg.norm(direction)).astype(np.float32), colour.astype(np.float32)


def _take(shoot: _Shoot, i: int, fps: float) -> tuple[Image, Truth]:
    """Frame i: the scenery, the people's shadows, the people; and the truth."""
    body, setup, actors = shoot.body, shoot.setup, shoot.actors
    image = shoot.scenery.copy()
    vertices = np.concatenate([actor.vertices(i) for actor in actors])
    key, sky = setup.rotation @ shoot.lamp[0], setup.rotation[:, 1].copy()
    for plane in shoot.planes:
        cast_shadow(image, vertices, body, setup, shoot.lamp[0], plane)
    depth = None if shoot.furniture is None else shoot.furniture.depth
    seen = raster.view(vertices, body.faces, setup.camera, ANTIALIAS)
    hidden = 0 if depth is None else hide(seen, depth)
    if seen.index.size:
        layer = np.zeros((*seen.index.shape, 4), np.uint8)
        paint(
            seen.index,
            *seen.corner,
            ANTIALIAS,
            seen.screen,
            body.faces,
            shoot.places,
            folds(shoot.places),
            normals(vertices, body.faces) @ np.stack([key, sky, VIEWER], 1),
            np.stack([actor.outfit.palette for actor in actors]),
            np.stack([actor.outfit.cut for actor in actors]),
            shoot.lamp[1],
            layer,
        )
        blend(seen.window(image), _halved(layer))
    people = people_of(body, actors, vertices, seen, hidden, depth, setup.camera, i)
    return image, Truth(i / fps, setup.camera, people)


def _halved(layer: Image) -> Image:
    """A layer (h, w, 4) at the image's own scale."""
    h, w = layer.shape[0] // ANTIALIAS, layer.shape[1] // ANTIALIAS
    return cv2.resize(layer, (w, h), interpolation=cv2.INTER_AREA).reshape(h, w, 4).astype(np.uint8, copy=False)
