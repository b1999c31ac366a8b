"""Makes VRM avatars of the embedded body, 0.x and 1.0: `python tests/support/vrm_avatar.py out.vrm [0|1]`."""

import json
import struct
import sys
from pathlib import Path

import numpy as np
from pymafx_live.core.skeleton import JOINT, JOINT_NAMES, PARENTS
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.pipeline.avatars.humanoid import BONES
from scipy.spatial.transform import Rotation

META_0 = {"title": "Embedded body", "version": "1", "author": "pymafx-live", "allowedUserName": "Everyone",
          "violentUssageName": "Allow", "sexualUssageName": "Disallow", "commercialUssageName": "Allow",
          "licenseName": "CC0", "contactInformation": "", "reference": ""}  # fmt: skip
META_1 = {"name": "Embedded body", "version": "1", "authors": ["pymafx-live"],
          "licenseUrl": "https://vrm.dev/licenses/1.0/",
          "otherLicenseUrl": "https://creativecommons.org/publicdomain/zero/1.0/"}  # fmt: skip
PRESETS_0 = (
    "neutral", "a", "i", "u", "e", "o", "blink", "joy", "angry", "sorrow", "fun", "lookup", "lookdown", "lookleft",
    "lookright", "blink_l", "blink_r",
)  # fmt: skip
PRESETS_1 = (
    "neutral", "aa", "ih", "ou", "ee", "oh", "blink", "happy", "angry", "sad", "relaxed", "surprised", "lookUp",
    "lookDown", "lookLeft", "lookRight", "blinkLeft", "blinkRight",
)  # fmt: skip
OPEN, LEFT, RIGHT = "aa a jawOpen JawOpen", "blinkLeft blink_l eyeBlinkLeft", "blinkRight blink_r eyeBlinkRight"


class Buffer:
    """The binary part of a glTF file, and what says where things are in it."""

    def __init__(self):
        self.data, self.views, self.accessors = bytearray(), [], []

    def add(self, array, kind, target=None):
        """The number of an accessor to an array (N, ...)."""
        array = np.ascontiguousarray(array)
        component = {"float32": 5126, "uint8": 5121, "uint32": 5125}[array.dtype.name]
        self.data += b"\0" * (-len(self.data) % 4)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": array.nbytes}
        self.views.append(view | ({"target": target} if target else {}))
        self.data += array.tobytes()
        accessor = {"bufferView": len(self.views) - 1, "componentType": component, "count": len(array), "type": kind}
        if kind == "VEC3":
            accessor |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def rest_rotations(seed):
    """Rotations at rest (55,), as a modelling program leaves them: bones along their own y, or anyhow."""
    if seed is None:
        return [Rotation.identity()] * 55
    return list(Rotation.random(55, random_state=seed))


def make(path, version=1, scale=1.0, without=(), twisted=None, arkit=""):
    """Writes an avatar `scale` times as large as the embedded body.

    `without` are bones of Unity's names that it does not call its own, `twisted` seeds rotations that its bones have at
    rest (VRM 1.0 only), `arkit` adds ARKit's expressions, `lower` or `upper` camel case.
    """
    body, buffer = BodyModel.embedded(), Buffer()
    turn = np.diag([-1.0, 1.0, -1.0]) if version == 0 else np.eye(3)  # VRM 0.x faces -z
    floor = np.array([0, -body.v_template[:, 1].min(), 0])
    joints = (body.rest_joints + floor) * scale @ turn.T
    world = rest_rotations(twisted)
    base = Rotation.from_euler("xyz", [-90, 0, 30], degrees=True) if twisted is not None else Rotation.identity()
    shift = np.array([0.1, 0.2, 0.3]) if twisted is not None else np.zeros(3)
    nodes = [{"name": "Root", "children": [1], "rotation": base.as_quat().tolist(), "translation": shift.tolist()}]
    for j, name in enumerate(JOINT_NAMES):
        above = (base, shift) if PARENTS[j] < 0 else (world[PARENTS[j]], joints[PARENTS[j]])
        nodes.append({
            "name": name, "translation": above[0].inv().apply(joints[j] - above[1]).tolist(),
            "rotation": (above[0].inv() * world[j]).as_quat().tolist(),
        })  # fmt: skip
        if PARENTS[j] >= 0:
            nodes[PARENTS[j] + 1].setdefault("children", []).append(j + 1)
    bind = np.tile(np.eye(4, dtype=np.float32), (55, 1, 1))
    for j in range(55):
        bind[j, :3, :3] = world[j].inv().as_matrix()
        bind[j, :3, 3] = -world[j].inv().apply(joints[j])
    vertices = (body.v_template + floor) * scale @ turn.T
    attributes, targets = _mesh(buffer, body, vertices, scale, turn)
    skin = buffer.add(bind.transpose(0, 2, 1).reshape(55, 16), "MAT4")
    faces = buffer.add(body.faces.astype(np.uint32).ravel(), "SCALAR", 34963)
    nodes.append({"name": "Body", "mesh": 0, "skin": 0})
    humans = {bone: JOINT[ours] + 1 for bone, ours in BONES.items() if bone not in without}
    extension = _vrm_0(humans, arkit) if version == 0 else _vrm_1(humans, arkit, len(nodes) - 1)
    content = {
        "asset": {"version": "2.0", "generator": "pymafx-live tests"}, "scene": 0,
        "scenes": [{"nodes": [0, len(nodes) - 1]}], "nodes": nodes,
        "meshes": [{"primitives": [{"attributes": attributes, "indices": faces, "material": 0, "targets": targets}],
                    "weights": [0.0] * len(targets)}],
        "skins": [{"inverseBindMatrices": skin, "joints": list(range(1, 56)), "skeleton": 1}],
        "materials": [{"name": "Skin", "pbrMetallicRoughness": {"baseColorFactor": [0.8, 0.62, 0.52, 1],
                                                               "metallicFactor": 0}}],
        "accessors": buffer.accessors, "bufferViews": buffer.views, "buffers": [{"byteLength": len(buffer.data)}],
        "extensionsUsed": list(extension), "extensions": extension,
    }  # fmt: skip
    write(path, content, bytes(buffer.data))
    return joints


