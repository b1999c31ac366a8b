"""What is worn moves with who wears it, and the wardrobe fits."""

import numpy as np
import pytest
from pymafx_live.bench.mannequin import looks, paint, wardrobe, worn
from pymafx_live.core.skeleton import JOINT
from pymafx_live.engines.body.model import BodyModel
from scipy.spatial.transform import Rotation

BODY = BodyModel.embedded()


def test_all_share_their_triangles_and_nobody_shows_what_another_wears() -> None:
    mug, bag = worn.mug(BODY, "left"), worn.backpack()
    (first, second), places = worn.equip([BODY, BODY], [(mug,), (bag,)])
    np.testing.assert_array_equal(first.faces, second.faces)
    assert len(places) == len(first.v_template) == len(BODY.v_template) + len(mug.vertices) + len(bag.vertices)
    theirs = slice(len(BODY.v_template), len(BODY.v_template) + len(mug.vertices))
    assert np.ptp(second.v_template[theirs], axis=0).max() == 0
    kinds = {paint.material(*place, np.zeros(paint.CUTS)) for place in places[len(BODY.v_template) :].astype(float)}
    assert kinds == {paint.THING}
    (alone,), same = worn.equip([BODY], [()])
    assert alone is BODY
    np.testing.assert_array_equal(same, BODY.v_template)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_mug_follows_its_hand_and_is_closed(side: str) -> None:
    thing = worn.mug(BODY, side)
    (body,), _ = worn.equip([BODY], [(thing,)])
    pose = np.random.default_rng(0).normal(0, 0.4, (1, 55, 3))
    joints, turns = body.joints(pose, np.zeros((1, 3)))
    wrist = JOINT[f"{side}_wrist"]
    vertices = body.vertices(pose, np.zeros((1, 3)))[0, len(BODY.v_template) :]
    rest = thing.vertices - BODY.rest_joints[wrist]
    np.testing.assert_allclose(vertices, rest @ turns[0, wrist].T + joints[0, wrist], atol=1e-4)
    a, b, c = (thing.vertices[thing.faces[:, k]] for k in range(3))
    volume = (a * np.cross(b, c)).sum() / 6
    assert volume == pytest.approx(np.pi * worn.MUG_RADIUS**2 * worn.MUG_HEIGHT, rel=0.15), "seen from outside"


def test_long_hair_lies_on_the_clothes_and_leaves_the_face_free() -> None:
    hair = worn.long_hair(BODY, 0.05, 0.02, 0.03)
    face = (np.abs(hair.vertices[:, 0]) < 0.05) & (hair.vertices[:, 2] > 0.08)
    assert not face.any()
    assert hair.vertices[:, 1].min() == pytest.approx(0.05, abs=0.02)
    share = sum(np.broadcast_to(part, len(hair.vertices)) for part in hair.bound.values())
    np.testing.assert_allclose(share, 1)


def test_the_wide_wardrobe_is_wide_and_repeats_itself_for_a_seed() -> None:
    outfits = [looks.dress_up(np.random.default_rng(seed), BODY) for seed in range(40)]
    again = looks.dress_up(np.random.default_rng(7), BODY)
    np.testing.assert_array_equal(again.palette, outfits[7].palette)
    np.testing.assert_array_equal(again.cut, outfits[7].cut)
    cuts = np.array([o.cut for o in outfits])
    assert len(np.unique(cuts[:, paint.PATTERN])) >= 4 and len(np.unique(cuts[:, paint.HEADGEAR])) == 3
    assert (cuts[:, paint.BEARD] > 0).any() and (cuts[:, paint.OPEN] > 0).any()
    assert 5 < sum(bool(o.worn) for o in outfits) < 35
    assert np.ptp([o.thickness[paint.SHIRT] for o in outfits]) > 0.01


def test_hair_and_beards_leave_eyes_and_mouth_free_whatever_is_worn() -> None:
    for seed in range(40):
        outfit = looks.dress_up(np.random.default_rng(seed), BODY)
        assert paint.material(0.037, 0.4378, 0.145, outfit.cut) == paint.IRIS
        assert paint.material(0.0, 0.362, 0.16, outfit.cut) == paint.LIPS
        assert paint.material(0.0, 0.40, 0.17, outfit.cut) == paint.SKIN, "the nose"
    dressed = wardrobe.wear(BODY, outfit)
    np.testing.assert_array_equal(dressed.rest_joints, BODY.rest_joints)


def test_a_body_turns_with_what_it_wears() -> None:
    (body,), _ = worn.equip([BODY], [(worn.visor(),)])
    pose = np.zeros((1, 55, 3))
    pose[0, JOINT["head"]] = [0, 1.0, 0]
    turned = body.vertices(pose, np.zeros((1, 3)))[0, len(BODY.v_template) :].mean(0)
    still = body.v_template[len(BODY.v_template) :].mean(0) - BODY.rest_joints[JOINT["head"]]
    expected = Rotation.from_rotvec([0, 1.0, 0]).apply(still) + BODY.rest_joints[JOINT["head"]]
    np.testing.assert_allclose(turned, expected, atol=0.002)
