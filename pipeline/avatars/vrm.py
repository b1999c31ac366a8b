"""Reads what a VRM avatar looks like at rest: its bones and the names of its expressions.

VRM 0.x: https://github.com/vrm-c/vrm-specification/tree/master/specification/0.0, a model that faces -z.
VRM 1.0: https://github.com/vrm-c/vrm-specification/tree/master/specification/VRMC_vrm-1.0, one that faces +z.
Both are a glTF 2.0 in one binary file: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#glb-file-format-specification
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymafx_live.core import quaternions
from pymafx_live.core.arrays import Reals
from pymafx_live.core.errors import AssetError, first_line
from pymafx_live.core.text import LONGEST, quiet
from pymafx_live.pipeline.avatars.humanoid import BONES, Rig, chains

MOST_JSON = 64 * 2**20
"""Bytes of the part that describes the avatar; pictures and meshes are not in it, and not read."""
MOST_NODES = 20_000
_JSON = 0x4E4F534A
_HALF_TURN = np.diag([-1.0, 1.0, -1.0, 1.0])
"""About y, from where VRM 0.x looks to where VRM 1.0 does, and SMPL-X."""
_THUMBS = {"ThumbMetacarpal": "ThumbProximal", "ThumbProximal": "ThumbIntermediate"}
"""What VRM 1.0 calls two bones of the thumb, and Unity."""


@dataclass(frozen=True, slots=True, eq=False)
class Avatar:
    """An avatar: its bones, its expressions as they are called in it, and which VRM it is, 0 or 1."""

    rig: Rig
    expressions: Sequence[str]
    version: int


def read_avatar(path: Path) -> Avatar:
    """The avatar in a .vrm file.

    Raises:
        AssetError: it cannot be read, is none, or lacks what an avatar needs.
    """
    try:
        content = _description(path)
        for name, read in (("VRMC_vrm", _version_1), ("VRM", _version_0)):
            if name in content.get("extensions", {}):
                return read(content, content["extensions"][name])
    except OSError as error:
        raise AssetError(f"cannot read the avatar {path} ({error.strerror}): give another --vmc-avatar") from error
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        raise _refusal(path, f"it is damaged ({type(error).__name__}: {quiet(first_line(error), LONGEST)})") from error
    raise _refusal(path, "it is a glTF file without VRM's part")


def _version_1(content: Mapping[str, Any], vrm: Mapping[str, Any]) -> Avatar:
    nodes = {_unity(name, 1): bone["node"] for name, bone in vrm["humanoid"]["humanBones"].items()}
    named = vrm.get("expressions", {})
    return Avatar(_rig(content, nodes, np.eye(4)), [*named.get("preset", {}), *named.get("custom", {})], 1)


def _version_0(content: Mapping[str, Any], vrm: Mapping[str, Any]) -> Avatar:
    nodes = {_unity(bone["bone"], 0): bone["node"] for bone in vrm["humanoid"]["humanBones"]}
    groups = vrm.get("blendShapeMaster", {}).get("blendShapeGroups", [])
    names = [str(g["name"] if g.get("presetName", "unknown") in ("", "unknown") else g["presetName"]) for g in groups]
    return Avatar(_rig(content, nodes, _HALF_TURN), names, 0)


def _refusal(path: Path, why: str) -> AssetError:
    return AssetError(f"{path} is no VRM avatar: {why}; give a .vrm file of version 0.x or 1.0")


def _description(path: Path) -> dict[str, Any]:
    """The JSON part of a binary glTF file."""
    with path.open("rb") as file:
        start = file.read(20)
        if len(start) < 20 or start[:4] != b"glTF":
            raise _refusal(path, "it is no binary glTF file")
        version, _, length, kind = struct.unpack("<4I", start[4:])
        if version != 2 or kind != _JSON or length > MOST_JSON:
            raise _refusal(path, f"its header is none of glTF 2.0 (version {version}, {length} bytes of description)")
        data = file.read(length)
    if len(data) < length:
        raise _refusal(path, "it is cut short")
    content = json.loads(data.decode("utf-8"))
    if not isinstance(content, dict):
        raise _refusal(path, "its description is no object")
    return content


def _unity(name: str, version: int) -> str:
    """What Unity calls a bone of VRM's."""
    name = name[:1].upper() + name[1:]
    for theirs, ours in _THUMBS.items() if version else ():
        if name.endswith(theirs):
            return name.removesuffix(theirs) + ours
    return name


