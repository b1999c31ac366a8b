"""Arrays as loaders of AMASS take them."""

import numpy as np
import pytest
from pymafx_live.core.kinematics import global_rotations, positions
from pymafx_live.core.rotations import to_matrices
from pymafx_live.core.skeleton import PARENTS
from pymafx_live.core.types import SourceEvent
from pymafx_live.pipeline.recordings.npz import Npz
from support.people import BODY
from support.recordings import recorded

Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])


@pytest.fixture
def files(tmp_path):
    return Npz().write(recorded(fps=30), tmp_path / "out.npz", lambda file: file)


def test_the_keys_that_loaders_ask_for(files):
    assert [file.name for file in files] == ["out-1.npz", "out-2.npz"]
    for file in files:
        with np.load(file) as data:  # no pickle
            assert data["poses"].shape == (40, 165) and data["trans"].shape == (40, 3) and data["betas"].shape == (16,)
            assert data["mocap_frame_rate"] == data["mocap_framerate"] == 30
            assert (str(data["gender"]), str(data["surface_model_type"])) == ("neutral", "smplx")
            parts = ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_lhand", "pose_rhand")
            np.testing.assert_array_equal(np.hstack([data[name] for name in parts]), data["poses"])
            assert not {"pose_hand", "pose_hands", "dmpls"} & set(data)


@pytest.mark.parametrize("moved", [(0, 0, 0), (0.003, -0.054, 0.01)], ids=["this body", "another body"])
def test_a_body_that_turns_about_its_pelvis_stands_where_the_person_does(files, moved):
    """As a loader does it, with `trans` of the body that is named, and by `pelvis` with any other."""
    results = [item[0] for item in recorded(fps=30) if not isinstance(item, SourceEvent) and not item[0].final]
    for id_, file in enumerate(files, 1):
        with np.load(file) as data:
            rest = data["rest_pelvis"] + moved
            trans = data["trans"] if not any(moved) else data["pelvis"] - rest
            turned = global_rotations(to_matrices(data["poses"].reshape(-1, 55, 3).astype(float)))
            joints = positions(turned, trans + rest, np.broadcast_to(data["bones"], (40, 55, 3)))
        for result, ours in zip(results, joints, strict=True):
            (person,) = (p.in_world(result) for p in result.people if p.id == id_)
            np.testing.assert_allclose(ours, person.joints @ Z_UP.T, atol=1e-4)
            assert np.abs(ours[:, 2].min()) < 1.5  # z is up
    np.testing.assert_allclose(np.load(files[0])["rest_pelvis"], BODY.rest_joints[0], atol=1e-5)
    assert len(PARENTS) == 55
