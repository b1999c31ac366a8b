import logging
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymafx_live.core.errors import AssetError
from pymafx_live.core.types import Camera
from pymafx_live.pipeline.camera import ASSUMED_FOV, Lens, Mount, read_calibration, read_extrinsics

SIDE = st.integers(32, 8000)
ROS = """
image_width: 640
image_height: 480
camera_name: head
camera_matrix:
  rows: 3
  cols: 3
  data: [600.5, 0.0, 321.0, 0.0, 601.5, 241.0, 0.0, 0.0, 1.0]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [0.1, -0.2, 0.001, 0.002, 0.05]
"""


@given(width=SIDE, height=SIDE, fov=st.floats(5, 170))
def test_the_field_of_view_spans_the_width(width, height, fov):
    camera = Lens(fov=fov).camera(width, height)
    ray = [math.tan(math.radians(fov / 2)), 0, 1]
    x, y, _ = camera.matrix @ ray
    assert x == pytest.approx(width - 0.5)  # the right edge of the last pixel
    assert y == pytest.approx((height - 1) / 2)
    assert not camera.assumed


def test_without_a_word_the_field_of_view_is_assumed():
    camera = Lens().camera(640, 480)
    assert camera.assumed
    assert camera.fx == camera.fy == pytest.approx(320 / math.tan(math.radians(ASSUMED_FOV / 2)))
    assert Lens().camera(480, 640).fx == pytest.approx(camera.fx)  # the same phone, held upright


@given(scale=st.floats(0.1, 8), point=st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
def test_a_calibration_follows_the_frame_size(scale, point):
    """A picture that is scaled moves each point's distance from the top left edge by the same factor."""
    at = Camera(2000, 1000, 1500, 1400, 990, 510, assumed=False, distortion=(0.1,))
    camera = Lens(calibrated=at).camera(round(2000 * scale), round(1000 * scale))
    before = (at.matrix @ [*point, 1])[:2] + 0.5
    after = (camera.matrix @ [*point, 1])[:2] + 0.5
    sizes = np.array([camera.width / at.width, camera.height / at.height])
    assert after == pytest.approx(before * sizes)
    assert camera.distortion == (0.1,)
    assert not camera.assumed


def test_another_aspect_ratio_is_a_guess_and_told_once(caplog):
    lens = Lens(calibrated=Camera(640, 480, 600, 600, 320, 240, assumed=False))
    with caplog.at_level(logging.WARNING):
        assert lens.camera(1280, 720).assumed
        lens.camera(1280, 720)
    assert len(caplog.records) == 1
    assert "another aspect ratio" in caplog.text


def test_what_opencv_wrote_is_read(tmp_path):
    file = tmp_path / "camera.yaml"
    matrix = np.array([[600.5, 0, 321], [0, 601.5, 241], [0, 0, 1]])
    storage = cv2.FileStorage(str(file), cv2.FILE_STORAGE_WRITE)
    storage.write("image_width", 640)
    storage.write("image_height", 480)
    storage.write("camera_matrix", matrix)
    storage.write("distortion_coefficients", np.array([[0.1, -0.2, 0.001, 0.002, 0.05]]))
    storage.release()
    camera = read_calibration(file)
    assert camera == Camera(640, 480, 600.5, 601.5, 321, 241, False, (0.1, -0.2, 0.001, 0.002, 0.05))
    assert (camera.matrix == matrix).all()


def test_what_ros_wrote_is_read(tmp_path):
    (tmp_path / "head.yaml").write_text(ROS)
    camera = read_calibration(tmp_path / "head.yaml")
    assert camera == Camera(640, 480, 600.5, 601.5, 321, 241, False, (0.1, -0.2, 0.001, 0.002, 0.05), "head")
    assert camera.resized(320, 240).frame_id == "head"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ROS.replace("plumb_bob", "equidistant"), "only plumb_bob and rational_polynomial are supported"),
        (ROS.replace("image_width: 640", ""), "it needs image_width, image_height and a 3 x 3 camera_matrix"),
        (ROS.replace("600.5,", ""), "it needs image_width"),
        (ROS.replace("600.5", "wide"), "it needs image_width"),
        (ROS.replace("600.5", "-600.5"), "it needs image_width"),
        (ROS.replace("600.5", ".nan"), "it needs image_width"),
        (ROS.replace("600.5", ".inf"), "it needs image_width"),
        (ROS.replace("0.001", ".nan"), "it needs image_width"),
        (ROS.replace("image_width: 640", "image_width: .inf"), "it needs image_width"),
        ("camera_matrix: [", "is not YAML"),
        ("", "is empty"),
    ],
)
def test_a_calibration_that_cannot_be_used(tmp_path, text, sentence):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(AssetError, match=sentence):
        read_calibration(tmp_path / "bad.yaml")


def test_a_list_that_a_tag_calls_a_matrix(tmp_path):
    (tmp_path / "camera.yaml").write_text("image_width: 640\ncamera_matrix: !!opencv-matrix [500, 0, 320]\n")
    with pytest.raises(AssetError, match=r"is not YAML \(line 2: it should have keys here\)"):
        read_calibration(tmp_path / "camera.yaml")


def test_a_missing_calibration(tmp_path):
    with pytest.raises(AssetError, match=r"cannot read the calibration .*No such file.*check --calibration"):
        read_calibration(tmp_path / "nowhere.yaml")


MOUNTS = st.builds(Mount, st.sampled_from([0, 90, 180, 270]), st.booleans())


