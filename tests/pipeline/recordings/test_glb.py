"""glTF files as three.js, the Khronos validator and pygltflib read them."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pymafx_live.core.skeleton import JOINT, JOINT_NAMES
from pymafx_live.core.types import SourceEvent
from pymafx_live.core.world import World
from pymafx_live.pipeline.recordings.glb import Glb, add_skeleton
from pymafx_live.pipeline.recordings.gltf import Gltf
from pymafx_live.pipeline.recordings.motion import motions
from pymafx_live.pipeline.recordings.vrma import HUMANOID, PRESETS, Vrma
from scipy.spatial.transform import Rotation
from support.npm import installed
from support.people import BODY
from support.recordings import recorded

TENTH = 1e-4
PLAYER = Path(__file__).parents[2] / "support" / "gltf_player.mjs"
PACKAGES = ("three@0.180", "@pixiv/three-vrm@3", "@pixiv/three-vrm-animation@3", "gltf-validator@2.0.0-dev.3.10")


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Runs the player; gives what it prints."""
    folder = installed(tmp_path_factory.mktemp("three"), PACKAGES)
    shutil.copy(PLAYER, folder)

    def run(*arguments):
        command = ["node", PLAYER.name, *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture
def items():
    """Two people before a camera that looks down, of whom the second comes later."""
    world = World.tilted(-0.2, 0.0, 1.4)
    made = []
    for item in recorded(30, fps=30):
        if isinstance(item, SourceEvent):
            made.append(item)
        else:
            people = item[0].people[:1] if item[0].sequence < 10 else item[0].people
            made.append((replace(item[0], people=people, world=world), None))
    return made


@pytest.mark.slow
def test_the_validator_has_nothing_to_say(played, items, tmp_path):
    files = Glb().write(items, tmp_path / "out.glb", lambda file: file)
    (issues,) = played("validate", *files)
    assert [issues[f"num{kind}"] for kind in ("Errors", "Warnings", "Infos", "Hints")] == [0, 0, 0, 0], issues
    files = Vrma().write(items, tmp_path / "out.vrma", lambda file: file)
    for issues in played("validate", *files):  # it does not know the extension, and finds nodes that nothing draws
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues
        assert {message["code"] for message in issues["messages"]} <= {"UNSUPPORTED_EXTENSION", "NODE_EMPTY"}


@pytest.mark.slow
def test_three_js_shows_everybody_where_they_are(played, items, tmp_path):
    made = motions(items)
    (file,) = Glb().write(items, tmp_path / "out.glb", lambda file: file)
    frames = (0, 7, 15, 28)
    for frame, people in zip(frames, played("play", file, *(f / 30 for f in frames)), strict=True):
        assert [person["name"] for person in people] == ["cam_body_1", "cam_body_2"]
        for motion, person in zip(made, people, strict=True):
            number = frame - round(motion.start * 30)
            assert person["scale"] == (number >= 0)
            if number >= 0:
                np.testing.assert_allclose(person["joints"], motion.joints[number], atol=TENTH)


@pytest.mark.slow
def test_three_js_bends_the_flesh_as_the_body_does(played, tmp_path):
    """Of the embedded body's own proportions, whose mesh is posed here as everywhere."""
    items = [item for item in recorded(5, ids=(1,), fps=30) if not isinstance(item, SourceEvent)]
    results = []
    for result, _ in items:
        (person,) = result.people
        joints, _ = BODY.joints(person.full_pose[None], person.transl[None])
        plain = replace(person, joints=joints[0].astype(np.float32), extra={"bones": np.ones(55, np.float32)})
        results.append((replace(result, people=(plain,)), None))
    (file,) = Glb().write(results, tmp_path / "out.glb", lambda file: file)
    ((person,),) = played("play", file, 3 / 30)
    (ours,) = (p.in_world(results[3][0]) for p in results[3][0].people)
    vertices = BODY.vertices(ours.full_pose[None], ours.transl[None])[0, ::97]
    np.testing.assert_allclose(person["vertices"], vertices, atol=TENTH)


@pytest.mark.slow
def test_a_vrm_model_plays_it(played, items, tmp_path):
    """A model whose bones are those of the motion stands as the motion does; its face follows."""
    files = Vrma().write(items, tmp_path / "out.vrma", lambda file: file)
    for motion, file in zip(motions(items), files, strict=True):
        height = 0.0807 - motion.rest[[JOINT["left_ankle"], JOINT["right_ankle"]], 1].min()
        avatar = tmp_path / "avatar.vrm"
        _avatar(motion, height).save(avatar, "none")
        frames = (0, 3, len(motion) - 2)  # at its end it begins again
        for frame, shown in zip(frames, played("vrm", avatar, file, *(f / motion.rate for f in frames)), strict=True):
            for bone, place in shown["bones"].items():
                np.testing.assert_allclose(place, motion.joints[frame, JOINT[HUMANOID[bone]]], atol=TENTH, err_msg=bone)
            assert shown["expressions"]["aa"] == pytest.approx(motion.face[frame, 25], abs=1e-5)
            assert shown["expressions"]["mouthSmileLeft"] == pytest.approx(motion.face[frame, 44], abs=1e-5)


def _avatar(motion, height):
    """A VRM 1.0 model of the motion's bones, that shows nothing."""
    gltf = Gltf()
    times = gltf.array(np.zeros(1, np.float32), bounds=True)
    joints = add_skeleton(gltf, replace(motion, turns=motion.turns[:1], pelvis=motion.pelvis[:1]), height, times)
    gltf.content["extensionsUsed"] = ["VRMC_vrm"]
    gltf.content["extensions"] = {"VRMC_vrm": {
        "specVersion": "1.0", "meta": {"name": "x", "authors": ["x"], "licenseUrl": "https://vrm.dev/licenses/1.0/"},
        "humanoid": {"humanBones": {bone: {"node": joints[JOINT[joint]]} for bone, joint in HUMANOID.items()}},
        "expressions": {"preset": {name: {} for name in PRESETS}, "custom": {"mouthSmileLeft": {}}},
    }}  # fmt: skip
    return gltf


def test_pygltflib_finds_every_joint_where_it_is(items, tmp_path):
    pygltflib = pytest.importorskip("pygltflib", reason="pygltflib, of the extra readers, is not installed")
    (file,) = Glb().write(items, tmp_path / "out.glb", lambda file: file)
    gltf = pygltflib.GLTF2().load(str(file))
    blob = gltf.binary_blob()

    def values(number):
        accessor = gltf.accessors[number]
        start = gltf.bufferViews[accessor.bufferView].byteOffset
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor.type]
        return np.frombuffer(blob, np.float32, accessor.count * width, start).reshape(accessor.count, width)

    (animation,) = gltf.animations
    output = {(c.target.node, c.target.path): animation.samplers[c.sampler] for c in animation.channels}
    parents = {child: k for k, node in enumerate(gltf.nodes) for child in node.children or ()}
    for motion, skin in zip(motions(items), gltf.skins, strict=True):
        assert [gltf.nodes[k].name for k in skin.joints] == list(JOINT_NAMES)
        times = values(output[skin.joints[0], "rotation"].input)[:, 0]
        np.testing.assert_allclose(times, motion.times, atol=1e-6)
        for frame in (0, len(motion) // 2, len(motion) - 1):
            turned, placed = {}, {}
            for node in skin.joints:
                local = Rotation.from_quat(values(output[node, "rotation"].output)[frame])
                step = values(output[node, "translation"].output)[frame] if (node, "translation") in output else (
                    gltf.nodes[node].translation)  # fmt: skip
                parent = parents[node] if parents[node] in turned else None
                turned[node] = local if parent is None else turned[parent] * local
                placed[node] = np.array(step) if parent is None else placed[parent] + turned[parent].apply(step)
            np.testing.assert_allclose([placed[k] for k in skin.joints], motion.joints[frame], atol=TENTH)
