"""Joints as a reader of docs/skeleton.md works them out, with nothing of ours but the JSON file that ships."""

import json
import math
import re
from importlib import resources
from pathlib import Path

import msgpack
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core.types import Camera, Frame, FrameResult, Origin, Part, Person, TrackState, pose_parameters
from pymafx_live.core.wire import encode
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.pipeline.smoothing import Smoother

PAGE = (Path(__file__).parents[2] / "docs" / "skeleton.md").read_text(encoding="utf-8")
SKELETON = json.loads((resources.files("pymafx_live.engines.data") / "skeleton.json").read_text(encoding="utf-8"))
CAMERA = Camera(640, 480, 554.25, 554.25, 319.5, 239.5)


def rodrigues(v):
    angle = math.sqrt(sum(c * c for c in v))
    if angle < 1e-9:
        return [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    x, y, z = (c / angle for c in v)
    c, s = math.cos(angle), math.sin(angle)
    return [
        [c + x * x * (1 - c), x * y * (1 - c) - z * s, x * z * (1 - c) + y * s],
        [y * x * (1 - c) + z * s, c + y * y * (1 - c), y * z * (1 - c) - x * s],
        [z * x * (1 - c) - y * s, z * y * (1 - c) + x * s, c + z * z * (1 - c)],
    ]


def times(a, b):
    return [[sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def turned(a, v):
    return [sum(a[i][k] * v[k] for k in range(3)) for i in range(3)]


def by_the_page(person):
    """Joints (55) and their rotations, of a person of a message that was unpacked."""
    G, T = [], []
    bones = person["extra"].get("bones", [1.0] * 55)
    for joint in SKELETON["joints"]:
        row = joint["row"]
        R = rodrigues(person[joint["parameter"]][3 * row : 3 * row + 3])
        p = joint["parent"]
        if p < 0:
            G.append(R)
            T.append(person["pelvis"])
            continue
        bone = [a - b for a, b in zip(joint["rest"], SKELETON["joints"][p]["rest"], strict=True)]
        step = turned(G[p], bone)
        T.append([a + bones[joint["index"]] * b for a, b in zip(T[p], step, strict=True)])
        G.append(times(G[p], R))
    return T, G


def bent(seed: int, pelvis: np.ndarray, bones: np.ndarray) -> Person:
    """A person whose every joint is turned, by up to half a turn."""
    rng = np.random.default_rng(seed)
    axis = rng.standard_normal((55, 3))
    pose = (axis / np.linalg.norm(axis, axis=1, keepdims=True) * rng.uniform(0, np.pi, (55, 1))).astype(np.float32)
    body = BodyModel.embedded()
    transl = pelvis.astype(np.float32) - body.rest_joints[0]
    joints, _ = body.joints(pose, transl, None, bones)
    return Person(
        1, TrackState.TRACKED, np.zeros(4, np.float32), 1.0, "landmarks", {"transl": Part(1.0, Origin.MEASURED)},
        **pose_parameters(pose), transl=transl, pelvis=joints[0, 0], joints=joints[0], extra={"bones": bones},
    )  # fmt: skip


PLACE = st.tuples(st.floats(-4, 4), st.floats(-2, 2), st.floats(0.3, 12)).map(np.array)
SEED = st.integers(0, 2**32)


@settings(deadline=None, max_examples=30)
@given(SEED, SEED, PLACE, PLACE, st.sampled_from([22, 55]))
def test_joints_are_what_the_page_makes_of_a_message(one, two, here, there, count):
    """Within 0.1 mm, smoothed or not."""
    bones = np.random.default_rng(one).uniform(0.8, 1.25, 55).astype(np.float32)
    smooth = Smoother()
    image = np.zeros((4, 4, 3), np.uint8)
    for k, (seed, place) in enumerate([(one, here), (two, there), (one, here)]):
        frame = Frame(image, "cam", k, k / 25, 0.0, CAMERA)
        people = smooth([bent(seed, place, bones)], frame)
        message = encode(FrameResult("cam", k, "run", frame.time, 1.0, 2.0, CAMERA, people), count)
        (person,) = msgpack.unpackb(message.partition(b"\0")[2])["people"]
        assert len(person["joints"]) == count
        np.testing.assert_allclose(by_the_page(person)[0][:count], person["joints"], atol=1e-4)


def test_the_worked_example_is_right():
    person = {
        "global_orient": [3.1416, 0, 0], "pelvis": [0, 0, 3], "extra": {"bones": [1.0] * 55},
        **{name: [0.0] * 63 for name in {joint["parameter"] for joint in SKELETON["joints"]} - {"global_orient"}},
    }  # fmt: skip
    person["body_pose"][15 * 3 : 15 * 3 + 3] = [0, 0, -1.5708]
    person["body_pose"][17 * 3 : 17 * 3 + 3] = [0, -1.5708, 0]
    person["extra"]["bones"][20] = 1.1
    T, _ = by_the_page(person)
    told = {
        int(joint): [float(number) for number in numbers.split(",")]
        for joint, numbers in re.findall(r"`T\[(\d+)\]`\s+=\s+\((-?\d[^)]*)\)", " ".join(PAGE.split()))
    }
    told[16] = [0.1869, -0.4842, 2.9910]
    assert "= (0.1869, -0.4842, 2.9910)" in " ".join(PAGE.split())
    assert set(told) == {16, 18, 20}
    for joint, place in told.items():
        np.testing.assert_allclose(T[joint], place, atol=1.5e-4, err_msg=str(joint))  # four figures, summed by hand
    upper, fore = (np.subtract(T[b], T[a]) for a, b in ((16, 18), (18, 20)))
    angle = math.degrees(math.acos(upper @ fore / np.linalg.norm(upper) / np.linalg.norm(fore)))
    assert f"there are {angle:.1f} degrees" in " ".join(PAGE.split())
    rest = {joint["name"]: np.array(joint["rest"]) for joint in SKELETON["joints"]}
    upper, fore = rest["left_elbow"] - rest["left_shoulder"], rest["left_wrist"] - rest["left_elbow"]
    angle = math.degrees(math.acos(upper @ fore / np.linalg.norm(upper) / np.linalg.norm(fore)))
    assert f"at rest it is bent by {angle:.1f}" in " ".join(PAGE.split())


FORMULA = re.compile(r"atan2\((-?)M\[(\d)\]\[(\d)\], (-?)M\[(\d)\]\[(\d)\]\)")


@settings(deadline=None)
@given(st.floats(-0.05, 2.6), st.floats(-1.7, 1.7), st.sampled_from(["left", "right"]))
def test_the_pages_formulas_tell_flexion_from_twist(flexion, twist, side):
    """The elbow bends about y, towards the front, and then the forearm turns about itself, thumb down."""
    s = 1 if side == "left" else -1
    M = times(rodrigues([0, -s * flexion, 0]), rodrigues([twist, 0, 0]))
    rows = [line for line in PAGE.splitlines() if FORMULA.search(line)]
    assert len(rows) == 2
    for row, angle in zip(rows, (flexion, twist), strict=True):
        minus, i, j, less, k, n = FORMULA.findall(row)[side == "right"]
        y, x = (-1) ** bool(minus) * M[int(i)][int(j)], (-1) ** bool(less) * M[int(k)][int(n)]
        assert math.isclose(math.atan2(y, x), angle, abs_tol=1e-6)
    forearm = turned(M, [s, 0, 0])
    assert math.isclose(forearm[2], math.sin(flexion), abs_tol=1e-9), "forward"
    thumb = turned(rodrigues([twist, 0, 0]), [0, 0, 1])
    assert thumb[1] * twist <= 0, "down"


def test_the_pages_elbow_that_bends_and_twists():
    M = rodrigues([0.5376, -1.0654, 0.3296])
    flexion, twist = math.degrees(math.atan2(M[2][0], M[0][0])), math.degrees(math.atan2(-M[1][2], M[1][1]))
    length = math.degrees(math.sqrt(0.5376**2 + 1.0654**2 + 0.3296**2))
    text = " ".join(PAGE.split())
    assert f"(0.5376, -1.0654, 0.3296) it is {flexion:.1f} and {twist:.1f}" in text
    assert f"({length:.1f} degrees)" in text
