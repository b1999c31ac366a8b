"""From a frame and its tracks to landmarks: where to look, what the networks see, and what of it is believed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from pymafx_live.engines.arrays import Image, Mask, Reals
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks import gates
from pymafx_live.engines.landmarks.ahead import LookingAhead, Workers
from pymafx_live.engines.landmarks.networks import (
    BodyLandmarks,
    BodyNetwork,
    FaceLandmarks,
    FaceNetwork,
    HandLandmarks,
    HandNetwork,
)
from pymafx_live.engines.landmarks.regions import (
    Regions,
    body_from_landmarks,
    concatenate,
    face_from_body,
    face_from_landmarks,
    from_box,
    hand_from_forearm,
    hand_from_knuckles,
    hand_from_landmarks,
)
from pymafx_live.engines.landmarks.rest import FaceRest

Landmarks = BodyLandmarks | HandLandmarks | FaceLandmarks
BOX_MARGIN = 1.25
RETRY = 5
"""Every so many frames a hand that is not found is sought in a second way."""
# shoulder, elbow, wrist, index and pinky knuckles of each arm among the body's landmarks
ARMS = {"left": (11, 13, 15, 19, 17), "right": (12, 14, 16, 20, 18)}


@dataclass(slots=True)
class Gaze:
    """Where one track's networks look next: one-row regions, or None where they must be found anew."""

    body: Regions | None = None
    hands: dict[str, Regions | None] = field(default_factory=lambda: {"left": None, "right": None})
    face: Regions | None = None
    misses: dict[str, int] = field(default_factory=lambda: {"left": 0, "right": 0})
    """For how many frames each hand has been sought in vain."""
    face_rest: FaceRest = field(default_factory=FaceRest)


@dataclass(frozen=True, slots=True)
class Hand:
    """One believed hand: `xy` (21, 2) pixels, `world` (21, 3) metres, `score`, its region's `centre` (2,)."""

    xy: Reals
    world: Reals
    score: float
    centre: Reals


@dataclass(frozen=True, slots=True)
class Face:
    """One believed face: `xyz` (478, 3) pixels, `blendshapes` (52,), `score`, its region's `centre` (2,).

    `held` says that it is the frame before's, because nothing was moving.
    """

    xyz: Reals
    blendshapes: Reals
    score: float
    centre: Reals
    held: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """What is believed of one person: `xy` (33, 2), `visibility` (33,), `world` (33, 3), hands and face if any.

    `side` is the body region's side in pixels: landmark errors grow with it.
    """

    xy: Reals
    visibility: Reals
    world: Reals
    score: float
    centre: Reals
    side: float
    hands: dict[str, Hand]
    face: Face | None


