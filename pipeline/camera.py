"""Camera intrinsics: from a field of view, a focal length or a calibration file, for frames of any size."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pymafx_live.configs.strict_yaml import StrictLoader, read_yaml
from pymafx_live.core.arrays import Image
from pymafx_live.core.axes import Z_UP
from pymafx_live.core.errors import AssetError
from pymafx_live.core.rotations import to_matrices
from pymafx_live.core.types import Camera
from pymafx_live.core.world import FloorOrigin, World, WorldOrigin

ASSUMED_FOV = 60.0
"""Field of view along the longer side, in degrees, where nobody said another: that of a common webcam or phone."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mount:
    """How a camera hangs: its pictures are turned clockwise by `rotate` degrees, then mirrored left to right."""

    rotate: int = 0
    mirror: bool = False

    def shown(self, image: Image) -> Image:
        """A picture (H, W, 3), upright."""
        turned = np.rot90(image, -self.rotate // 90) if self.rotate else image
        return np.ascontiguousarray(turned[:, ::-1] if self.mirror else turned)

    def sides(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of upright pictures of those that are `width` x `height`, and the other way round."""
        return (width, height) if self.rotate % 180 == 0 else (height, width)

    def world(self, world: World) -> World:
        """Where the camera of upright pictures stands, in the world as they show it, of one that stands in `world`."""
        turn = np.linalg.matrix_power(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), self.rotate // 90)
        rotation, translation = world.rotation @ turn.T, world.translation
        if self.mirror:
            mirror = np.array([-1.0, 1, 1])
            rotation, translation = mirror[:, None] * rotation * mirror, mirror * translation
        return replace(world, rotation=rotation.astype(np.float32), translation=np.asarray(translation, np.float32))

    def lens(self, lens: "Lens", width: int, height: int) -> Camera:
        """The intrinsics of upright pictures of `width` x `height`: those of the lens, turned with them."""
        camera = lens.camera(*self.sides(width, height))
        for _ in range(self.rotate // 90):
            camera = _turned(camera)
        return _mirrored(camera) if self.mirror else camera


def _turned(camera: Camera) -> Camera:
    """A quarter turn clockwise: a pixel (x, y) goes to (height - 1 - y, x).

    OpenCV's tangential distortion is 2 (t . x) x + |x|^2 t of a point x with t = (p2, p1), a vector that turns too.
    """
    return replace(
        camera, width=camera.height, height=camera.width, fx=camera.fy, fy=camera.fx,
        cx=camera.height - 1 - camera.cy, cy=camera.cx, distortion=_tangential(camera, lambda p1, p2: (p2, -p1)),
    )  # fmt: skip


def _mirrored(camera: Camera) -> Camera:
    distortion = _tangential(camera, lambda p1, p2: (p1, -p2))
    return replace(camera, cx=camera.width - 1 - camera.cx, distortion=distortion)


def _tangential(camera: Camera, change: Callable[[float, float], tuple[float, float]]) -> tuple[float, ...]:
    """The distortion coefficients with another p1 and p2."""
    k1, k2, p1, p2, *others = (*camera.distortion, *[0.0] * (4 - len(camera.distortion)))
    return (k1, k2, *change(p1, p2), *others) if camera.distortion else ()


@dataclass(slots=True)
class Lens:
    """What is known of a camera before its first frame; at most one of the three is given.

    `fov` is horizontal, in degrees; `focal` in pixels of the frame as it arrives; `calibrated` holds the
    intrinsics at the size they were measured at, and is scaled to the frame's size.
    """

    fov: float | None = None
    focal: float | None = None
    calibrated: Camera | None = None
    _warned: set[tuple[int, int]] = field(default_factory=set)

    def camera(self, width: int, height: int) -> Camera:
        """The intrinsics for frames of `width` x `height` pixels."""
        if self.calibrated is not None:
            return self._scaled(self.calibrated, width, height)
        side, fov = (max(width, height), ASSUMED_FOV) if self.fov is None else (width, self.fov)
        focal = self.focal if self.focal is not None else side / 2 / math.tan(math.radians(fov) / 2)
        return Camera(
            width, height, focal, focal, (width - 1) / 2, (height - 1) / 2,
            assumed=self.fov is None and self.focal is None,
        )  # fmt: skip

    def _scaled(self, at: Camera, width: int, height: int) -> Camera:
        # Another aspect ratio was cropped or squeezed, and nobody can tell which: the result is a guess.
        guessed = abs(width / at.width / (height / at.height) - 1) > 0.01
        if guessed and (width, height) not in self._warned:
            self._warned.add((width, height))
            logger.warning(
                "the calibration is for %d x %d and the frames are %d x %d, another aspect ratio: "
                "the intrinsics are a guess; calibrate at the size you run at",
                at.width, at.height, width, height,
            )  # fmt: skip
        return replace(at.resized(width, height), assumed=guessed)


def read_calibration(file: Path) -> Camera:
    """The intrinsics of a calibration YAML.

    Both common layouts have the same names: OpenCV's FileStorage
    (https://docs.opencv.org/4.x/d4/da4/group__core__xml.html) and ROS's camera_info
    (https://wiki.ros.org/camera_calibration_parsers): image_width, image_height, camera_matrix (3 x 3) and
    distortion_coefficients (k1, k2, p1, p2[, k3[, k4, k5, k6]]). ROS's camera_name, where there is one, is the frame's.

    Raises:
        AssetError: the file cannot be read, lacks one of these, or is of a lens that is no pinhole.
    """
    content = _read(file)
    model = content.get("distortion_model", "plumb_bob")
    if model not in ("plumb_bob", "rational_polynomial"):
        raise AssetError(
            f"the calibration {file} has the distortion model {model!r}, but only plumb_bob and "
            "rational_polynomial are supported: calibrate with the pinhole model"
        )
    try:
        width, height = int(content["image_width"]), int(content["image_height"])
        fx, skew, cx, _, fy, cy, *last = _numbers(content["camera_matrix"])
        distortion = tuple(_numbers(content.get("distortion_coefficients", [])))
        numbers = np.array([fx, fy, cx, cy, *distortion])
        if len(last) != 3 or min(width, height, fx, fy) <= 0 or skew != 0 or not np.isfinite(numbers).all():
            raise ValueError("not a camera matrix")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise AssetError(
            f"the calibration {file} is not usable: it needs image_width, image_height and a 3 x 3 "
            "camera_matrix, as OpenCV's or ROS's calibration writes them"
        ) from error
    name = content.get("camera_name", "")
    frame_id = name if isinstance(name, str) and "\0" not in name else ""
    return Camera(width, height, fx, fy, cx, cy, assumed=False, distortion=distortion, frame_id=frame_id)


def read_extrinsics(file: Path) -> World | None:
    """Where the camera of a calibration YAML stands; None where the file does not say.

    `rvec` and `tvec` are what OpenCV's `solvePnP` answers for points whose z is up, in metres, and 0 on the floor (a
    chessboard that lies there; ROS's axes, REP 103): X_camera = R(rvec) X + tvec. Their x, y, z are x, -z, y of the
    world's.

    Raises:
        AssetError: the file cannot be read, or these are no rotation and place, or one from below the floor.
    """
    content = _read(file)
    if "rvec" not in content and "tvec" not in content:
        return None
    try:
        rvec, tvec = (np.array(_numbers(content[name])) for name in ("rvec", "tvec"))
        if rvec.shape != (3,) or tvec.shape != (3,) or not np.isfinite([rvec, tvec]).all():
            raise ValueError("not three numbers")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise AssetError(
            f"the calibration {file} does not say where the camera stands: it needs rvec and tvec, three numbers each, "
            "as OpenCV's solvePnP gives them, or neither"
        ) from error
    rotation = Z_UP.T @ to_matrices(rvec).T
    position = -rotation @ tvec
    if position[1] <= 0:
        raise AssetError(
            f"the calibration {file} has the camera {-position[1]:.2f} m below the floor: give solvePnP points "
            "whose z is up, not down, and 0 on the floor"
        )
    return World(rotation.astype(np.float32), position.astype(np.float32), WorldOrigin.GIVEN, FloorOrigin.GIVEN)


class _FileStorageLoader(StrictLoader):
    """Reads OpenCV's `!!opencv-matrix` as the mapping that it is."""


def _matrix(loader: _FileStorageLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


_FileStorageLoader.add_constructor("tag:yaml.org,2002:opencv-matrix", _matrix)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        content = read_yaml(file, _FileStorageLoader, "%YAML")  # OpenCV's first line, `%YAML:1.0`, is no directive
    except OSError as error:
        raise AssetError(f"cannot read the calibration {file}: {error.strerror}; check --calibration") from error
    except ValueError as error:
        raise AssetError(f"the calibration {file} is not YAML ({error}): give OpenCV's or ROS's file") from error
    if not isinstance(content, dict):
        raise AssetError(f"the calibration {file} is empty: give OpenCV's or ROS's calibration file")
    return content


def _numbers(matrix: Any) -> list[float]:
    """The entries, row by row, of `{rows, cols, data: [...]}` or of a list of lists."""
    data = matrix["data"] if isinstance(matrix, dict) else matrix
    return [float(v) for row in data for v in (row if isinstance(row, list) else [row])]
