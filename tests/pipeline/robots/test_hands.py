"""Hands as dex-retargeting takes them, and what it makes of them."""

from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core.skeleton import JOINT, SIDES
from pymafx_live.core.types import Origin, Part
from pymafx_live.pipeline.robots.hands import Hands, points
from pymafx_live.pipeline.robots.pose import pose_of
from pymafx_live.pipeline.robots.safety import Command, State
from scipy.spatial.transform import Rotation
from support.people import BODY
from support.performers import performer, result_of, tilted
from support.shadow_hand import shadow_hand

OPERATOR2MANO = {
    "right": np.array([[0, 0, -1], [-1, 0, 0], [0, 1, 0]]), "left": np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]]),
}  # fmt: skip
"""Of its `constants.py`."""
SEED = st.integers(0, 2**31)


def of(vectors: np.ndarray, **fields: object):
    world = tilted(0.3, 0.2, 1.5)
    person = performer(vectors, world=world, **fields)
    pose = pose_of(person, result_of(person, world=world))
    assert pose is not None
    return pose


def their_frame(hand: np.ndarray) -> np.ndarray:
    """The frame that its `single_hand_detector.py` describes: x from the middle knuckle to the wrist in the plane of
    both and the index knuckle, y normal to it, z across, from the middle to the index knuckle."""
    three = hand[[0, 5, 9]]
    normal = np.linalg.svd(three - three.mean(0))[2][2]
    x = three[0] - three[2]
    x -= (x @ normal) * normal
    x /= np.linalg.norm(x)
    z = np.cross(x, normal)
    sign = 1 if z @ (three[1] - three[2]) > 0 else -1
    return np.stack([x, sign * normal, sign * z], 1)


@settings(deadline=None, max_examples=30)
@given(SEED, st.sampled_from(SIDES))
def test_the_frame_is_the_one_that_it_makes_of_points(seed, side):
    """Whatever the arm does: of our points its own detector's arithmetic makes the same points."""
    hand = points(of(np.random.default_rng(seed).normal(0, 0.4, (55, 3))))[side]
    assert hand.shape == (21, 3)
    np.testing.assert_allclose(hand[0], 0, atol=1e-12)
    np.testing.assert_allclose(hand @ their_frame(hand) @ OPERATOR2MANO[side], hand, atol=1e-9)
    assert hand[9, 2] > 0.08
    np.testing.assert_allclose(hand[9, :2], 0, atol=1e-9)
    assert abs(hand[5, 0]) < 1e-9 and (hand[5, 1] > 0) == (side == "right")


@settings(deadline=None, max_examples=20)
@given(SEED, st.sampled_from(SIDES))
def test_the_points_are_joints_and_tips_of_the_mesh_in_mediapipes_order(seed, side):
    vectors = np.random.default_rng(seed).normal(0, 0.3, (55, 3))
    hand = points(of(vectors))[side]
    joints = BODY.joints(vectors[None], np.zeros((1, 3)))[0][0]
    mesh = BODY.vertices(vectors[None], np.zeros((1, 3)))[0]
    fingers = ("thumb", "index", "middle", "ring", "pinky")
    rows = [JOINT[f"{side}_wrist"], *(JOINT[f"{side}_{finger}{k}"] for finger in fingers for k in (1, 2, 3))]
    joined = [k for k in range(21) if k % 4 or k == 0]
    turn, off = Rotation.align_vectors(hand[joined], joints[rows] - joints[rows[0]])
    assert off < 1e-4
    for k in (4, 8, 12, 16, 20):
        gap = np.linalg.norm(turn.apply(mesh - joints[rows[0]]) - hand[k], axis=1).min()
        assert gap < 1e-4, "a tip is a vertex, however the hand is posed"
        assert 0.015 < np.linalg.norm(hand[k] - hand[k - 1]) < 0.04