class Perception:
    """Runs the networks, each once for all people, on regions that follow the tracks."""

    def __init__(self, threads: int = 0, runtime: str = "auto", pictures: Pictures | None = None) -> None:
        """`pictures` is shared with whoever else looks at the same frames."""
        pictures = pictures or Pictures()
        self.body = BodyNetwork(threads, runtime, pictures)
        self.hand = HandNetwork(threads, runtime, pictures)
        self.face = FaceNetwork(threads, runtime, pictures)
        device = self.body.networks[0].device
        self._workers = Workers(threads, device)
        self._hands, self._faces = LookingAhead(self.hand, self._workers), LookingAhead(self.face, self._workers)
        self._lane = pictures.lane(device)
        self.stages: dict[str, float] = {}

    def close(self) -> None:
        """Gives back what the networks hold."""
        self._workers.close()
        for network in (*self.body.networks, *self.hand.networks, *self.face.networks):
            network.close()

    def look(self, bgr: Image, boxes: Reals, gazes: Sequence[Gaze]) -> list[Sight | None]:
        """What is believed of each person in boxes (N, 4); moves the `gazes` on to the next frame."""
        with self._lane:
            return self._look(bgr, boxes, gazes)

    def _look(self, bgr: Image, boxes: Reals, gazes: Sequence[Gaze]) -> list[Sight | None]:
        sights: list[Sight | None] = [None] * len(gazes)
        self.stages = dict.fromkeys(("body", "hands", "face"), 0.0)
        if not gazes:
            return sights
        clock = [perf_counter()]
        self._look_ahead(bgr, gazes)
        found, regions, good = self.bodies(bgr, boxes, gazes)
        clock.append(perf_counter())
        people = np.nonzero(good)[0].tolist()
        seen = [gazes[n] for n in people]
        xy, visibility = found.xy[people], found.visibility[people]
        faces = self.faces(bgr, xy, visibility, seen)  # before the hands, which another core is looking at
        clock.append(perf_counter())
        hands = self.hands(bgr, xy, visibility, seen)
        clock.append(perf_counter())
        following = body_from_landmarks(found.xy)
        for n in range(len(gazes)):
            gazes[n].body = following[n : n + 1] if good[n] else None
        for k, n in enumerate(people):
            sights[n] = Sight(
                xy[k, :33], visibility[k, :33], found.world[n, :33], float(found.score[n]),
                regions.centre[n], float(regions.side[n]), hands[k], faces[k],
            )  # fmt: skip
        self.stages = dict(zip(("body", "face", "hands"), np.diff(clock).tolist(), strict=True))
        return sights

    def _look_ahead(self, bgr: Image, gazes: Sequence[Gaze]) -> None:
        """Begins with the hands and faces that are followed."""
        hands = [region for gaze in gazes for region in gaze.hands.values() if region is not None]
        faces = [gaze.face for gaze in gazes if gaze.face is not None and not gaze.face_rest.due]
        self._hands.begin(bgr, concatenate(hands) if hands else None)
        self._faces.begin(bgr, concatenate(faces) if faces else None)

    def bodies(
        self, bgr: Image, boxes: Reals, gazes: Sequence[Gaze]
    ) -> tuple[BodyLandmarks, Regions, NDArray[np.bool_]]:
        """Body landmarks of N people, the regions that showed them, and which of them are believed.

        A region of the frame before is used while its skeleton holds; else the box is looked at twice, the
        second time upright along the body.
        """
        regions = from_box(boxes, BOX_MARGIN)
        known = [g.body for g in gazes]
        old = np.array([r is not None for r in known], bool)
        if old.any():
            previous = concatenate([r for r in known if r is not None])
            regions.centre[old], regions.side[old], regions.angle[old] = (
                previous.centre, previous.side, previous.angle,
            )  # fmt: skip
        found = self.body(bgr, regions)
        good = gates.believable_bodies(found.score, found.xy[:, :33], found.visibility[:, :33], boxes)
        again = ~(old & good)
        if again.any():
            lost = old & ~good
            if lost.any():  # the followed region slipped: begin from the box
                fresh = from_box(boxes[lost], BOX_MARGIN)
                _put(regions, lost, fresh)
                _put_landmarks(found, lost, self.body(bgr, fresh))
            upright = body_from_landmarks(found.xy[again])
            _put(regions, again, upright)
            _put_landmarks(found, again, self.body(bgr, upright))
            good = gates.believable_bodies(found.score, found.xy[:, :33], found.visibility[:, :33], boxes)
        return found, regions, good

    def hands(self, bgr: Image, xy: Reals, visibility: Reals, gazes: Sequence[Gaze]) -> list[dict[str, Hand]]:
        """The believed hands of N believed bodies (N, 39, 2), at most one per arm.

        An arm that ends in a hand of the other side is somebody else's from the wrist on: its `visibility`
        (N, 39) there is set to 0.
        """
        found: list[dict[str, Hand]] = [{} for _ in gazes]
        jobs = [(n, side) for n in range(len(gazes)) for side in ARMS]
        jobs = [(n, s) for n, s in jobs if gazes[n].hands[s] is not None or visibility[n, ARMS[s][2]] > 0.5]
        if not jobs:
            return found
        followed = np.array([gazes[n].hands[s] is not None for n, s in jobs])
        people, arms = np.array([n for n, _ in jobs]), np.array([ARMS[s] for _, s in jobs])
        regions = hand_from_forearm(xy[people], arms)
        if followed.any():
            _put(regions, followed, concatenate([r for n, s in jobs if (r := gazes[n].hands[s]) is not None]))
        seen = self._hands(bgr, regions)
        self._look_closer(bgr, regions, seen, ~followed)
        good = self._own(seen, xy, visibility, people, arms)
        retry = ~good & np.array([gazes[n].misses[s] % RETRY == 0 for n, s in jobs])
        if retry.any():  # framed from the knuckles by a network made for it
            framed = self.hand.frame(bgr, hand_from_knuckles(xy[people[retry]], arms[retry]))
            _put(regions, retry, framed)
            _put_landmarks(seen, retry, self.hand(bgr, framed))
            self._look_closer(bgr, regions, seen, retry)
            good = self._own(seen, xy, visibility, people, arms)
        foreign = gates.other_side(seen.right, np.array([s == "right" for _, s in jobs])) & (seen.score > 0.9)
        for n, arm in zip(people[foreign], arms[foreign], strict=True):
            visibility[n, [*arm[2:], arm[2] + 6]] = 0
        good &= ~foreign
        following = hand_from_landmarks(seen.xy)
        for i, (n, side) in enumerate(jobs):
            gazes[n].hands[side] = following[i : i + 1] if good[i] else None
            gazes[n].misses[side] = 0 if good[i] else gazes[n].misses[side] + 1
            if good[i]:
                found[n][side] = Hand(seen.xy[i], seen.world[i], float(seen.score[i]), regions.centre[i])
        return found

    def _look_closer(self, bgr: Image, regions: Regions, seen: HandLandmarks, where: Mask) -> None:
        """Runs the hand network again on regions about what it found: its answer depends on the framing."""
        where = where & (seen.score > 0.1)
        if where.any():
            _put(regions, where, hand_from_landmarks(seen.xy[where]))
            _put_landmarks(seen, where, self.hand(bgr, regions[where]))

    @staticmethod
    def _own(
        seen: HandLandmarks, xy: Reals, visibility: Reals, people: NDArray[np.intp], arms: NDArray[np.intp]
    ) -> Mask:
        elbow, wrist = xy[people, arms[:, 1]], xy[people, arms[:, 2]]
        jobs = np.arange(len(people))
        return gates.believable_hands(seen.score, seen.xy, elbow, wrist, visibility[people, arms[:, 2]], jobs)

    def faces(self, bgr: Image, xy: Reals, visibility: Reals, gazes: Sequence[Gaze]) -> list[Face | None]:
        """The believed faces of N believed bodies (N, 39, 2); a new one is looked at twice.

        While nothing moves in a face, the one of the frame before does for every second frame.
        """
        found = [gaze.face_rest.take(points) for gaze, points in zip(gazes, xy, strict=True)]
        jobs = [n for n in range(len(gazes)) if gazes[n].face is not None or visibility[n, [0, 2, 5]].min() > 0.5]
        jobs = [n for n in jobs if found[n] is None]
        if not jobs:
            return found
        guess = face_from_body(xy[jobs])
        kept = [gazes[n].face for n in jobs]
        regions = concatenate([guess[i : i + 1] if r is None else r for i, r in enumerate(kept)])
        seen = self._faces(bgr, regions)
        new = np.array([r is None for r in kept])
        if new.any():
            closer = face_from_landmarks(seen.xyz[new, :, :2])
            _put(regions, new, closer)
            _put_landmarks(seen, new, self.face(bgr, closer))
        good = gates.believable_faces(seen.score, seen.xyz[..., :2], xy[jobs])
        following = face_from_landmarks(seen.xyz[..., :2])
        for i, n in enumerate(jobs):
            gazes[n].face = following[i : i + 1] if good[i] else None
            if good[i]:
                found[n] = Face(seen.xyz[i], seen.blendshapes[i], float(seen.score[i]), regions.centre[i])
            gazes[n].face_rest.note(found[n], xy[n])
        return found


def _put(regions: Regions, where: NDArray[np.bool_], new: Regions) -> None:
    """Overwrites some regions in place."""
    regions.centre[where], regions.side[where], regions.angle[where] = new.centre, new.side, new.angle


def _put_landmarks(landmarks: Landmarks, where: NDArray[np.bool_], new: Landmarks) -> None:
    """Overwrites some people's landmarks in place."""
    for name in landmarks.__slots__:
        getattr(landmarks, name)[where] = getattr(new, name)
