"""The proportions of the people who act, and the skeletons that they give."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from pymafx_live.core.skeleton import JOINT, JOINT_NAMES, MIRROR, PARENTS
from pymafx_live.core.types import Floats
from pymafx_live.engines.body.model import BodyModel


@dataclass(frozen=True, slots=True, eq=False)
class Build:
    """A person's proportions: `bones` (55,), ratios to the rest skeleton, and `betas` (S,)."""

    bones: Floats
    betas: Floats


def average_build(body: BodyModel) -> Build:
    """The rest skeleton's own proportions."""
    return Build(np.ones(55, np.float32), np.zeros(len(body.shape_names), np.float32))


def random_build(rng: Generator, body: BodyModel) -> Build:
    """Other proportions, the same left and right: size, legs, arms, torso, head and hands of their own."""
    size = rng.uniform(0.88, 1.06)
    bones = np.full(55, size)
    groups = {
        ("hip", "knee", "ankle"): rng.uniform(0.93, 1.07),
        ("elbow", "wrist"): rng.uniform(0.93, 1.07),
        ("spine", "neck", "head"): rng.uniform(0.94, 1.06),
        ("collar", "shoulder"): rng.uniform(0.92, 1.10),
        ("index", "middle", "ring", "pinky", "thumb"): rng.uniform(0.94, 1.08),
    }
    for words, ratio in groups.items():
        for j, name in enumerate(JOINT_NAMES[1:], 1):
            if any(word in name for word in words):
                bones[j] *= ratio * rng.uniform(0.99, 1.01)
    bones = np.sqrt(bones * bones[MIRROR])
    bones[0] = size
    flesh = [body.shape_names.index(name) for name in ("weight", "muscle")]  # the bones say the rest
    betas = np.zeros(len(body.shape_names))
    betas[flesh] = rng.uniform(-0.8, 0.8, len(flesh))
    return Build(bones.astype(np.float32), betas.astype(np.float32))


def varied_build(rng: Generator, body: BodyModel) -> Build:
    """Other proportions, and slim or broad flesh on them: shoulders and hips grow with the weight."""
    build = random_build(rng, body)
    weight = rng.choice([rng.uniform(-2.0, 0.0), rng.uniform(-0.8, 0.8), rng.uniform(0.5, 3.5)])
    betas = build.betas.copy()
    for name, value in (("weight", weight), ("muscle", rng.uniform(-1.2, 1.5)), ("gender", rng.uniform(-0.8, 1.2))):
        betas[body.shape_names.index(name)] = value
    bones = build.bones.copy()
    broad = [j for j, name in enumerate(JOINT_NAMES) if any(w in name for w in ("collar", "shoulder", "hip"))]
    bones[broad] *= 1 + 0.02 * weight
    return Build(bones, betas)


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """A body of certain proportions, posed by what scripts write: poses (T, 55, 3) and pelvis positions (T, 3)."""

    body: BodyModel
    build: Build

    def joints(self, pose: ArrayLike, pelvis: ArrayLike) -> tuple[Floats, Floats]:
        """Joint positions (T, 55, 3) and global rotations (T, 55, 3, 3)."""
        return self.body.joints(*self._inputs(pose, pelvis))

    def vertices(self, pose: ArrayLike, pelvis: ArrayLike) -> Floats:
        """The skin (T, V, 3)."""
        return self.body.vertices(*self._inputs(pose, pelvis))

    def _inputs(self, pose: ArrayLike, pelvis: ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
        pose = np.asarray(pose, np.float32)
        betas, bones = (np.tile(values, (len(pose), 1)) for values in (self.build.betas, self.build.bones))
        return pose, np.asarray(pelvis - self.rest[0], np.float32), betas, bones

    @property
    def rest(self) -> Floats:
        """The joints (55, 3) of the build's T-pose, bones at their average length."""
        moved = np.tensordot(self.build.betas, self.body.joint_shape_dirs, 1)
        return np.asarray(self.body.rest_joints + moved, np.float32)

    def bone(self, joint: str) -> NDArray[np.float64]:
        """The offset (3,) of a joint from its parent in the T-pose."""
        j = JOINT[joint]
        return np.asarray((self.rest[j] - self.rest[PARENTS[j]]) * self.build.bones[j], np.float64)

    def part(self, vertices: NDArray[np.intp]) -> "Skeleton":
        """The same skeleton with only some of the body's vertices and the faces between them: quicker to pose."""
        body = self.body
        number = np.full(len(body.v_template), -1, np.int32)
        number[vertices] = np.arange(len(vertices))
        faces = number[body.faces]
        return Skeleton(
            replace(
                body,
                faces=faces[(faces >= 0).all(1)],
                v_template=body.v_template[vertices],
                skin_joints=body.skin_joints[vertices],
                skin_weights=body.skin_weights[vertices],
                shape_dirs=body.shape_dirs[:, vertices],
            ),
            self.build,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    """Who may act: people of the `body`, of its own proportions or, with `proportions`, each of their own."""

    body: BodyModel
    proportions: bool = False

    @property
    def rest(self) -> Floats:
        """The body's rest joints (55, 3)."""
        return self.body.rest_joints

    def skeleton(self, rng: Generator) -> Skeleton:
        """One person's."""
        return Skeleton(self.body, varied_build(rng, self.body) if self.proportions else average_build(self.body))