@given(mount=MOUNTS, point=st.tuples(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6)))
def test_a_turned_camera_sees_a_turned_world(mount, point):
    """The pixel of a point, by OpenCV with distortion, moves with the picture."""
    lens = Lens(calibrated=Camera(641, 480, 600, 590, 310, 250, False, (0.1, -0.2, 0.01, 0.02, 0.05)))
    mark = np.arange(641 * 480).reshape(480, 641, 1)
    shown = mount.shown(mark)
    height, width = shown.shape[:2]
    camera = mount.lens(lens, width, height)
    assert (camera.width, camera.height) == (width, height)
    turned = np.array([*point, 1.0])
    for _ in range(mount.rotate // 90):
        turned[:2] = -turned[1], turned[0]
    if mount.mirror:
        turned[0] *= -1
    before, after = (
        cv2.projectPoints(p[None], np.zeros(3), np.zeros(3), c.matrix, np.array(c.distortion))[0].ravel()
        for p, c in ((np.array([*point, 1.0]), lens.calibrated), (turned, camera))
    )
    corners = np.array([[0, 0], [640, 0], [0, 479]], float)  # pixels of the camera; where are they shown?
    at = np.array([np.argwhere(shown[..., 0] == mark[int(y), int(x), 0])[0][::-1] for x, y in corners], float)
    along = (at[1:] - at[0]) / np.array([[640], [479]])
    assert after == pytest.approx(at[0] + before @ along, abs=1e-6)


@given(mount=MOUNTS)
def test_a_field_of_view_is_that_of_the_camera_as_it_delivers(mount):
    upright = Lens(fov=70).camera(640, 480)
    turned = mount.lens(Lens(fov=70), *((640, 480) if mount.rotate % 180 == 0 else (480, 640)))
    assert (turned.fx, turned.fy) == (upright.fx, upright.fy)


def calibration_with(tmp_path: Path, **extra: list[float]) -> Path:
    file = tmp_path / "camera.yaml"
    file.write_text(ROS + "".join(f"{key}: {values}\n" for key, values in extra.items()), encoding="utf-8")
    return file


CHESSBOARD = np.array([[x, y, 0] for x in (0.0, 0.4, 0.8) for y in (0.0, 0.3, 0.6)])
"""Corners on the floor, in metres, z up."""


def solved(position: list[float], looks_at: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The view of the floor from a `position`, z up: rotation (3, 3), and what `solvePnP` makes of its chessboard."""
    forward = np.subtract(looks_at, position)
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    camera = np.array([[600.5, 0, 321], [0, 601.5, 241], [0, 0, 1]])
    seen = (CHESSBOARD - position) @ R.T @ camera.T
    _, rvec, tvec = cv2.solvePnP(CHESSBOARD, seen[:, :2] / seen[:, 2:], camera, None)
    return R, rvec.ravel(), tvec.ravel()


def test_extrinsics_are_what_opencv_solves_from_a_chessboard_on_the_floor(tmp_path):
    R, rvec, tvec = solved([0.5, -2, 1.4], [0.4, 0.3, 0.2])
    world = read_extrinsics(calibration_with(tmp_path, rvec=rvec.tolist(), tvec=tvec.tolist()))
    assert world is not None and (world.origin, world.floor) == ("given", "given")
    seen = (CHESSBOARD - [0.5, -2, 1.4]) @ R.T
    np.testing.assert_allclose(world.points(seen), CHESSBOARD[:, [0, 2, 1]] * [1, 1, -1], atol=1e-4)
    assert world.translation[1] == pytest.approx(1.4, abs=1e-4)
    assert np.linalg.det(world.rotation) == pytest.approx(1)


@pytest.mark.parametrize("mount", [Mount(90), Mount(180), Mount(270), Mount(0, mirror=True), Mount(90, mirror=True)])
def test_extrinsics_turn_with_the_picture(tmp_path, mount):
    """What lies on the floor is there in the turned picture too; in a mirrored one it lies on the other side."""
    R, rvec, tvec = solved([0.5, -2, 1.4], [0.4, 0.3, 0.2])
    world = read_extrinsics(calibration_with(tmp_path, rvec=rvec.tolist(), tvec=tvec.tolist()))
    seen = (CHESSBOARD - [0.5, -2, 1.4]) @ R.T
    lens = Lens(calibrated=read_calibration(calibration_with(tmp_path)))
    straight, turned = (
        lens.camera(640, 480),
        mount.lens(lens, *((640, 480) if mount.rotate == 180 or not mount.rotate else (480, 640))),
    )
    for point, true in zip(seen, CHESSBOARD[:, [0, 2, 1]] * [1, 1, -1], strict=True):
        pixel = (straight.matrix @ point)[:2] / point[2]
        picture = np.zeros((480, 640))
        picture[round(pixel[1]), round(pixel[0])] = 1
        row, column = np.argwhere(mount.shown(picture))[0]
        ray = np.array([(column - turned.cx) / turned.fx, (row - turned.cy) / turned.fy, 1]) * point[2]
        np.testing.assert_allclose(
            mount.world(world).points(ray), true * ([-1, 1, 1] if mount.mirror else 1), atol=0.004
        )
    assert np.linalg.det(mount.world(world).rotation) == pytest.approx(1)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"rvec": [0.0, 0, 0]}, "rvec and tvec"),
        ({"rvec": [0.0, 0, 0], "tvec": [0.0, 0]}, "three numbers"),
        ({"rvec": [0.0, 0, 0], "tvec": [0.0, 0, 2]}, "2.00 m below the floor"),
    ],
)
def test_extrinsics_that_cannot_be_are_told(tmp_path, extra, words):
    with pytest.raises(AssetError, match=words):
        read_extrinsics(calibration_with(tmp_path, **extra))
    assert read_extrinsics(calibration_with(tmp_path)) is None
