"""Where a camera stands: what was given of that, and what is not, as it is learnt from the people it sees."""

from collections.abc import Sequence
from dataclasses import dataclass

from pymafx_live.core.types import Frame, Person
from pymafx_live.core.world import LEVEL, FloorOrigin, World, WorldOrigin


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody has said: pitch and roll in radians as `World.tilted` takes them, the height in metres; or all of
    it, as a `world`."""

    pitch: float | None = None
    roll: float | None = None
    height: float | None = None
    world: World | None = None


class WorldEstimator:
    """The world of one camera, frame by frame."""

    def __init__(self, given: Given = Given()) -> None:
        self._given = given

    def __call__(self, people: Sequence[Person], frame: Frame) -> World:
        """The world as it is known with the people of one more frame."""
        given = self._given
        if given.world is not None:
            return given.world
        origin = WorldOrigin.LEVEL if given.pitch is None or given.roll is None else WorldOrigin.GIVEN
        floor = FloorOrigin.ASSUMED if given.height is None else FloorOrigin.GIVEN
        height = float(LEVEL.translation[1]) if given.height is None else given.height
        return World.tilted(given.pitch or 0.0, given.roll or 0.0, height, origin, floor)
