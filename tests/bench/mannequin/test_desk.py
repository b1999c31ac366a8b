"""People at desks touch what they touch and go through nothing: skin against furniture, face and the other hand."""

from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.acting import Act
from pymafx_live.bench.mannequin.build import Cast, Skeleton
from pymafx_live.bench.mannequin.contact import ARM, HAND, HEAD, TRUNK
from pymafx_live.bench.mannequin.motions import perform
from pymafx_live.bench.mannequin.stage import set_up
from pymafx_live.core.skeleton import JOINT
from pymafx_live.engines.body.model import BodyModel
from scipy.spatial import cKDTree

Points = NDArray[np.float64]

BODY = BodyModel.embedded()
FLESH = BODY.skin_joints[:, 0]
FRAMES = 45
DESKS = ["desk", "typing", "lean", "screen"]


@lru_cache(maxsize=8)
def play(name: str, seed: int, proportions: bool) -> Act:
    return perform(name, np.random.default_rng([seed, *name.encode()]), FRAMES, 25.0, Cast(BODY, proportions))


def skin_of(act: Act, joints: list[int], every: int = 3) -> NDArray[np.float32]:
    """The skin (T, V, 3) in the room that mostly follows some joints of the act's only person."""
    (person,) = act.people
    assert person.build is not None and person.path is not None
    part = Skeleton(BODY, person.build).part(np.flatnonzero(np.isin(FLESH, joints)))
    return part.vertices(person.pose[::every], person.path[::every])


@pytest.mark.slow
@pytest.mark.parametrize("name", DESKS)
@pytest.mark.parametrize(("seed", "proportions"), [(0, False), (3, True)])
def test_neither_arms_nor_trunk_go_through_the_furniture(name: str, seed: int, proportions: bool) -> None:
    act = play(name, seed, proportions)
    for block in act.props:
        for joints, allowed in ((ARM["left"], 0.004), (ARM["right"], 0.004), (TRUNK, 0.0)):
            skin = skin_of(act, joints)
            inside = np.minimum(skin - block.low, block.high - skin).min(-1)
            assert inside.max() <= allowed


@pytest.mark.parametrize("name", DESKS)
def test_a_hand_on_the_desk_lies_on_it(name: str) -> None:
    act = play(name, 0, False)
    top = act.props[0].high[1]
    heights = np.stack([skin_of(act, HAND[side], 1)[..., 1].min(1) - top for side in ("left", "right")])
    still = np.abs(np.diff(heights, axis=1)).max(1) < 0.004
    assert (heights[still].mean(1) < 0.03).all(), "no hand floats"


def winding(
    points: NDArray[np.float64], vertices: NDArray[np.float64], faces: NDArray[np.int32]
) -> NDArray[np.float64]:
    """How often a mesh goes round each point (N,): 1 inside, 0 outside (Jacobson et al. 2013; van Oosterom 1983)."""
    a, b, c = (vertices[faces[:, k]][None] - points[:, None] for k in range(3))
    x, y, z = (np.linalg.norm(v, axis=2) for v in (a, b, c))
    over = (a * np.cross(b, c)).sum(2)
    under = x * y * z + (a * b).sum(2) * z + (b * c).sum(2) * x + (c * a).sum(2) * y
    return np.asarray(np.arctan2(over, under).sum(1) / (2 * np.pi))


def piece(act: Act, joints: list[int], frame: int) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Part of the body's mesh in one frame."""
    (person,) = act.people
    assert person.build is not None and person.path is not None
    part = Skeleton(BODY, person.build).part(np.flatnonzero(np.isin(FLESH, joints)))
    pose, path = person.pose[frame : frame + 1], person.path[frame : frame + 1]
    return part.vertices(pose, path)[0].astype(float), part.body.faces


@pytest.mark.parametrize("seed", [3, 5])
def test_a_hand_at_the_face_touches_it_and_is_not_in_it(seed: int) -> None:
    act = play("handface", seed, seed == 3)
    gaps = []
    for frame in (20, 30, 40):
        head, faces = piece(act, [*HEAD, *TRUNK], frame)
        hands = np.concatenate([piece(act, HAND[side], frame)[0] for side in ("left", "right")])
        gaps.append(cKDTree(head).query(hands)[0].min())
        assert (winding(hands[::8], head, faces) > 0.6).mean() < 0.04
    assert min(gaps) < 0.012


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 2, 3, 5, 7])
def test_hands_that_come_together_touch_and_are_not_in_each_other(seed: int) -> None:
    """Palm on palm, counting, clasped, counting, crossing."""
    act = play("together", seed, False)
    gaps = []
    for frame in (5, 20, 35, 42):
        left, faces = piece(act, HAND["left"], frame)
        right, _ = piece(act, HAND["right"], frame)
        gaps.append(cKDTree(left).query(right)[0].min())
        assert (winding(right[::4], left, faces) > 0.6).mean() < 0.04
    assert min(gaps) < 0.02


@pytest.mark.parametrize("name", ["portrait", "waist", "desk", "group", "back", "furniture"])
def test_a_script_camera_sees_what_it_aims_at_where_it_should(name: str) -> None:
    view = play(name, 1, False).view
    assert view is not None
    setup = set_up(view)
    x, y, z = setup.rotation @ (view.aim - setup.position)
    u, v = setup.camera.fx * x / z + setup.camera.cx, setup.camera.fy * y / z + setup.camera.cy
    turn = view.roll * np.linalg.norm(np.array(view.at) - 0.5) * view.width + 3
    np.testing.assert_allclose(
        (u, v), np.array(view.at) * (view.width, view.height), atol=abs(turn) + 0.06 * view.width
    )
    assert setup.rotation[1, 1] < -0.5 and np.linalg.det(setup.rotation) > 0


def test_portraits_are_cut_by_the_picture_and_desks_hide_the_lap() -> None:
    for name, seed in (("portrait", 0), ("portrait", 1), ("portrait", 2), ("waist", 0)):
        act = play(name, seed, False)
        (person,) = act.people
        assert act.view is not None and person.build is not None and person.path is not None
        joints, _ = Skeleton(BODY, person.build).joints(person.pose, person.path)
        setup = set_up(act.view)
        local = (joints - setup.position) @ setup.rotation.T
        v = setup.camera.fy * local[..., 1] / local[..., 2] + setup.camera.cy
        assert (v[:, JOINT["head"]] > 0).all() and (v[:, JOINT["neck"]] < setup.camera.height).all()
        assert (v[:, [JOINT["left_knee"], JOINT["right_knee"]]] > setup.camera.height).all()
