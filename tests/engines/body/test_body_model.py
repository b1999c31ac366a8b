"""The body against scipy's rotations and the formulas of linear blend skinning, written out one vertex at a time."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymafx_live.core.skeleton import JOINT, JOINT_NAMES, MIRROR, PARENTS
from pymafx_live.engines.body.model import BodyModel, sparse_weights
from pymafx_live.engines.body.skinning import MAIN_CHILD
from scipy.spatial.transform import Rotation

SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.embedded()


def random_people(seed: int, people: int) -> tuple[NDArray[np.float64], ...]:
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 1, (people, 55, 3)) * rng.choice([1e-9, 0.3, 3.0])
    return pose, rng.normal(0, 2, (people, 3)), rng.normal(0, 1, (people, 4)), rng.uniform(0.7, 1.4, (people, 55))


def reference_joints(
    rest: NDArray[np.float64], pose: NDArray[np.float64], transl: NDArray[np.float64], bones: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[Rotation]]:
    positions, rotations = np.zeros((55, 3)), []
    for j, parent in enumerate(PARENTS):
        local = Rotation.from_rotvec(pose[j])
        if parent < 0:
            rotations.append(local)
            positions[j] = transl + rest[j]
        else:
            rotations.append(rotations[parent] * local)
            positions[j] = positions[parent] + rotations[parent].apply(bones[j] * (rest[j] - rest[parent]))
    return positions, rotations


@settings(deadline=None, max_examples=25)
@given(SEEDS)
def test_joints_follow_the_chain_of_rotations_and_bone_lengths(seed: int) -> None:
    body = BodyModel.embedded()
    pose, transl, betas, bones = random_people(seed, 3)
    joints, rotations = body.joints(pose, transl, betas, bones)
    for i in range(3):
        rest = body.rest_joints + np.tensordot(betas[i], body.joint_shape_dirs, 1)
        expected, turned = reference_joints(rest, pose[i], transl[i], bones[i])
        np.testing.assert_allclose(joints[i], expected, atol=2e-5)
        np.testing.assert_allclose(rotations[i], Rotation.concatenate(turned).as_matrix(), atol=2e-5)


@settings(deadline=None, max_examples=5)
@given(SEEDS)
def test_vertices_are_blended_from_stretched_bones(seed: int) -> None:
    body = BodyModel.embedded()
    pose, transl, betas, bones = random_people(seed, 1)
    vertices = body.vertices(pose, transl, betas, bones)[0]
    rest = body.rest_joints + np.tensordot(betas[0], body.joint_shape_dirs, 1)
    template = body.v_template + np.tensordot(betas[0], body.shape_dirs, 1)
    positions, rotations = reference_joints(rest, pose[0], transl[0], bones[0])
    for v in np.random.default_rng(seed).choice(len(vertices), 40, replace=False):
        place = np.zeros(3)
        for j, weight in zip(body.skin_joints[v], body.skin_weights[v], strict=True):
            name = JOINT_NAMES[j]
            if name in MAIN_CHILD:
                start, end = j, JOINT[MAIN_CHILD[name]]
            elif name[-1] == "3" and name != "spine3":
                start, end = PARENTS[j], j
            else:
                start, end = j, None
            stretch = bones[0, 0] * np.eye(3)
            if end is not None:
                d = (rest[end] - rest[start]) / np.linalg.norm(rest[end] - rest[start])
                stretch += (bones[0, end] - bones[0, 0]) * np.outer(d, d)
            place += weight * (rotations[j].apply(stretch @ (template[v] - rest[j])) + positions[j])
        np.testing.assert_allclose(vertices[v], place, atol=5e-5)


def test_rest_is_the_template(body: BodyModel) -> None:
    still = np.zeros((1, 55, 3))
    np.testing.assert_allclose(body.vertices(still, [[0, 0, 0]])[0], body.v_template, atol=1e-6)
    np.testing.assert_allclose(body.joints(still, [[0, 0, 0]])[0][0], body.rest_joints, atol=1e-6)


def test_one_ratio_for_all_bones_is_a_change_of_scale_about_the_pelvis(body: BodyModel) -> None:
    pose, transl, _, _ = random_people(7, 1)
    size = 1.3
    plain, scaled = (body.vertices(pose, transl, None, np.full((1, 55), s)) for s in (1.0, size))
    pelvis = transl + body.rest_joints[0]
    np.testing.assert_allclose(scaled - pelvis, size * (plain - pelvis), atol=2e-5)


def test_shape_leaves_the_pelvis_in_place_and_joints_inside(body: BodyModel) -> None:
    assert body.shape_names == ("height", "weight", "muscle", "gender")
    np.testing.assert_array_equal(body.joint_shape_dirs[:, 0], 0)
    still = np.zeros((1, 55, 3))
    tall = body.vertices(still, [[0, 0, 0]], [[1, 0, 0, 0]])[0]
    assert 0.05 < np.ptp(tall[:, 1]) - np.ptp(body.v_template[:, 1]) < 0.15
    for betas in np.vstack([np.eye(4), -np.eye(4)]):
        vertices = body.vertices(still, [[0, 0, 0]], betas)[0]
        joints = body.joints(still, [[0, 0, 0]], betas)[0][0]
        for name in ("left_knee", "right_elbow", "neck", "spine2", "left_index2"):
            around = vertices[body.skin_joints[:, 0] == JOINT[name]]
            assert (around.min(0) - 0.01 < joints[JOINT[name]]).all()
            assert (joints[JOINT[name]] < around.max(0) + 0.01).all()


def test_the_embedded_body_is_a_closed_symmetric_human(body: BodyModel) -> None:
    assert body.v_template.shape == (10475, 3)
    assert 1.7 < np.ptp(body.v_template[:, 1]) < 1.95
    edges = np.sort(np.concatenate([body.faces[:, [0, 1]], body.faces[:, [1, 2]], body.faces[:, [2, 0]]]), 1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    assert (uses == 2).mean() > 0.999
    np.testing.assert_allclose(body.rest_joints[MIRROR] * [-1, 1, 1], body.rest_joints, atol=1e-3)
    np.testing.assert_allclose(body.skin_weights.sum(1), 1, atol=1e-6)
    a, b, c = (body.v_template[body.faces[:, k]].astype(np.float64) for k in range(3))
    volume = np.einsum("ij,ij->", a, np.cross(b, c)) / 6
    assert 0.05 < volume < 0.09, "faces point outwards, and a person of 1.8 m has 50 to 90 litres"


def test_many_people_at_once_are_each_alone_and_threads_do_not_meet(body: BodyModel) -> None:
    pose, transl, betas, bones = random_people(3, 6)
    together = body.vertices(pose, transl, betas, bones)
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(lambda i: body.vertices(pose[i], transl[i], betas[i], bones[i])[0], range(6)))
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-6)


def test_sparse_weights_lose_nothing() -> None:
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((200, 55)) < 0.1, rng.random((200, 55)), 0).astype(np.float32)
    dense[:, 3] += 0.01
    dense /= dense.sum(1, keepdims=True)
    joints, weights = sparse_weights(dense)
    again = np.zeros_like(dense)
    np.add.at(again, (np.arange(200)[:, None], joints), weights)
    np.testing.assert_allclose(again, dense, atol=1e-6)
    assert (np.diff(weights, axis=1) <= 0).all()
