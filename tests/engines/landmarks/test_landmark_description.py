"""The skeleton as other programs read it: the file, the page, the command and the engine agree."""

import json
import subprocess
import sys
from importlib import resources
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from pymafx_live.core.names import JOINTS
from pymafx_live.core.types import PARTS, POSE, Frame, Origin, Scene, Track, TrackState
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.landmarks.description import as_table, as_text, description
from pymafx_live.engines.landmarks.engine import LandmarkEngine
from pymafx_live.pipeline.camera import Lens

ROOT = Path(__file__).parents[3]


def packaged() -> str:
    return (resources.files("pymafx_live.engines.data") / "skeleton.json").read_text(encoding="utf-8")


def test_the_file_and_the_page_are_what_the_body_is() -> None:
    content = description()
    assert packaged() == as_text(content), "python -m pymafx_live.engines.landmarks.description writes it again"
    assert as_table(content) in (ROOT / "docs" / "skeleton.md").read_text(encoding="utf-8")
    assert json.loads(packaged()) == content


def test_the_file_is_the_embedded_body_within_a_micrometre() -> None:
    joints = json.loads(packaged())["joints"]
    assert tuple(joint["name"] for joint in joints) == JOINTS
    rest = np.array([joint["rest"] for joint in joints])
    np.testing.assert_allclose(rest, BodyModel.embedded().rest_joints, atol=1e-6)


def test_every_rotation_is_one_joints_and_belongs_to_one_part() -> None:
    content = json.loads(packaged())
    rows = [(joint["parameter"], joint["row"]) for joint in content["joints"]]
    assert rows == [(name, row) for name, joints in POSE.items() for row in range(joints.stop - joints.start)]
    assert list(content["parts"]) == list(PARTS)
    assert sorted(chain.from_iterable(content["parts"].values())) == sorted(JOINTS)
    assert all(joint["name"] in content["parts"][joint["part"]] for joint in content["joints"])


def test_the_command_prints_the_file() -> None:
    program = Path(sys.executable).with_name("pymafx-live")
    done = subprocess.run([program, "skeleton"], capture_output=True, check=True, encoding="utf-8")
    assert done.stdout == packaged()


def test_what_the_engine_does_not_see_is_relaxed() -> None:
    """A portrait has no legs and no hands: they rest as the file says."""
    image = cv2.imread(str(ROOT / "tests" / "data" / "hopper.jpg"))
    height, width = image.shape[:2]
    frame = Frame(image, "test", 0, 0.0, 0.0, Lens().camera(width, height), cut=True)
    engine = LandmarkEngine()
    box = np.array([0.1 * width, 0.05 * height, 0.95 * width, height], np.float32)
    (person,) = engine.estimate([Scene(frame, [Track(1, TrackState.NEW, box, 0.9)])]).people[0]
    engine.close()
    assert person.parts["left_leg"].origin is Origin.DEFAULT and person.parts["head"].origin is Origin.MEASURED
    resting = [j for j in json.loads(packaged())["joints"] if person.parts[j["part"]].origin is Origin.DEFAULT]
    fingers_and_legs = [j["index"] for j in resting if "wrist" not in j["name"]]
    assert len(fingers_and_legs) >= 38
    relaxed = np.array([j["relaxed"] for j in json.loads(packaged())["joints"]])
    np.testing.assert_allclose(person.full_pose[fingers_and_legs], relaxed[fingers_and_legs], atol=0.02)
