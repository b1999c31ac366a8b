"""Everybody of a recording as an animated body (`.glb`): glTF 2.0, y up, metres, one scene.

Each track has a skeleton of SMPL-X's joints and a mesh of its own proportions, the embedded CC0 body; both are there
from the track's first frame to its last. The embedded body has no shapes of the face, so that none are animated.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Reals
from pymafx_live.core.files import whole_files
from pymafx_live.core.skeleton import JOINT_NAMES, PARENTS
from pymafx_live.engines.body import skinning
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.pipeline.mailbox import Item
from pymafx_live.pipeline.recordings import Place
from pymafx_live.pipeline.recordings.gltf import INDICES, VERTICES, Gltf
from pymafx_live.pipeline.recordings.motion import Motion, motions
from pymafx_live.pipeline.writing import writing

_WEIGHTS = 4
"""Joints that move a vertex: what every program reads."""
_COLOURS = ((0.30, 0.62, 0.86), (0.88, 0.56, 0.28), (0.45, 0.72, 0.38), (0.82, 0.43, 0.60), (0.85, 0.77, 0.35))


class Glb:
    """The format `.glb`."""

    def write(self, items: Iterable[Item], file: Path, place: Place) -> list[Path]:
        """See `Format.write`."""
        made = motions(items)
        file = place(file)
        gltf, end = Gltf(), max(motion.times[-1] for motion in made)
        for motion in made:
            _add(gltf, motion, float(end))
        with writing(file), whole_files(file.parent, file.name) as part:
            gltf.save(part / file.name, "recording")
        return [file]


def add_skeleton(gltf: Gltf, motion: Motion, height: float, times: int, parent: int | None = None) -> list[int]:
    """Adds the 55 joints, which rest with the pelvis at that height, and their animation; returns their nodes."""
    nodes: list[int] = []
    for joint, name in enumerate(JOINT_NAMES):
        place = [0.0, height, 0.0] if joint == 0 else motion.bones[joint].astype(np.float32).tolist()
        nodes.append(gltf.node(name, parent if joint == 0 else nodes[PARENTS[joint]], translation=place))
        gltf.animate(nodes[-1], "rotation", times, motion.turns[:, joint])
    gltf.animate(nodes[0], "translation", times, motion.pelvis)
    return nodes


def _add(gltf: Gltf, motion: Motion, end: float) -> None:
    """Adds a person: the joints, the skin and the mesh."""
    body = _body()
    vertices, height = _rest_mesh(motion)
    times = gltf.array(motion.times.astype(np.float32), bounds=True)
    person = gltf.node(f"{motion.source} person {motion.id}")
    joints = add_skeleton(gltf, motion, height, times, person)
    bind = np.tile(np.eye(4, dtype=np.float32), (55, 1, 1))  # column by column: the last row is the translation
    bind[:, 3, :3] = -(motion.rest + [0, height, 0])
    skin = gltf.add("skins", {"joints": joints, "inverseBindMatrices": gltf.array(bind.reshape(55, 16))})
    weights = body.skin_weights[:, :_WEIGHTS] / body.skin_weights[:, :_WEIGHTS].sum(1, keepdims=True)
    movers = np.where(weights > 0, body.skin_joints[:, :_WEIGHTS], 0).astype(np.uint8)
    colour = {"baseColorFactor": [*_COLOURS[motion.id % len(_COLOURS)], 1.0], "metallicFactor": 0.0}
    primitive = {
        "attributes": {
            "POSITION": gltf.array(vertices.astype(np.float32), VERTICES, bounds=True),
            "NORMAL": gltf.array(normals(vertices, body.faces).astype(np.float32), VERTICES),
            "JOINTS_0": gltf.array(movers, VERTICES), "WEIGHTS_0": gltf.array(weights.astype(np.float32), VERTICES),
        },
        "indices": gltf.array(body.faces.astype(np.uint16).ravel(), INDICES),
        "material": gltf.add("materials", {"pbrMetallicRoughness": colour | {"roughnessFactor": 0.8}}),
    }  # fmt: skip
    mesh = gltf.add("meshes", {"name": f"body of person {motion.id}", "primitives": [primitive]})
    gltf.node(f"{motion.source} body {motion.id}", mesh=mesh, skin=skin)
    _there_while_seen(gltf, person, motion, end)


def _there_while_seen(gltf: Gltf, node: int, motion: Motion, end: float) -> None:
    """Animates the size of who comes later or goes earlier: nothing before and after."""
    moments = [(0.0, 0.0)] * (motion.start > 0) + [(float(motion.start), 1.0)]
    if (last := float(motion.times[-1])) < end:
        moments.append((last + 1 / motion.rate, 0.0))
    if len(moments) > 1:
        times = gltf.array(np.array([at for at, _ in moments], np.float32), bounds=True)
        gltf.animate(node, "scale", times, np.array([[size] * 3 for _, size in moments]), "STEP")


def _rest_mesh(motion: Motion) -> tuple[Reals, float]:
    """The embedded body's vertices (V, 3) on the motion's skeleton at rest, standing at 0; how high its pelvis is."""
    body = _body()
    rest = body.rest_joints[None]
    steps = np.linalg.norm(rest[0] - rest[0, list(PARENTS)], axis=1)
    ratios = np.ones((1, 55), np.float32)
    ratios[0, 1:] = np.linalg.norm(motion.bones[1:], axis=1) / steps[1:]
    straight = np.broadcast_to(np.eye(3, dtype=np.float32), (1, 55, 3, 3))
    maps = skinning.flesh_maps(rest, ratios, motion.rest[None].astype(np.float32), straight)
    vertices = skinning.skin(body.v_template[None], body.skin_joints, body.skin_weights, maps)[0].astype(np.float64)
    height = -float(vertices[:, 1].min())
    return vertices + [0, height, 0], height


def normals(vertices: Reals, faces: NDArray[np.int32]) -> Reals:
    """The unit normals (V, 3) of the vertices: the mean of their triangles', weighted by area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    of_faces = np.cross(b - a, c - a)
    out = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(out, faces[:, k], of_faces)
    length = np.linalg.norm(out, axis=1, keepdims=True)
    return np.where(length > 0, out / np.maximum(length, 1e-30), [0.0, 1.0, 0.0])


@cache
def _body() -> BodyModel:
    return BodyModel.embedded()
