"""The floor in the pictures."""

import numpy as np
from pymafx_live.core.types import Camera, FrameResult
from pymafx_live.core.world import FloorOrigin, World, WorldOrigin
from pymafx_live.pipeline.outputs.drawn import Drawing
from pymafx_live.pipeline.outputs.floor import draw_floor
from support.standing import somebody

WORLD = World.tilted(-0.3, 0.1, 2.0, WorldOrigin.ESTIMATED, FloorOrigin.ESTIMATED)
CAMERA = Camera(640, 480, 500, 500, 319.5, 239.5)
BLACK = np.zeros((480, 640, 3), np.uint8)


def shown(world: World = WORLD, camera: Camera = CAMERA) -> np.ndarray:
    result = FrameResult("cam", 0, "run", 0.0, 0.0, 0.0, camera, (somebody(world, (0.1, -4)),), world=world)
    return draw_floor(result, BLACK)


def test_lines_are_where_half_metres_of_the_floor_are_seen():
    picture = shown().max(2)
    for x, z, drawn in [
        (0, -4, True),
        (1.5, -4.25, True),
        (-0.75, -3.5, True),
        (0.25, -4.25, False),
        (0.75, -3.75, False),
    ]:
        point = WORLD.seen(np.array([x, 0.0, z]))
        u, v = np.round((CAMERA.matrix @ point)[:2] / point[2]).astype(int)
        assert (picture[v - 1 : v + 2, u - 1 : u + 2].max() > 100) == drawn, (x, z)
    horizon = CAMERA.matrix @ WORLD.rotation.T @ [0, 0, -1.0]
    assert not picture[: int(horizon[1] / horizon[2]) - 20].any(), "no floor in the sky"
    assert not BLACK.any()


def test_an_assumed_floor_has_another_colour():
    assumed = World.tilted(-0.3, 0.1, 2.0)
    known, guessed = (picture[picture.max(2) > 100].mean(0) for picture in (shown(), shown(assumed)))
    assert np.ptp(known) < 5 < np.ptp(guessed)


def test_a_camera_on_the_floor_and_one_that_looks_straight_down_are_drawn():
    for pitch, height in ((0.0, 0.01), (-np.pi / 2, 3.0), (np.pi / 2, 1.0)):
        assert shown(World.tilted(pitch, 0.0, height)).shape == BLACK.shape


def test_people_are_drawn_on_the_floor_where_it_is_wanted():
    class Overlay:
        def draw(self, result, image):
            return image

    result = FrameResult("cam", 0, "run", 0.0, 0.0, 0.0, CAMERA, (somebody(WORLD, (0, -4)),), world=WORLD)
    assert Drawing(Overlay(), True).picture(result, None).any()
    assert not Drawing(Overlay()).picture(result, None).any()