def _rig(content: Mapping[str, Any], nodes: Mapping[str, int], turn: Reals) -> Rig:
    """The rig of bones (Unity's names) that are these nodes, in axes that `turn` (4, 4) takes those of the file to."""
    if "Hips" not in nodes:
        raise ValueError("it has no hips")
    parents = _parents(content["nodes"])
    placed = [_local(node) for node in content["nodes"]]
    local = [turn @ M @ turn for M, _ in placed]
    spin = quaternions.from_matrices(turn[:3, :3])
    turns = [quaternions.multiply(quaternions.multiply(spin, q), quaternions.inverse(spin)) for _, q in placed]
    names = [name for name in BONES if name in nodes]
    lines = [_ancestry(nodes[name], parents) for name in names]
    whole = [_product([turns[j] for j in line]) for line in lines]
    hung = [_product([turns[j] for j in line[:-1]]) for line in lines]
    base = np.eye(4)
    for j in lines[names.index("Hips")][:-1]:
        base = base @ local[j]
    height = float((base @ local[nodes["Hips"]])[1, 3])
    if not height > 0.01:
        raise ValueError(f"its hips are {height:.2f} m above the floor")
    places = np.array([local[line[-1]][:3, 3] for line in lines])
    return Rig(names, chains(names), places, np.array(hung), np.array(whole), np.linalg.inv(base), height)


def _parents(nodes: Sequence[Mapping[str, Any]]) -> list[int]:
    """The parent of each node, -1 of those that have none."""
    if len(nodes) > MOST_NODES:
        raise ValueError(f"it has {len(nodes)} nodes, and {MOST_NODES} at most are read")
    out = [-1] * len(nodes)
    for parent, node in enumerate(nodes):
        for child in node.get("children", []):
            if not 0 <= child < len(nodes) or out[child] >= 0:
                raise ValueError(f"its node {child} hangs on two others, or is not there")
            out[child] = parent
    return out


def _ancestry(node: int, parents: Sequence[int]) -> list[int]:
    """A node and all that it hangs on, the topmost first."""
    if not 0 <= node < len(parents):
        raise ValueError(f"its node {node} is not there")
    out = [node]
    while (node := parents[node]) >= 0:
        out.insert(0, node)
        if len(out) > len(parents):
            raise ValueError("its nodes hang on each other in a circle")
    return out


def _local(node: Mapping[str, Any]) -> tuple[Reals, Reals]:
    """A node's matrix (4, 4) and its rotation (4,)."""
    if "matrix" in node:
        M = np.array(node["matrix"], np.float64).reshape(4, 4).T
        turn = quaternions.from_matrices(M[:3, :3] / np.linalg.norm(M[:3, :3], axis=0))
    else:
        turn = np.array(node.get("rotation", quaternions.IDENTITY), np.float64).reshape(4)
        turn = turn / np.linalg.norm(turn)
        M = np.eye(4)
        scale = np.array(node.get("scale", (1, 1, 1)), np.float64).reshape(3)
        M[:3, :3] = quaternions.to_matrices(turn) * scale
        M[:3, 3] = np.array(node.get("translation", (0, 0, 0)), np.float64).reshape(3)
    if not (np.isfinite(M).all() and np.isfinite(turn).all()):
        raise ValueError("one of its numbers is none")
    return M, turn


def _product(turns: Sequence[Reals]) -> Reals:
    """The rotation (4,) of a line of nodes, the topmost first."""
    out = quaternions.IDENTITY
    for turn in turns:
        out = quaternions.multiply(out, turn)
    return np.asarray(out)
