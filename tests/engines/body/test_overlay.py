"""The overlay: people drawn where they are, fainter when lost, with the body that was asked for."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pymafx_live.core.errors import AssetError
from pymafx_live.core.skeleton import PARENTS
from pymafx_live.core.types import Camera, FrameResult, Origin, Part, Person, TrackState
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.body.overlay import Overlay, colour_of

CAMERA = Camera(320, 240, 280.0, 280.0, 159.5, 119.5)
BOX = np.array([2, 2, 24, 24], np.float32)  # in a corner, away from the body
FACING = np.array([np.pi, 0, 0], np.float32)


def person(number: int = 1, state: TrackState = TrackState.TRACKED, x: float = 0.0, size: float = 1.0) -> Person:
    body = BodyModel.embedded()
    pelvis = np.array([x, 0.2, 3.2], np.float32)
    return Person(
        number, state, BOX, 0.9, "test", {},
        global_orient=FACING, transl=pelvis - body.rest_joints[0], pelvis=pelvis,
        extra={"bones": np.full(55, size, np.float32)},
    )  # fmt: skip


def result(*people: Person, camera: Camera = CAMERA) -> FrameResult:
    return FrameResult("s", 0, "r", 0.0, 0.0, 0.0, camera, people)


def drawn(overlay: Overlay, *people: Person) -> NDArray[np.float64]:
    image = np.full((240, 320, 3), 60, np.uint8)
    before = image.copy()
    picture = overlay.draw(result(*people), image)
    np.testing.assert_array_equal(image, before)
    change = picture.astype(np.float64) - before
    change[:30, :30] = 0
    return change


@pytest.fixture(scope="module")
def overlay() -> Overlay:
    return Overlay()


def test_the_box_is_drawn_where_it_is(overlay: Overlay) -> None:
    picture = overlay.draw(result(person()), np.full((240, 320, 3), 60, np.uint8)).astype(int)
    assert np.abs(picture[2, 4:22] - 60).max(-1).min() > 20
    assert np.abs(picture[4:22, 24] - 60).max(-1).min() > 20


def test_a_person_covers_the_projected_body_and_nothing_far_from_it(overlay: Overlay) -> None:
    change = np.abs(drawn(overlay, person())).sum(-1) > 0
    body = BodyModel.embedded()
    vertices = body.vertices([[FACING, *np.zeros((54, 3))]], person().transl)[0]
    u = vertices[:, 0] / vertices[:, 2] * CAMERA.fx + CAMERA.cx
    v = vertices[:, 1] / vertices[:, 2] * CAMERA.fy + CAMERA.cy
    near = cv2.dilate(change.astype(np.uint8), np.ones((3, 3), np.uint8))  # fingers are thinner than a pixel
    inside = near[v.round().astype(int), u.round().astype(int)]
    assert inside.mean() > 0.99
    rows, columns = np.nonzero(change)
    assert u.min() - 2 <= columns.min() and columns.max() <= u.max() + 2
    assert v.min() - 2 <= rows.min() and rows.max() <= v.max() + 2


def test_bone_lengths_are_drawn(overlay: Overlay) -> None:
    heights = [np.ptp(np.nonzero(np.abs(drawn(overlay, person(size=s))).sum(-1))[0]) for s in (0.8, 1.0)]
    assert heights[0] / heights[1] == pytest.approx(0.8, abs=0.02)


def test_lost_people_are_fainter_and_ended_ones_gone(overlay: Overlay) -> None:
    torso = np.s_[100:110, 155:165]
    tracked, lost = (
        np.abs(drawn(overlay, person(state=s))[torso]).mean() for s in (TrackState.TRACKED, TrackState.LOST)
    )
    assert lost < 0.6 * tracked
    assert not drawn(overlay, person(state=TrackState.ENDED)).any()
    guess = replace(person(), parts={"transl": Part(0.0, Origin.DEFAULT)})
    assert not drawn(overlay, guess).any()


def test_neighbours_have_colours_of_their_own(overlay: Overlay) -> None:
    both = drawn(overlay, person(1, x=-0.8), person(2, x=0.8))
    left, right = (both[100:110, c - 5 : c + 5].reshape(-1, 3).mean(0) for c in (89, 230))
    assert np.abs(left - right).max() > 30
    colours = np.array([colour_of(i) for i in range(1, 9)])
    apart = np.abs(colours[:, None] - colours[None]).max(-1) + 255 * np.eye(8)
    assert apart.min() > 15


def test_nobody_and_people_without_a_place_leave_no_mesh(overlay: Overlay) -> None:
    assert not drawn(overlay).any()
    nowhere = Person(1, TrackState.NEW, BOX, 0.5, "test", {})
    assert not drawn(overlay, nowhere).any()


def test_a_picture_of_another_size_is_scaled(overlay: Overlay) -> None:
    small = overlay.draw(result(person()), np.full((120, 160, 3), 60, np.uint8)).astype(int) - 60
    assert np.abs(small[50:55, 78:82]).min() > 10


def test_the_licensed_file_is_used_with_betas_and_expression(tmp_path: Path) -> None:
    body = BodyModel.embedded()
    count = len(body.v_template)
    weights = np.zeros((count, 55), np.float32)
    weights[:, 0] = 1
    shapes = np.zeros((count, 3, 20), np.float32)
    shapes[:, 1, 0] = 0.1  # the first beta lifts the body
    regressor = np.zeros((55, count), np.float32)
    regressor[:, 0] = 1
    parents = [2**32 - 1, *PARENTS[1:]]
    path = tmp_path / "SMPLX_NEUTRAL.npz"
    np.savez(
        path, v_template=body.v_template, f=body.faces, weights=weights, J_regressor=regressor, shapedirs=shapes,
        posedirs=np.zeros((count, 3, 486), np.float32), kintree_table=np.array([parents, range(55)], np.uint32),
        hands_meanl=np.zeros(45), hands_meanr=np.zeros(45),
    )  # fmt: skip
    licensed = Overlay(str(path))
    plain = person()
    lifted = Person(
        1, plain.state, plain.box, 0.9, "test", {}, global_orient=FACING, transl=plain.transl, pelvis=plain.pelvis,
        betas=np.array([3, *[0] * 9], np.float32),
    )  # fmt: skip
    tops = [np.nonzero(np.abs(drawn(licensed, p)[:, 90:135]).sum((1, 2)))[0].min() for p in (plain, lifted)]
    assert tops[1] > tops[0], "the body's up is the image's down: a half turn about x faces the camera"


def test_a_missing_file_is_an_asset_error() -> None:
    with pytest.raises(AssetError, match="nowhere"):
        Overlay("nowhere.npz")
