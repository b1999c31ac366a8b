"""What a pose says of joints, against poses that are written in anatomical angles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.bench.mannequin.anatomy import FINGERS, Figure
from pymafx_live.core.names import JOINTS
from pymafx_live.core.posture import FACING
from pymafx_live.core.types import Person, TrackState, pose_parameters
from pymafx_live.engines.body.model import BodyModel
from scipy.spatial.transform import Rotation

BODY = BodyModel.embedded()


def person(pose: np.ndarray, upright: bool = True) -> Person:
    """A person with a pose (55, 3), which the camera sees from the front if it is `upright` in its own axes."""
    if upright:
        pose = pose.copy()
        pose[0] = (Rotation.from_matrix(FACING) * Rotation.from_rotvec(pose[0])).as_rotvec()
    return Person(
        1, TrackState.TRACKED, np.zeros(4, np.float32), 1.0, "t", {}, **pose_parameters(pose.astype(np.float32))
    )


def figure() -> Figure:
    return Figure(1, BODY.rest_joints)


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_rotations_are_those_of_the_skinned_body(seed):
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 0.6, (55, 3))
    somebody = person(pose, upright=False)
    _, expected = BODY.joints(pose, np.zeros(3))
    for joint in ("pelvis", "head", "left_wrist", "right_index3"):
        np.testing.assert_allclose(somebody.global_rotation(joint), expected[0, JOINTS.index(joint)], atol=1e-5)
        local = Rotation.from_rotvec(somebody.full_pose[JOINTS.index(joint)]).as_matrix()
        np.testing.assert_allclose(somebody.rotation(joint), local, atol=1e-6)


def test_who_faces_the_camera_faces_nowhere_else():
    np.testing.assert_allclose(person(figure().pose[0]).facing(), 0, atol=1e-6)


ANGLE = st.floats(-1.2, 1.2)


@settings(deadline=None)
@given(ANGLE, ANGLE, ANGLE, st.floats(-3, 3))
def test_facing_is_what_was_turned(yaw, pitch, roll, heading):
    """All of it in the neck, of somebody who stands with another heading."""
    made = figure()
    made.root(heading)
    made.set_rotation("neck", Rotation.from_euler("YXZ", [yaw, pitch, roll]))
    somebody = person(made.pose[0])
    told = np.array(somebody.facing("head"))
    np.testing.assert_allclose(np.cos(told - [yaw + heading, pitch, roll]), 1, atol=1e-6)
    np.testing.assert_allclose(somebody.facing("pelvis"), [heading, 0, 0], atol=1e-5)


def test_the_signs_of_facing_are_those_of_the_mannequin():
    for key, place in (("turn", 0), ("nod", 1), ("tilt", 2)):
        made = figure()
        made.head(**{key: 0.5})
        expected = np.zeros(3)
        expected[place] = 0.5
        np.testing.assert_allclose(person(made.pose[0]).facing("head"), expected, atol=1e-6)
    made = figure()
    made.head(turn=0.5)
    forward = person(made.pose[0]).global_rotation("head")[:, 2]
    assert forward[0] > 0, "the person's left is at the picture's right"


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.floats(0, 1), st.floats(-0.15, 0.15))
def test_curls_are_how_far_the_mannequin_closed_its_fingers(curl, thumb, spread):
    for side in ("left", "right"):
        made = figure()
        made.hand(side, np.array(curl)[:, None], spread, thumb)
        somebody = person(made.pose[0])
        told, other = somebody.curls(side), somebody.curls("right" if side == "left" else "left")
        np.testing.assert_allclose([told[finger] for finger in FINGERS], curl, atol=0.06)
        assert told["thumb"] == pytest.approx(thumb, abs=0.01)
        assert not any(other.values())


def test_fingers_that_are_bent_back_are_not_curled():
    made = figure()
    made.hand("left", -0.2)
    assert set(person(made.pose[0]).curls("left").values()) == {0.0}


def test_a_joint_that_there_is_not():
    somebody = person(figure().pose[0])
    with pytest.raises(ValueError, match=r"there is no joint 'hed': .*names\.JOINTS"):
        somebody.rotation("hed")
    with pytest.raises(ValueError, match="a hand is left or right, not 'both'"):
        somebody.curls("both")
