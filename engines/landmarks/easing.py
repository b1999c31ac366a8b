"""People of whom nothing is seen: they ease from their last pose to rest, and who was never seen stands at rest."""

from collections.abc import Mapping
from functools import cache

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.rotations import to_matrices, to_vectors
from pymafx_live.core.skeleton import JOINT_NAMES
from pymafx_live.core.types import Camera, Floats
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.landmarks import rig
from pymafx_live.engines.landmarks.chain import forward, set_hinges
from pymafx_live.engines.landmarks.fit import Fit, FitOptions, Fitter
from pymafx_live.engines.landmarks.initial import UPSIDE, resting
from pymafx_live.engines.landmarks.parts import part_of_joint
from pymafx_live.engines.landmarks.search import leaving

HEIGHT, NEAREST, FARTHEST = 1.7, 0.5, 50.0
"""Metres: an adult, whom nobody has seen, fills the box; and how near and far that may put them."""


def ease(fitter: Fitter, fit: Fit, unseen: Mapping[str, float], dt: float) -> None:
    """Takes `dt` seconds of the way to rest, in place, of parts that were `unseen` for so many seconds.

    They are held for `FitOptions.hold`, and at rest after twice `FitOptions.ease` more. The heading and the place stay.
    """
    chain, pose, options = fitter.body, fit.body, fitter.options
    share = np.array([_share(unseen[part_of_joint(name)], dt, options) for name in JOINT_NAMES[: rig.BODY_JOINTS]])
    share[0] = 0  # the pelvis
    if share.any():
        rest = resting(chain)
        turn = to_vectors(pose.local.swapaxes(2, 3) @ rest.local)
        pose.local[:] = pose.local @ to_matrices(share[:, None] * turn)
        pose.angle += share[chain.joint] * (rest.angle - pose.angle)
        set_hinges(chain, pose)
        placed = forward(chain, pose)
        fit.joints, fit.turns = placed.T[0], placed.G[0]
    for side in list(fit.hands):
        fitter.relax_hand(fit, side, unseen[f"{side}_hand"], dt)


def _share(unseen: float, dt: float, options: FitOptions) -> float:
    left = options.hold + 2 * options.ease - unseen
    if unseen < options.hold:
        return 0.0
    return 1.0 if left <= 0 else min(1.0, dt / (left + dt))


@cache
def rest_pose() -> Floats:
    """The rotations (55, 3) of who stands at rest, upright and facing the camera."""
    fitter = Fitter(BodyModel.embedded().rest_joints)
    body = resting(fitter.body)
    body.local[0, 0] = UPSIDE
    nothing = np.zeros(0)
    return np.asarray(fitter.rotations(Fit(body, {}, nothing, nothing, nothing, np.zeros((3, 3)))), np.float32)


def step(camera: Camera, before: Reals, now: Reals, depth: float) -> Floats:
    """How far (3,) somebody has moved whose box (4,) was `before` and is `now`: see `Camera.shift`.

    Of who leaves the picture at its side only the edge that is still in it says so.
    """
    if leaving(now[None], np.array([[camera.width, camera.height]]))[0]:
        edge = 0 if now[2] >= 0.99 * camera.width else 2
        before, now = (np.array([box[edge], 0, box[edge], 0]) for box in (before, now))
    return camera.shift(before, now, depth)


def standing(box: Reals, camera: Camera) -> Floats:
    """Where the pelvis (3,) of an adult would be who fills a box (4,): a guess about somebody who was never seen."""
    x1, y1, x2, y2 = (float(edge) for edge in box)
    depth = float(np.clip(camera.fy * HEIGHT / max(y2 - y1, 1.0), NEAREST, FARTHEST))
    x, y = ((x1 + x2) / 2 - camera.cx) / camera.fx, ((y1 + y2) / 2 - camera.cy) / camera.fy
    return np.array([x * depth, y * depth, depth], np.float32)
