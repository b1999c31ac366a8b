"""Put performances on a floor and a camera in front of them: everything of a clip but its pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.acting import Performance, View
from pymafx_live.bench.mannequin.build import Build
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import Camera, Floats
from pymafx_live.engines.body.model import BodyModel
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

WIDTH, HEIGHT = 1280, 720
SOLE = 0.012
"""Metres of shoe below the foot."""

_UPPER = [JOINT[n] for n in ("head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
                             "left_wrist", "right_wrist", "left_middle3", "right_middle3", "spine1")]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """Where the camera stands: a point X of the room is rotation (X - position) in the camera's frame."""

    camera: Camera
    rotation: Floats
    position: Floats


def plant(body: BodyModel, build: Build, performance: Performance, fps: float) -> Floats:
    """The pelvis' path (T, 3) in the room that keeps the feet on the floor and from sliding.

    At each step the person moves by what the lowest points of the feet that carry weight would slide
    otherwise; the lowest point of all touches the floor. Halfway, the person is at the performance's middle.
    """
    frames = len(performance.pose)
    feet = [_sole(body, side) for side in (1, -1)]
    soles = [np.empty((frames, len(foot), 3), np.float32) for foot in feet]
    for i, pose in enumerate(performance.pose):
        vertices = body.vertices(pose[None], -body.rest_joints[0], build.betas, build.bones[None])[0]
        for sole, foot in zip(soles, feet, strict=True):
            sole[i] = vertices[foot]
    slide = np.stack([_slide(sole) for sole in soles], 1)
    weight = performance.support[1:] + performance.support[:-1] + 1e-3
    step = -np.einsum("tf,tfc->tc", weight / weight.sum(1, keepdims=True), slide)
    path = gaussian_filter1d(np.concatenate([np.zeros((1, 3)), np.cumsum(step, 0)]), 0.03 * fps, axis=0)
    path += np.array([performance.middle[0], 0, performance.middle[1]]) - path[frames // 2]
    lowest = np.minimum(*(sole[..., 1].min(1) for sole in soles))
    path[:, 1] = SOLE - gaussian_filter1d(lowest, 0.03 * fps)
    return np.asarray(path, np.float32)


def _sole(body: BodyModel, side: int) -> NDArray[np.intp]:
    """The vertices of the sole of the left (1) or right (-1) foot."""
    x, y = body.v_template[:, 0], body.v_template[:, 1]
    return np.flatnonzero((y < y.min() + 0.02) & (side * x > 0))


def _slide(sole: Floats) -> Floats:
    """How far the lowest points of a sole (T, N, 3) move from each frame to the next, (T - 1, 3)."""
    height = sole[..., 1] - sole[..., 1].min(1, keepdims=True)
    weight = np.exp(-height / 0.005)
    weight = weight[1:] + weight[:-1]
    weight /= weight.sum(1, keepdims=True)
    return np.asarray(np.einsum("tv,tvc->tc", weight, np.diff(sole, axis=0)), np.float32)


def aim(joints: Floats, focus: str) -> Floats:
    """The points (N, 3) of a person's joints (T, 55, 3) that the camera has to see, by `Performance.focus`."""
    if focus == "none":
        return joints[:0, 0]
    crown = 3 * joints[:, JOINT["head"]] - 2 * joints[:, JOINT["neck"]]
    chosen = joints[:, _UPPER] if focus == "upper" else joints
    return np.concatenate([chosen.reshape(-1, 3), crown])


def place_camera(rng: Generator, points: Floats, whole: bool, fov: float | None = None) -> Setup:
    """A camera that sees `points` (N, 3) of the room, at a random height and side.

    Its distance is the smallest at which all of them stay within a random share of the picture. `whole` bodies
    are seen from eye level or below, upper bodies from the height of the chest.
    """
    degrees = rng.uniform(48, 72)
    focal = float(0.5 * WIDTH / np.tan(np.radians(degrees if fov is None else fov) / 2))
    camera = Camera(WIDTH, HEIGHT, focal, focal, (WIDTH - 1) / 2, (HEIGHT - 1) / 2, assumed=False)
    targets = points.astype(np.float64)
    low, high = targets.min(0), targets.max(0)
    target = (low + high) / 2 + rng.uniform(-0.08, 0.08, 3)
    side = np.radians(rng.uniform(-14, 14))
    eye_level = rng.uniform(0.8, 1.9) if whole else target[1] + rng.uniform(-0.1, 0.4)
    share = rng.uniform(0.78, 0.93)
    roll = np.radians(rng.uniform(-1.5, 1.5))
    for distance in np.arange(0.7, 15, 0.02):
        position = target + distance * np.array([np.sin(side), 0, np.cos(side)])
        position[1] = eye_level
        rotation = _look(position, target, roll)
        local = (targets - position) @ rotation.T
        if local[:, 2].min() < 0.4:
            continue
        offset = np.abs(local[:, :2]) / local[:, 2:] * focal / [WIDTH / 2, HEIGHT / 2]
        if offset.max() < share:
            break
    return Setup(camera, rotation.astype(np.float32), position.astype(np.float32))


def set_up(view: View, fov: float | None = None) -> Setup:
    """The camera of a script's view; `fov` in degrees overrules the view's own."""
    focal = float(0.5 * view.width / np.tan(np.radians(view.fov if fov is None else fov) / 2))
    camera = Camera(view.width, view.height, focal, focal, (view.width - 1) / 2, (view.height - 1) / 2, assumed=False)
    offset = (np.array(view.at) - 0.5) * (view.width, view.height) / focal
    line = view.aim - view.position
    pitch = np.arctan2(line[1], np.hypot(line[0], line[2])) + np.arctan(offset[1])
    yaw = np.arctan2(line[0], -line[2]) - np.arctan(offset[0])
    axis = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), -np.cos(yaw) * np.cos(pitch)])
    rotation = _look(view.position, view.position + axis, view.roll)
    return Setup(camera, rotation.astype(np.float32), view.position.astype(np.float32))


def _look(position: NDArray[np.float64], target: NDArray[np.float64], roll: float) -> NDArray[np.float64]:
    """The rotation (3, 3) from the room (y up) to a camera (x right, y down, z forward) that looks at target."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0, 1, 0])
    right /= np.linalg.norm(right)
    upright = np.stack([right, np.cross(forward, right), forward])
    return np.asarray(Rotation.from_rotvec([0, 0, roll]).as_matrix() @ upright)


def to_camera(setup: Setup, pose: Floats, path: Floats, rest_pelvis: Floats) -> tuple[Floats, Floats]:
    """Poses (T, 55, 3) with `global_orient` in the camera's frame, and `transl` (T, 3), from room poses."""
    seen = pose.astype(np.float64).copy()
    turned = Rotation.from_matrix(setup.rotation) * Rotation.from_rotvec(pose[:, 0])
    seen[:, 0] = turned.as_rotvec()
    pelvis = (path - setup.position) @ setup.rotation.T
    return seen.astype(np.float32), (pelvis - rest_pelvis).astype(np.float32)
