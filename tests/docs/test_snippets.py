"""What the pages paste works: Python and JavaScript against a publisher, and the rules of docs/avatars.md."""

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core.names import JOINTS
from pymafx_live.core.posture import FACING
from pymafx_live.core.skeleton import MIRROR
from pymafx_live.core.types import Person, TrackState, pose_parameters
from pymafx_live.engines.body.model import BodyModel
from scipy.spatial.transform import Rotation
from support.npm import javascript_folder
from support.vectors import content, message

ROOT = Path(__file__).parents[2]
BODY = BodyModel.embedded()


def snippets(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def address() -> Iterator[str]:
    """Publishes the vector `tracked` ever again."""
    over = threading.Event()
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")

        def publish() -> None:
            while not over.wait(0.02):
                socket.send(message("tracked"))

        thread = threading.Thread(target=publish)
        thread.start()
        yield f"tcp://127.0.0.1:{port}"
        over.set()
        thread.join()
        socket.close(0)


def first_line(command: list[str], cwd: Path) -> str:
    """What a program says first; it is killed then."""
    with subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        process.kill()
        assert line, process.stderr.read()
    return line


@pytest.mark.parametrize("page", ["docs/wire-protocol.md", "docs/avatars.md", "README.md"])
def test_the_python_of_the_pages_prints_people(page, address, tmp_path):
    (code,) = snippets(page, "python")
    (tmp_path / "read.py").write_text(code.replace("tcp://127.0.0.1:5555", address), encoding="utf-8")
    line = first_line([sys.executable, "-u", "read.py"], tmp_path)
    (person,) = content("tracked")["people"]
    if page == "docs/avatars.md":
        assert line.startswith("yaw, pitch, roll (")
    else:
        assert line.startswith(f"{person['id']} [")


@pytest.mark.slow
def test_the_javascript_of_the_page_prints_people(address, tmp_path):
    folder = javascript_folder(tmp_path)
    (code,) = snippets("docs/wire-protocol.md", "js")
    (folder / "read.mjs").write_text(code.replace("tcp://127.0.0.1:5555", address), encoding="utf-8")
    (folder / "package.json").unlink()  # a .mjs needs none
    number, *pelvis = re.findall(r"-?\d+(?:\.\d+)?", first_line([shutil.which("node"), "read.mjs"], folder))
    (person,) = content("tracked")["people"]
    assert (int(number), [float(value) for value in pelvis]) == (person["id"], pytest.approx(person["pelvis"]))


SEED = st.integers(0, 2**32)


def posed(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.6, (55, 3))


def somebody(pose: np.ndarray) -> Person:
    return Person(
        1, TrackState.TRACKED, np.zeros(4, np.float32), 1.0, "t", {}, **pose_parameters(pose.astype(np.float32))
    )


@settings(deadline=None, max_examples=20)
@given(SEED)
def test_a_mirrored_person_is_the_picture_in_a_mirror(seed):
    pose, place = posed(seed), np.array([0.4, -0.2, 3.0])
    mirrored = (pose * (1, -1, -1))[MIRROR]
    joints, _ = BODY.joints(pose, place - BODY.rest_joints[0])
    other, _ = BODY.joints(mirrored, place * (-1, 1, 1) - BODY.rest_joints[0])
    np.testing.assert_allclose(other[0], joints[0][MIRROR] * (-1, 1, 1), atol=1e-5)
    yaw, pitch, roll = somebody(pose).facing("head")
    np.testing.assert_allclose(
        np.cos(np.subtract(somebody(mirrored).facing("head"), (-yaw, pitch, -roll))), 1, atol=1e-5
    )
    assert somebody(mirrored).curls("left") == pytest.approx(somebody(pose).curls("right"), abs=1e-6)


def chained(local: np.ndarray, rest: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Joints of local rotation matrices (55, 3, 3), the first a global one, about a rest skeleton in the same axes."""
    from pymafx_live.core.skeleton import PARENTS

    G, T = [local[0]], [root]
    for j in range(1, 55):
        G.append(G[PARENTS[j]] @ local[j])
        T.append(T[PARENTS[j]] + G[PARENTS[j]] @ (rest[j] - rest[PARENTS[j]]))
    return np.array(T)


@settings(deadline=None, max_examples=20)
@given(SEED)
def test_the_axes_of_other_programs_are_right(seed):
    """Their own kinematics, with what the page makes of our rotations, put the joints where the page says."""
    pose, rest, place = posed(seed), BODY.rest_joints.astype(float), np.array([0.4, -0.2, 3.0])
    joints = BODY.joints(pose, place - rest[0])[0][0]
    local = Rotation.from_rotvec(pose).as_matrix()

    gltf = np.concatenate([(FACING @ local[0])[None], local[1:]])
    np.testing.assert_allclose(chained(gltf, rest, place * (1, -1, -1)), joints * (1, -1, -1), atol=1e-5)

    unity = Rotation.from_rotvec(pose * (1, -1, -1)).as_matrix()
    unity[0] = np.diag([1, -1, 1]) @ local[0] @ np.diag([-1, 1, 1])
    np.testing.assert_allclose(chained(unity, rest * (-1, 1, 1), place * (1, -1, 1)), joints * (1, -1, 1), atol=1e-5)


def test_the_bones_of_the_page_are_joints():
    rows = re.findall(
        r"^\| (\w+) \| \w+ \| (\w+) \| \w+ \|$", (ROOT / "docs/avatars.md").read_text("utf-8"), re.MULTILINE
    )
    assert {name for row in rows[1:] for name in row} <= set(JOINTS)
    assert len(rows) == 10
