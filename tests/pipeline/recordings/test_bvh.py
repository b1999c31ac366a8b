"""Read by three libraries, whose joints stand where ours do."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymafx_live.core.skeleton import JOINT_NAMES, PARENTS
from pymafx_live.pipeline.recordings.bvh import Bvh, _degrees
from pymafx_live.pipeline.recordings.motion import motions
from scipy.spatial.transform import Rotation
from support.recordings import recorded

TENTH = 1e-4
"""A tenth of a millimetre."""


def reader(name):
    return pytest.importorskip(name, reason=f"{name}, of the extra readers, is not installed")


@pytest.fixture
def written(tmp_path):
    items = recorded(25)
    files = Bvh().write(items, tmp_path / "out.bvh", lambda file: file)
    return list(zip(motions(items), files, strict=True))


def test_bvhio_finds_every_joint_where_it_is(written):
    bvhio = reader("bvhio")
    for motion, file in written:
        root = bvhio.readAsHierarchy(str(file))
        joints = {joint.Name: joint for joint, _, _ in root.layout()}
        assert set(joints) == set(JOINT_NAMES)
        for frame in range(0, len(motion), 5):
            root.loadPose(frame)
            found = np.array([list(joints[name].PositionWorld) for name in JOINT_NAMES]) / 100
            np.testing.assert_allclose(found, motion.joints[frame], atol=TENTH)


def test_pybvh_finds_every_joint_where_it_is(written):
    pybvh = reader("pybvh")
    for motion, file in written:
        read = pybvh.read_bvh_file(str(file))
        order = [JOINT_NAMES.index(name) for name in read.joint_names]
        np.testing.assert_allclose(read.joint_positions() / 100, motion.joints[:, order], atol=TENTH)
        assert (round(read.fps), read.world_up) == (motion.rate, "+y")


def test_bvh_reads_hierarchy_and_rate(written):
    bvh = reader("bvh")
    for motion, file in written:
        read = bvh.Bvh(file.read_text())
        assert read.nframes == len(motion) and round(1 / read.frame_time) == motion.rate
        assert set(read.get_joints_names()) == set(JOINT_NAMES)
        for name, parent in zip(JOINT_NAMES[1:], PARENTS[1:], strict=True):
            assert read.joint_parent(name).name == JOINT_NAMES[parent]
            assert read.joint_channels(name) == ["Zrotation", "Xrotation", "Yrotation"]
        places = [read.frame_joint_channel(3, "pelvis", f"{axis}position") for axis in "XYZ"]
        np.testing.assert_allclose(np.array(places, float) / 100, motion.pelvis[3], atol=TENTH)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6), st.booleans())
def test_angles_are_the_rotation_and_do_not_jump(seed, locked):
    """Also where the middle angle is a right one, and the other two are about the same axis."""
    rng = np.random.default_rng(seed)
    path = Rotation.from_rotvec(np.cumsum(rng.normal(0, 0.05, (40, 3)), 0)) * Rotation.from_quat(rng.normal(size=4))
    if locked:
        path = Rotation.from_euler(
            "ZXY", np.column_stack([np.linspace(0, 400, 40), np.full(40, 90.0), np.zeros(40)]), True
        )
    angles = _degrees(path.as_quat()[:, None])[:, 0]
    assert (Rotation.from_euler("ZXY", angles, degrees=True).inv() * path).magnitude().max() < 1e-6
    assert np.abs(np.diff(angles, axis=0)).max() <= 180
