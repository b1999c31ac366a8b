"""What is believed of people in a frame: bodies, hands and faces, as the networks saw them."""

from dataclasses import dataclass, replace

import numpy as np
from pymafx_live.core.arrays import Reals


@dataclass(frozen=True, slots=True)
class Hand:
    """One believed hand: `xy` (21, 2) pixels, `world` (21, 3) metres, `score`, its region's `centre` (2,).

    `held` says that it is an earlier frame's, moved along with the wrist.
    """

    xy: Reals
    world: Reals
    score: float
    centre: Reals
    held: bool = False

    def moved(self, step: Reals) -> "Hand":
        """The hand `step` (2,) pixels away, held."""
        return replace(self, xy=self.xy + step, centre=self.centre + step, held=True)


@dataclass(frozen=True, slots=True)
class Face:
    """One believed face: `xyz` (478, 3) pixels, `blendshapes` (52,), `score`, its region's `centre` (2,).

    `held` says that it is an earlier frame's, moved along with the head.
    """

    xyz: Reals
    blendshapes: Reals
    score: float
    centre: Reals
    held: bool = False

    def moved(self, step: Reals) -> "Face":
        """The face `step` (2,) pixels away, held."""
        return replace(self, xyz=self.xyz + np.append(step, 0).astype(np.float32), centre=self.centre + step, held=True)


@dataclass(frozen=True, slots=True)
class Sight:
    """What is believed of one person: `xy` (33, 2), `visibility` (33,), `world` (33, 3), hands and face if any.

    `visibility` is 0 outside of the picture. `side` is the body region's side in pixels: landmark errors grow with it.
    """

    xy: Reals
    visibility: Reals
    world: Reals
    score: float
    centre: Reals
    side: float
    hands: dict[str, Hand]
    face: Face | None
