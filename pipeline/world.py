"""Where a camera stands: what was given of that, and what is not, as it is learnt from the people it sees."""

from dataclasses import dataclass, field

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.world import ASSUMED_HEIGHT, FloorOrigin, World, WorldOrigin, tilt
from pymafx_live.pipeline.legs import Legs

TRUNK, FOOT = np.tan(np.radians([1.5, 3.0])), np.tan(np.radians(8.0))
"""How far off up is as a standing person tells it, across the picture and in depth, and as a foot on the floor does."""
GAIN_DOWN, GAIN_UP, LEAN = 0.68, 0.57, np.tan(np.radians(-1.6))
FOOT_GAIN, FOOT_LEAN = 0.8, np.tan(np.radians(-2.3))
"""The tilt in depth that an upright person, or a foot on the floor, has as the engine estimates it: so much of the true
one, as networks draw people upright (more so who is seen from below), and so much more. On rendered people (the tuned
seeds of `bench.ground`)."""
FORWARD = np.tan(np.radians(2.0))
"""How far forward of the ankles the neck of who stands is."""
SOLE = 0.06
"""Metres by which a sole is off the floor that it stands on."""
LEVEL_TILT = np.tan(np.radians(10.0))
"""How far cameras are tilted that nobody knows anything of."""
LEVEL = np.tan(np.radians([[0.4, 3.0], [0.4, 1.5]]))
TILTED = np.tan(np.radians([[1.6, 6.5], [1.6, 4.5]]))
"""Roll and pitch up to which a camera is taken for level, as more cameras are than nearly are, and from which on the
estimate is not shrunk towards that (firm shrinkage: Gao and Bruce, Statistica Sinica 7, 1997): where all that is known
is how people stand, and where all is from the plane that they walk in. Who stands leans by some degrees."""
KNEES, HIPS = np.radians(25.0), np.radians(10.0)
"""The bend of the straighter knee of who does not stand, and that of the hips at which somebody weighs e^-1."""
STILL = 0.2
"""Metres per second at which a foot's direction weighs e^-1."""
ALIKE = 0.5
"""Seconds in which errors are alike: so long a look counts as one."""
MEMORY = 20.0
"""Seconds of people who stand after which what was learnt before weighs e^-1."""
ASSUMED_RATE = 0.02
"""The share of a frame in where the floor is that nobody's feet are seen on."""
ENOUGH = 2.0
"""Looks after which what is learnt counts as an estimate."""
FORGOTTEN = 0.01
"""Looks that are left of somebody whose place is dropped."""
_PRIOR = np.eye(2) / LEVEL_TILT**2


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody has said: pitch and roll in radians as `World.tilted` takes them, the height in metres; or all of
    it, as a `world`."""

    pitch: float | None = None
    roll: float | None = None
    height: float | None = None
    world: World | None = None


@dataclass(slots=True)
class _Stand:
    """Where a person has stood: the normal equations of a x + b z + h = y over their soles."""

    information: Reals = field(default_factory=lambda: np.zeros((3, 3)))
    right: Reals = field(default_factory=lambda: np.zeros(3))


class WorldEstimator:
    """The world of one camera, frame by frame.

    Up is (a, -1, b), and a sole that stands on the floor is at y = a x + b z + h: three numbers, linear in what is
    seen, so that least squares over all frames, in which old ones fade, need the normal equations only. Upright people
    say up (poorly in depth), feet that stand still are level, and soles of who walks lie in a plane; each person has
    an h of their own, as nobody knows how tall they are. Who does not stand says nothing.
    """

    def __init__(self, given: Given | None = None) -> None:
        self._given = given or Given()
        self._forget()

    def _forget(self) -> None:
        self._information, self._right, self._looks = _PRIOR.copy(), np.zeros(2), 0.0
        self._stands: dict[int, _Stand] = {}
        self._assumed: float | None = None
        self._slopes: Reals = np.zeros(2)
        self._walked = 0.0

    def __call__(self, legs: Legs | None, dt: Reals, velocity: Reals, cut: bool = False) -> World:
        """The world as it is known with one more frame, in which there are these `legs` of P people, or nobody's.

        `dt` (P,) are the seconds since each was seen last and `velocity` (P, 2, 2, 3) those of their soles in m/s, not
        a number where nobody knows. After a `cut` all is forgotten.
        """
        if self._given.world is not None:
            return self._given.world
        if cut:
            self._forget()
        if legs is not None:
            self._take(legs, dt, velocity)
        self._slopes = self._solved()
        return self._world()

    def _world(self) -> World:
        given = self._given
        slopes = self._shrunk()
        learnt = self._looks >= ENOUGH
        pitch, roll = tilt(np.array([slopes[0], -1.0, slopes[1]])) if learnt else (0.0, 0.0)
        pitch = pitch if given.pitch is None else given.pitch
        roll = roll if given.roll is None else given.roll
        origin = WorldOrigin.ESTIMATED if learnt else WorldOrigin.LEVEL
        if given.pitch is not None and given.roll is not None:
            origin = WorldOrigin.GIVEN
        up = World.tilted(pitch, roll, 0.0).up.astype(np.float64)
        if given.height is not None:
            return World.tilted(pitch, roll, given.height, origin, FloorOrigin.GIVEN)
        height, floor = self._height(-up[[0, 2]] / up[1])
        return World.tilted(pitch, roll, height * -up[1], origin, floor)

    def _shrunk(self) -> Reals:
        """The slopes, none where they are so small that the camera is rather level."""
        level, tilted = (bounds[0] + self._walked * (bounds[1] - bounds[0]) for bounds in (LEVEL, TILTED))
        size = np.abs(self._slopes)
        shrunk = np.minimum(np.maximum(size - level, 0) * tilted / (tilted - level), size)
        return np.asarray(np.sign(self._slopes) * shrunk)

    def _height(self, slopes: Reals) -> tuple[float, FloorOrigin]:
        """How far below the lens the floor of these slopes is, along y, and how that is known."""
        weight = sum(stand.information[2, 2] for stand in self._stands.values())
        if weight > 0:
            known = sum(stand.right[2] - stand.information[2, :2] @ slopes for stand in self._stands.values())
            return float(known / weight), FloorOrigin.ESTIMATED
        return ASSUMED_HEIGHT if self._assumed is None else self._assumed, FloorOrigin.ASSUMED

    def _solved(self) -> Reals:
        """The slopes a and b."""
        information, right = self._information.copy(), self._right.copy()
        for stand in self._stands.values():
            own = stand.information
            if own[2, 2] > 0:  # with the person's own h eliminated
                information += own[:2, :2] - np.outer(own[:2, 2], own[2, :2]) / own[2, 2]
                right += stand.right[:2] - own[:2, 2] * stand.right[2] / own[2, 2]
        self._walked = float(1 - self._information[1, 1] / information[1, 1])
        return np.linalg.solve(information, right)

    def _take(self, legs: Legs, dt: Reals, velocity: Reals) -> None:
        """Takes in the people of one frame."""
        stands = legs.seen.all(1) & (legs.knees < KNEES) & (dt > 0)
        seconds = np.where(stands, np.exp(-((legs.hips / HIPS) ** 2)) * np.where(stands, dt, 0), 0)
        if stands.any():
            self._fade(float(seconds.max()))
        elif self._looks < ENOUGH and not legs.seen.all():
            self._assume_floor(float(legs.soles[~legs.seen.all(1), ..., 1].max()))
        for k in np.flatnonzero(stands):
            self._look(legs, int(k), float(seconds[k]) / ALIKE, velocity[k])

    def _look(self, legs: Legs, k: int, weight: float, velocity: Reals) -> None:
        """Takes in person `k`, who stands; `velocity` (2, 2, 3) is that of the soles."""
        self._looks += weight
        forward = legs.forward[k]
        axis = legs.neck[k] - legs.ankles[k].mean(0)
        self._learn_axis(axis / np.linalg.norm(axis), forward.mean(0), weight)
        speed = np.sqrt((velocity**2).sum(-1)).min(-1).max()
        self._learn_feet(forward, weight * float(np.exp(-((speed / STILL) ** 2))))
        self._learn_floor(self._stands.setdefault(legs.ids[k], _Stand()), legs.soles[k].reshape(4, 3), weight)

    def _fade(self, seconds: float) -> None:
        """What was learnt before weighs less, and is dropped at last."""
        left = np.exp(-seconds / MEMORY)
        self._information = _PRIOR + left * (self._information - _PRIOR)
        self._right *= left
        for id_, stand in list(self._stands.items()):
            stand.information *= left
            stand.right *= left
            if stand.information[2, 2] * SOLE**2 < FORGOTTEN and len(self._stands) > 1:
                del self._stands[id_]

    def _learn_axis(self, axis: Reals, forward: Reals, weight: float) -> None:
        """Takes in which way (3,) somebody is upright, from the ankles to the neck."""
        axis = axis - FORWARD * forward
        if axis[1] > -0.3:  # lies, or hangs head first
            return
        sure = weight / TRUNK**2
        self._information[[0, 1], [0, 1]] += sure
        away = axis[2] / -axis[1] - LEAN
        self._right += sure * np.array([axis[0] / -axis[1], away / (GAIN_UP if away > 0 else GAIN_DOWN)])

    def _learn_feet(self, forward: Reals, weight: float) -> None:
        """Takes in feet (2, 3) that stand on the floor: (a, -1, b) . forward = 0."""
        across = forward[:, [0, 2]] * [1.0, FOOT_GAIN]
        sure = weight / FOOT**2
        self._information += sure * across.T @ across
        self._right += sure * across.T @ (forward[:, 1] - FOOT_LEAN * forward[:, 2])

    def _learn_floor(self, stand: _Stand, corners: Reals, weight: float) -> None:
        """Takes in the lowest corner of somebody's soles (4, 3): a x + b z + h = y."""
        x, y, z = corners[np.argmin(corners @ [self._slopes[0], -1.0, self._slopes[1]])]
        row = np.array([x, z, 1.0])
        sure = weight / SOLE**2
        stand.information += sure * np.outer(row, row)
        stand.right += sure * y * row

    def _assume_floor(self, lowest: float) -> None:
        """Takes in the lowest sole of legs of which some are not seen, and which rest straight."""
        before = lowest if self._assumed is None else self._assumed
        self._assumed = before + ASSUMED_RATE * (lowest - before)
