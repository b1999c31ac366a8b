"""Where the camera stands, from what is given and from people whose place and tilt are known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from pymafx_live.configs.schema import CameraSettings, SourceSettings
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Origin, Part
from pymafx_live.core.world import World, tilt
from pymafx_live.pipeline import world as estimating
from pymafx_live.pipeline.ground import Ground
from pymafx_live.pipeline.run import stance
from pymafx_live.pipeline.world import Given
from support.standing import FPS, FRAME, SEEN, somebody


def after(seconds: float, people, ground: Ground | None = None, start: float = 0.0) -> World:
    """The world after so many seconds of what `people(time)` shows."""
    ground = ground or Ground()
    for k in range(round(seconds * FPS)):
        time = start + k / FPS
        world = ground(people(time), replace(FRAME, time=time, cut=time == 0))[1]
    return world


def off(world: World, true: World) -> float:
    """Degrees between two ups."""
    return math.degrees(math.acos(min(1.0, float(world.up @ true.up))))


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """People as they are, without the engine's own errors, which the estimator knows."""
    monkeypatch.setattr(estimating, "GAIN_DOWN", 1.0)
    monkeypatch.setattr(estimating, "GAIN_UP", 1.0)
    monkeypatch.setattr(estimating, "LEAN", 0.0)
    monkeypatch.setattr(estimating, "FOOT_GAIN", 1.0)
    monkeypatch.setattr(estimating, "FOOT_LEAN", 0.0)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize(
    ("pitch", "roll", "height", "turned"),
    [(-0.5, 0.1, 2.8, 0.3), (-0.05, -0.03, 1.5, 2.0), (0.25, 0.0, 0.4, -1.0), (0.0, 0.15, 1.0, 0.0)],
)
def test_who_walks_about_shows_up_and_the_floor(pitch, roll, height, turned):
    true = World.tilted(pitch, roll, height)
    found = after(5, lambda t: [somebody(true, (math.sin(t), -3 - 0.5 * t), turned)])
    assert found.origin == found.floor == "estimated"
    assert off(found, true) < 2
    under = true.seen(np.array([0.0, 0, -4.25]))
    assert abs(found.points(under)[1]) < 0.03


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize(("lean", "knees"), [(0.9, 0.0), (0.4, 1.5)])
def test_who_bows_or_squats_does_not_tilt_the_world(lean, knees):
    true = World.tilted(-0.1, 0.0, 1.5)
    ground = Ground()
    before = after(5, lambda t: [somebody(true, (0, -3))], ground)
    bowed = after(20, lambda t: [somebody(true, (0, -3), lean=lean, knees=knees)], ground, start=5)
    assert off(bowed, before) < 0.3
    only = after(5, lambda t: [somebody(true, (0, -3), turned=0.4, lean=lean, knees=knees)])
    assert off(only, true) <= off(World.tilted(0, 0, 1), true) + 0.1, "never worse than to assume a level camera"


def test_a_level_camera_stays_level_and_a_cut_forgets():
    level, tilted = World.tilted(0, 0, 1.5), World.tilted(-0.4, 0, 2.5)
    ground = Ground()
    assert off(after(5, lambda t: [somebody(tilted, (0, -3))], ground), level) > 10
    world = ground([], replace(FRAME, time=6.0, cut=True))[1]
    assert (world.origin, world.floor, off(world, level)) == ("level", "assumed", 0)


def test_a_desk_shows_no_floor_and_says_so():
    unseen = SEEN | {f"{side}_leg": Part(0.0, Origin.DEFAULT) for side in ("left", "right")}
    true = World.tilted(-0.2, 0, 1.4)
    found = after(5, lambda t: [somebody(true, (0, -1), parts=unseen)])
    assert (found.origin, found.floor) == ("level", "assumed")
    person = somebody(true, (0, -1), parts=unseen)
    assert abs(found.points(person.joints)[:, 1].min()) < 0.15, "who sits there is drawn standing on it"


def test_a_crowd_is_learnt_as_one_person_is_and_those_who_are_gone_are_forgotten():
    true, ground = World.tilted(-0.2, 0.0, 1.5), Ground()
    after(2, lambda t: [replace(somebody(true, (x, -4)), id=x) for x in range(-1, 2)], ground)
    for k in range(60):
        person = replace(somebody(true, (0, -3)), id=k)
        after(3, lambda t, person=person: [person], ground, start=3 + 4 * k)
    assert len(ground._world._stands) < 45 and len(ground._speeds._memory) > 60
    ground.forget(range(-1, 60))
    assert not ground._speeds._memory
    assert ground._world._looks > 100


def test_what_is_given_is_taken():
    given = stance(SourceSettings(), CameraSettings(pitch=-20.0, roll=5.0, height=2.5))
    world = Ground(given)([], FRAME)[1]
    assert (world.origin, world.floor) == ("given", "given")
    assert world.translation.tolist() == [0, 2.5, 0]
    np.testing.assert_allclose(world.points(np.array([0, 0, 1.0]))[1], 2.5 - math.sin(math.radians(20)), rtol=1e-6)


def test_what_is_not_given_is_estimated():
    true = World.tilted(-0.2, 0.1, 2.0)
    pitched = after(5, lambda t: [somebody(true, (math.sin(t), -3 - 0.5 * t))], Ground(Given(pitch=-0.3)))
    assert (pitched.origin, pitched.floor) == ("estimated", "estimated")
    np.testing.assert_allclose(tilt(pitched.up), [-0.3, 0.1], atol=0.03)
    high = after(5, lambda t: [somebody(true, (0, -3))], Ground(Given(height=1.0)))
    assert (high.origin, high.floor, high.translation[1]) == ("estimated", "given", 1.0)
    assert Ground(Given(pitch=0.1))([], FRAME)[1].origin == "level", "the roll is not known"


def test_a_calibration_and_flags_do_not_contradict_each_other(tmp_path):
    file = tmp_path / "camera.yaml"
    file.write_text(
        "image_width: 640\nimage_height: 480\ncamera_matrix: [[600, 0, 320], [0, 600, 240], [0, 0, 1]]\n"
        "rvec: [2.0, 0, 0]\ntvec: [0, 0.5, 2]\n",
        encoding="utf-8",
    )
    told = stance(SourceSettings(rotate=180), CameraSettings(calibration=str(file)))
    assert told.world is not None and Ground(told)([], FRAME)[1] is told.world
    with pytest.raises(UsageError, match="leave --camera-pitch"):
        stance(SourceSettings(), CameraSettings(calibration=str(file), height=1.0))