def write(path, content, data=b""):
    """Writes a binary glTF file."""
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 4)
    data += b"\0" * (-len(data) % 4)
    chunks = struct.pack("<2I", len(text), 0x4E4F534A) + text + struct.pack("<2I", len(data), 0x004E4942) + data
    Path(path).write_bytes(struct.pack("<4s2I", b"glTF", 2, 12 + len(chunks)) + chunks)


def _mesh(buffer, body, vertices, scale, turn):
    """The mesh's attributes, and targets that open the mouth and close the eyes."""
    a, b, c = (vertices[body.faces[:, k]] for k in range(3))
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, body.faces[:, k], np.cross(b - a, c - a))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    weights = body.skin_weights[:, :4] / body.skin_weights[:, :4].sum(1, keepdims=True)
    attributes = {
        "POSITION": buffer.add(vertices.astype(np.float32), "VEC3", 34962),
        "NORMAL": buffer.add(normals.astype(np.float32), "VEC3", 34962),
        "JOINTS_0": buffer.add(np.where(weights > 0, body.skin_joints[:, :4], 0).astype(np.uint8), "VEC4", 34962),
        "WEIGHTS_0": buffer.add(weights.astype(np.float32), "VEC4", 34962),
    }
    targets, eyes = [], body.rest_joints[[JOINT["left_eye"], JOINT["right_eye"]]]
    chin = body.rest_joints[JOINT["jaw"]] + [0, -0.06, 0.05]
    for centre, radius, way in ((chin, 0.05, -0.03), (eyes[0], 0.03, -0.01), (eyes[1], 0.03, -0.01)):
        near = np.exp(-((body.v_template - centre) ** 2).sum(1) / radius**2)
        moved = near[:, None] * np.array([0, way, 0]) * scale @ turn.T
        targets.append({"POSITION": buffer.add(moved.astype(np.float32), "VEC3", 34962)})
    return attributes, targets


def _expressions(names, arkit):
    from pymafx_live.core.names import BLENDSHAPES

    shapes = [n[:1].upper() + n[1:] if arkit == "upper" else n for n in BLENDSHAPES[1:]] if arkit else []
    targets = {name: k for k, group in enumerate((OPEN, LEFT, RIGHT)) for name in group.split()}
    return {name: [targets[key]] if (key := name) in targets else [] for name in (*names, *shapes)}


def _vrm_0(humans, arkit):
    groups = [
        {"name": name.capitalize(), "presetName": name if name in PRESETS_0 else "unknown", "isBinary": False,
         "binds": [{"mesh": 0, "index": k, "weight": 100} for k in binds], "materialValues": []}
        for name, binds in _expressions(PRESETS_0, arkit).items()
    ]  # fmt: skip
    for group, name in zip(groups, _expressions(PRESETS_0, arkit), strict=True):
        group["name"] = name if group["presetName"] == "unknown" else group["name"]
    named = {bone[:1].lower() + bone[1:]: node for bone, node in humans.items()}
    return {"VRM": {
        "exporterVersion": "pymafx-live", "specVersion": "0.0", "meta": META_0,
        "humanoid": {"humanBones": [{"bone": b, "node": n, "useDefaultValues": True} for b, n in named.items()]},
        "firstPerson": {"firstPersonBone": humans["Head"], "lookAtTypeName": "Bone"},
        "blendShapeMaster": {"blendShapeGroups": groups},
        "secondaryAnimation": {"boneGroups": [], "colliderGroups": []},
        "materialProperties": [{"name": "Skin", "shader": "VRM_USE_GLTFSHADER"}],
    }}  # fmt: skip


def _vrm_1(humans, arkit, mesh):
    thumbs = {"ThumbProximal": "ThumbMetacarpal", "ThumbIntermediate": "ThumbProximal"}
    named = {}
    for bone, node in humans.items():
        part = next((old for old in thumbs if bone.endswith(old)), None)
        name = bone.removesuffix(part) + thumbs[part] if part else bone
        named[name[:1].lower() + name[1:]] = {"node": node}
    made = {
        name: {"morphTargetBinds": [{"node": mesh, "index": k, "weight": 1.0} for k in binds]}
        for name, binds in _expressions(PRESETS_1, arkit).items()
    }
    return {"VRMC_vrm": {
        "specVersion": "1.0", "meta": META_1, "humanoid": {"humanBones": named},
        "expressions": {"preset": {n: e for n, e in made.items() if n in PRESETS_1},
                        "custom": {n: e for n, e in made.items() if n not in PRESETS_1}},
    }}  # fmt: skip


if __name__ == "__main__":
    make(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
