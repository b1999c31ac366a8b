import math

import numpy as np
import pytest
from pymafx_live.configs.schema import CameraSettings, SourceSettings
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Camera, Frame
from pymafx_live.pipeline.run import stance
from pymafx_live.pipeline.world import Given, WorldEstimator

FRAME = Frame(np.zeros((48, 64, 3), np.uint8), "cam", 0, 0.0, 0.0, Camera(64, 48, 50, 50, 31.5, 23.5))


def test_what_is_given_is_taken():
    given = stance(SourceSettings(), CameraSettings(pitch=-20.0, roll=5.0, height=2.5))
    world = WorldEstimator(given)([], FRAME)
    assert (world.origin, world.floor) == ("given", "given")
    assert world.translation.tolist() == [0, 2.5, 0]
    np.testing.assert_allclose(world.points(np.array([0, 0, 1.0]))[1], 2.5 - math.sin(math.radians(20)), rtol=1e-6)


def test_what_nobody_said_and_nobody_showed_is_assumed():
    world = WorldEstimator()([], FRAME)
    assert (world.origin, world.floor) == ("level", "assumed")
    assert WorldEstimator(Given(height=2.0))([], FRAME).floor == "given"
    assert WorldEstimator(Given(pitch=0.1))([], FRAME).origin == "level", "the roll is not known"


def test_a_calibration_and_flags_do_not_contradict_each_other(tmp_path):
    file = tmp_path / "camera.yaml"
    file.write_text(
        "image_width: 640\nimage_height: 480\ncamera_matrix: [[600, 0, 320], [0, 600, 240], [0, 0, 1]]\n"
        "rvec: [2.0, 0, 0]\ntvec: [0, 0.5, 2]\n",
        encoding="utf-8",
    )
    told = stance(SourceSettings(rotate=180), CameraSettings(calibration=str(file)))
    assert told.world is not None and WorldEstimator(told)([], FRAME) is told.world
    with pytest.raises(UsageError, match="leave --camera-pitch"):
        stance(SourceSettings(), CameraSettings(calibration=str(file), height=1.0))