def test_the_palm_is_in_front_of_x_and_a_fist_closes_there():
    vectors = np.zeros((55, 3))
    for side in SIDES:
        for finger in ("index", "middle", "ring", "pinky"):
            for k in (1, 2, 3):
                vectors[JOINT[f"{side}_{finger}{k}"]] = 0, 0, -1.2 if side == "left" else 1.2
        hand = points(of(vectors))[side]
        assert (hand[[8, 12, 16, 20], 0] > 0.02).all()
        assert (hand[[8, 12, 16, 20], 2] < hand[[5, 9, 13, 17], 2]).all()


def test_longer_fingers_have_their_tips_farther_out():
    bones = np.ones(55, np.float32)
    bones[25:] = 1.1
    usual, longer = points(of(np.zeros((55, 3))))["left"], points(of(np.zeros((55, 3)), bones=bones))["left"]
    for k in (8, 12, 16, 20):
        ratio = np.linalg.norm(longer[k] - longer[k - 1]) / np.linalg.norm(usual[k] - usual[k - 1])
        assert ratio == pytest.approx(1.1, abs=1e-3)


def test_a_message_says_which_hands_were_seen():
    person = performer(np.zeros((55, 3)))
    parts = dict(person.parts) | {"left_hand": Part(0.0, Origin.HELD)}
    object.__setattr__(person, "parts", parts)
    pose, hands = pose_of(person, result_of(person)), Hands()
    hands.add(Command(State.FOLLOWING, pose, 0.1, ("cam", 1)))
    topic, _, body = hands.message().partition(b"\0")
    content = msgpack.unpackb(body)
    assert topic == b"robot/hands" and content["state"] == "following"
    assert not content["hands"]["left"]["measured"] and content["hands"]["right"]["measured"]
    np.testing.assert_allclose(content["hands"]["right"]["points"], points(pose)["right"])
    hands.add(Command(State.STOPPED, None))
    assert "hands" not in msgpack.unpackb(hands.message().partition(b"\0")[2])


@pytest.mark.parametrize("side", SIDES)
def test_dex_retargeting_closes_a_robots_hand_as_a_person_closes_theirs(side, tmp_path):
    """With its own configuration of the Shadow Hand, on a hand of our own."""
    for module in ("torch", "six", "dex_retargeting"):  # it does not bring the first two
        pytest.importorskip(module, reason="pip install torch six dex-retargeting==0.5.0")
    import dex_retargeting
    from dex_retargeting.retargeting_config import RetargetingConfig

    (tmp_path / "hand.urdf").write_text(shadow_hand(side), encoding="utf-8")
    config = Path(dex_retargeting.__file__).parent / "configs" / "teleop" / f"shadow_hand_{side}.yml"
    override = {"urdf_path": str(tmp_path / "hand.urdf"), "low_pass_alpha": 1.0}
    retargeting = RetargetingConfig.load_from_file(config, override).build()
    human = retargeting.optimizer.target_link_human_indices
    bends = {finger: [retargeting.joint_names.index(f"{finger}_bend{k}") for k in (1, 2, 3)]
             for finger in ("ff", "mf", "rf", "lf")}  # fmt: skip
    angles = []
    for curl in np.linspace(0, 1, 11):
        vectors = np.zeros((55, 3))
        for finger in ("index", "middle", "ring", "pinky"):
            for k, bent in enumerate((1.3, 1.5, 0.9), 1):
                vectors[JOINT[f"{side}_{finger}{k}"]] = 0, 0, curl * (-bent if side == "left" else bent)
        hand = points(of(vectors))[side]
        for _ in range(5):  # each call takes a step
            posed = retargeting.retarget(hand[human[1]] - hand[human[0]])
        angles.append([posed[rows].sum() for rows in bends.values()])
    angles = np.array(angles)
    assert (np.diff(angles, axis=0) > -0.05).all(), "each finger closes steadily"
    assert (angles[0] < 0.6).all(), "an open hand is open"
    assert (angles[-1] > 2.4).all(), "and a fist is one"
