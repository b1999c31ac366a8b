"""From a frame and its tracks to landmarks: where to look, what the networks see, and what of it is believed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Indices, Mask, Reals
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks import gates, search
from pymafx_live.engines.landmarks.ahead import LookingAhead, Workers
from pymafx_live.engines.landmarks.cutter import Cutter, Look
from pymafx_live.engines.landmarks.gpu_graphs import CELLS
from pymafx_live.engines.landmarks.networks import (
    BodyLandmarks,
    BodyNetwork,
    FaceLandmarks,
    FaceNetwork,
    HandLandmarks,
    HandNetwork,
)
from pymafx_live.engines.landmarks.regions import (
    ImageBatch,
    Regions,
    body_from_landmarks,
    concatenate,
    face_from_body,
    face_from_landmarks,
    hand_from_forearm,
    hand_from_knuckles,
    hand_from_landmarks,
    height,
)
from pymafx_live.engines.landmarks.rest import FaceRest, HandRest
from pymafx_live.engines.landmarks.sight import Face, Hand, Sight

Landmarks = BodyLandmarks | HandLandmarks | FaceLandmarks
KEPT, DOUBT, SURELY = 0.2, 0.5, 1.2
"""A skeleton that agrees less than `KEPT` with its box is lost; below `DOUBT` another is sought, and taken where it
agrees so many times as well."""
SELDOM = 15
"""A search costs as much as ten bodies: at most so many frames lie between one and the next."""
EDGE = 0.03
"""How near to the picture's edge knees are not believed, as a part of the region's side."""
SURE_WRIST, LARGE_HAND, AT_ELBOW = 0.85, 40, 0.08
"""A wrist less visible than that must have a hand, where a hand's region of so many pixels would show one; so near to
the elbow, as a part of the person's height, it must have one however visible it is below that."""
RETRY = 5
"""For so many frames a hand that is not found is sought in each, then in every so many."""
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
    hand_rests: dict[str, HandRest] = field(default_factory=lambda: {"left": HandRest(), "right": HandRest()})
    ratio: float = 0.0
    """The side of the body's region in spans of the upper body; 0 before there was one."""
    waited: int = 0
    pause: int = 0
    """For how many frames a body that is lost or doubted has not been sought, and for how many it need not be."""
    lost: bool = True

    def at_most(self, hands_every: int, face_every: int) -> None:
        """Followed hands and faces are looked at in every so many-th frame at most."""
        self.face_rest.every = face_every
        for rest in self.hand_rests.values():
            rest.every = hands_every

    def lose_parts(self) -> None:
        """The body is not believed in this frame: hands and face do not rest in the next."""
        self.face_rest.lost()
        for rest in self.hand_rests.values():
            rest.lost()

    def hand_due(self, side: str) -> bool:
        """Whether a hand that is not followed is to be sought in this frame: at first at once, then now and then."""
        return self.misses[side] < RETRY or self.misses[side] % RETRY == 0

    def due(self, lost: bool, doubted: bool) -> bool:
        """Whether the body is to be sought in this frame: at once, then ever less often where it is lost.

        Somebody of whom too little is in the picture would slow down everybody else.
        """
        if lost != self.lost or not (lost or doubted):
            self.waited = self.pause = 0
        self.lost = lost
        if not (lost or doubted):
            return False
        self.waited += 1
        if self.waited <= self.pause:
            return False
        self.waited, self.pause = 0, min(self.pause + 2, SELDOM) if lost else SELDOM
        return True


class Perception:
    """Runs the networks, each once for all people, on regions that follow the tracks."""

    def __init__(self, threads: int = 0, runtime: str = "auto", pictures: Pictures | None = None) -> None:
        """`pictures` is shared with whoever else looks at the same frames."""
        pictures = pictures or Pictures()
        self._cutter = cutter = Cutter(pictures)
        self.body = BodyNetwork(threads, runtime, cutter)
        self.hand = HandNetwork(threads, runtime, cutter)
        self.face = FaceNetwork(threads, runtime, cutter)
        device = self.body.networks[0].device
        self._device = device if self.body.networks[0].takes_bytes else "cpu"
        self._workers = Workers(threads, device)
        self._hands, self._faces = LookingAhead(self.hand, self._workers), LookingAhead(self.face, self._workers)
        self._lane = pictures.lane(device)

    def close(self) -> None:
        """Gives back what the networks hold."""
        self._workers.close()
        for network in (*self.body.networks, *self.hand.networks, *self.face.networks):
            network.close()

    def look(
        self, images: ImageBatch, boxes: Reals, gazes: Sequence[Gaze]
    ) -> tuple[list[Sight | None], dict[str, float]]:
        """What is believed of each of N people in boxes (N, 4) of `images`, and the seconds that each network took.

        Moves the `gazes` on to the next frame.
        """
        with self._lane:
            return self._look(images, boxes, gazes)

    def _look(
        self, images: ImageBatch, boxes: Reals, gazes: Sequence[Gaze]
    ) -> tuple[list[Sight | None], dict[str, float]]:
        sights: list[Sight | None] = [None] * len(gazes)
        if not gazes:
            return sights, dict.fromkeys(("body", "hands", "face"), 0.0)
        clock = [perf_counter()]
        self._look_ahead(images, gazes)
        found, regions, good = self.bodies(images, boxes, gazes)
        clock.append(perf_counter())
        people = np.nonzero(good)[0].tolist()
        seen, shown = [gazes[n] for n in people], images[np.nonzero(good)[0]]
        xy, visibility = found.xy[people], found.visibility[people]
        visibility *= in_picture(xy, EDGE * regions.side[people, None], shown.sizes)
        faces = self.faces(shown, xy, visibility, seen)  # before the hands, which another core is looking at
        clock.append(perf_counter())
        hands = self.hands(shown, xy, visibility, seen)
        self._doubt_wrists(visibility, xy, hands)
        clock.append(perf_counter())
        following = body_from_landmarks(found.xy)
        for n in range(len(gazes)):
            gazes[n].body = None
            if not good[n]:
                gazes[n].lose_parts()
        for k, n in enumerate(people):
            _steady(gazes[n], following, regions, found.xy, visibility[k], n)
            gazes[n].body = following[n : n + 1]
            sights[n] = Sight(
                xy[k, :33], visibility[k, :33], found.world[n, :33], float(found.score[n]),
                regions.centre[n], float(regions.side[n]), hands[k], faces[k],
            )  # fmt: skip
        return sights, dict(zip(("body", "face", "hands"), np.diff(clock).tolist(), strict=True))

    def _look_ahead(self, images: ImageBatch, gazes: Sequence[Gaze]) -> None:
        """Begins with the hands and faces that are followed."""
        hands = [
            (n, region) for n, gaze in enumerate(gazes) for side, region in gaze.hands.items()
            if region is not None and not gaze.hand_rests[side].due
        ]  # fmt: skip
        faces = [(n, g.face) for n, g in enumerate(gazes) if g.face is not None and not g.face_rest.due]
        bodies = [(n, g.body) for n, g in enumerate(gazes) if g.body is not None]
        looks = [
            Look(images[np.array([n for n, _ in known])], concatenate([region for _, region in known]), size)
            if known else None
            for known, size in ((hands, self.hand.SIZE), (faces, self.face.SIZE), (bodies, self.body.SIZE))
        ]  # fmt: skip
        self._cutter.begin([look for look in looks if look], self._device)
        for network, look in ((self._hands, looks[0]), (self._faces, looks[1])):
            network.begin(images if look is None else look.images, None if look is None else look.regions)

    def bodies(self, images: ImageBatch, boxes: Reals, gazes: Sequence[Gaze]) -> tuple[BodyLandmarks, Regions, Mask]:
        """Body landmarks of N people, the regions that showed them, and which of them are believed.

        A region of the frame before is used while its skeleton holds. Who is new or lost is searched, and so is now
        and then whose skeleton agrees badly with the box.
        """
        known = np.array([g.body is not None for g in gazes], bool)
        regions, found, agreed = _nobody(len(gazes))
        if known.any():
            _put(regions, known, concatenate([g.body for g in gazes if g.body is not None]))
            seen, agreed[known] = self._see(images, regions[known], boxes, np.nonzero(known)[0])
            _put_landmarks(found, known, seen)
        # What is left of somebody who goes would be taken for a smaller body, farther off.
        going = search.leaving(boxes, images.sizes) & np.array([g.ratio > 0 for g in gazes], bool)
        agreed[going & (agreed < DOUBT)] = 0
        lost = ~known | ~self._believed(images, found, boxes, agreed)
        sought = np.nonzero([not going[n] and g.due(bool(lost[n]), agreed[n] < DOUBT) for n, g in enumerate(gazes)])[0]
        if len(sought):
            seen, fresh, agreement = self._search(images, boxes, sought)
            better = (agreement >= search.FOUND) & (lost[sought] | (agreement > SURELY * agreed[sought]))
            _put(regions, sought[better], fresh[better])
            _put_landmarks(found, sought[better], seen[better])
            agreed[sought[better]] = agreement[better]
        return found, regions, self._believed(images, found, boxes, agreed)

    @staticmethod
    def _believed(images: ImageBatch, found: BodyLandmarks, boxes: Reals, agreed: Reals) -> Mask:
        good = agreed >= KEPT
        for rows in images.groups():
            xy, visibility = found.xy[rows, :33], found.visibility[rows, :33]
            good[rows] &= gates.believable_bodies(found.score[rows], xy, visibility, boxes[rows])
        return np.asarray(good)

    def _search(self, images: ImageBatch, boxes: Reals, who: NDArray[np.intp]) -> tuple[BodyLandmarks, Regions, Reals]:
        """The best skeletons of the people `who` (K,) among boxes (N, 4), their regions and agreement.

        The best of all regions that are tried is looked at a second time, upright along the body, and where it agrees
        badly a third time.
        """
        regions, owner = search.candidates(boxes[who], images.sizes[who])
        found, agreed = self._see(images, regions, boxes, who[owner])
        best = np.array([np.argmax(np.where(owner == k, agreed, -1)) for k in range(len(who))])
        upright = body_from_landmarks(found.xy[best])
        closer, again = self._see(images, upright, boxes, who)
        worse = again < agreed[best]
        _put(upright, worse, regions[best][worse])
        _put_landmarks(closer, worse, found[best][worse])
        agreed = np.maximum(again, agreed[best])
        unsure = np.nonzero((agreed >= search.FOUND) & (agreed < search.SURE))[0]
        if len(unsure):  # what is nobody agrees once by chance, and not where it leads
            _, third = self._see(images, body_from_landmarks(closer.xy[unsure]), boxes, who[unsure])
            agreed[unsure] = np.where(third >= search.FOUND, agreed[unsure], 0)
        return closer, upright, agreed

    def _see(
        self, images: ImageBatch, regions: Regions, boxes: Reals, owner: NDArray[np.intp]
    ) -> tuple[BodyLandmarks, Reals]:
        """The skeletons in M regions, and how well they agree with the boxes (N, 4) of their `owner` (M,)."""
        hidden = search.others(regions, boxes, owner, images.index, CELLS)
        shown = images[owner]
        found = self.body(shown, regions, hidden)
        return found, search.agreement(found, regions, boxes[owner], shown.sizes)

    def hands(self, images: ImageBatch, xy: Reals, visibility: Reals, gazes: Sequence[Gaze]) -> list[dict[str, Hand]]:
        """The believed hands of N believed bodies (N, 39, 2), at most one per arm.

        An arm that ends in a hand of another person is theirs from the wrist on: its `visibility` (N, 39) there is set
        to 0.
        """
        found = [self._held_hands(gaze, points) for gaze, points in zip(gazes, xy, strict=True)]
        jobs = [(n, side) for n in range(len(gazes)) for side in ARMS if side not in found[n]]
        jobs = [(n, s) for n, s in jobs if gazes[n].hands[s] is not None or visibility[n, ARMS[s][2]] > 0.5]
        if not jobs:
            return found
        arms = _Arms(images, xy, visibility, jobs)
        followed = np.array([gazes[n].hands[s] is not None for n, s in jobs])
        regions = hand_from_forearm(xy[arms.person], arms.points)
        seen = _no_hands(len(jobs))
        if followed.any():
            _put(regions, followed, concatenate([r for n, s in jobs if (r := gazes[n].hands[s]) is not None]))
            _put_landmarks(seen, followed, self._hands(images[arms.person[followed]], regions[followed]))
        good = arms.believed(seen)
        visible = np.array([visibility[n, ARMS[s][2]] > 0.5 for n, s in jobs])
        sought = ~good & visible & np.array([gazes[n].hand_due(s) for n, s in jobs])
        if sought.any():
            self._search_hands(arms, np.nonzero(sought)[0], regions, seen)
            good = arms.believed(seen)
        foreign = arms.foreign(seen)
        for n, points in zip(arms.person[foreign], arms.points[foreign], strict=True):
            visibility[n, [*points[2:], points[2] + 6]] = 0
        good &= ~foreign
        following = hand_from_landmarks(seen.xy)
        for i, (n, side) in enumerate(jobs):
            gazes[n].hands[side] = following[i : i + 1] if good[i] else None
            gazes[n].misses[side] = 0 if good[i] else gazes[n].misses[side] + 1
            if good[i]:
                found[n][side] = Hand(seen.xy[i], seen.world[i], float(seen.score[i]), regions.centre[i])
            gazes[n].hand_rests[side].note(found[n].get(side), xy[n, ARMS[side][2]], gazes[n].hands[side])
        return found

    @staticmethod
    def _held_hands(gaze: Gaze, xy: Reals) -> dict[str, Hand]:
        """The hands of a body (39, 2) that need not be looked at in this frame."""
        held = {}
        for side, points in ARMS.items():
            if gaze.hands[side] is not None and (kept := gaze.hand_rests[side].take(xy[points[2]])) is not None:
                held[side], gaze.hands[side] = kept
        return held

    @staticmethod
    def _doubt_wrists(visibility: Reals, xy: Reals, found: Sequence[Mapping[str, Hand]]) -> None:
        """Lowers the visibility (N, 39) of wrists that are hardly seen and have no hand: they are behind something.

        The network draws the wrist of a forearm that it does not see at the elbow, as if it pointed at the camera.
        """
        for side, points in ARMS.items():
            elbow, wrist = points[1:3]
            forearm = np.linalg.norm(xy[:, wrist] - xy[:, elbow], axis=1)
            large = hand_from_forearm(xy, np.tile(np.array(points), (len(xy), 1))).side > LARGE_HAND
            missing = np.array([side not in hands for hands in found], bool)
            hidden = large & missing & (visibility[:, wrist] < SURE_WRIST)
            hidden &= (visibility[:, wrist] > 0.5) | (forearm < AT_ELBOW * height(xy))
            for k in (*points[2:], wrist + 6):
                visibility[hidden, k] *= 0.25

    def _search_hands(self, arms: "_Arms", which: NDArray[np.intp], regions: Regions, seen: HandLandmarks) -> None:
        """Looks for the hands of some arms along the forearm and about the knuckles, and again about the better one.

        The hand network's answer depends on its framing. Updates `regions` and `seen` in place.
        """
        xy, points = arms.xy[which], arms.points[which]
        tried = concatenate([hand_from_forearm(xy, points), hand_from_knuckles(xy, points)])
        shown = arms.images[arms.person[which]]
        first = self.hand(arms.images[np.tile(arms.person[which], 2)], tried)
        value = arms.likeness(first, np.concatenate([which, which])).reshape(2, -1)
        best = value.argmax(0) * len(which) + np.arange(len(which))
        _put(regions, which, tried[best])
        _put_landmarks(seen, which, first[best])
        likely = value.max(0) > 0
        again = which[likely]
        if len(again):
            closer = hand_from_landmarks(seen.xy[again])
            second = self.hand(shown[likely], closer)
            better = arms.likeness(second, again) >= arms.likeness(seen[again], again)
            _put(regions, again[better], closer[better])
            _put_landmarks(seen, again[better], second[better])

    def faces(self, images: ImageBatch, xy: Reals, visibility: Reals, gazes: Sequence[Gaze]) -> list[Face | None]:
        """The believed faces of N believed bodies (N, 39, 2); a new one is looked at twice.

        While nothing moves in a face, the one of the frame before does for every second frame.
        """
        found = [gaze.face_rest.take(points) for gaze, points in zip(gazes, xy, strict=True)]
        for gaze, kept in zip(gazes, found, strict=True):
            if kept is not None and gaze.face_rest.every > 1:
                gaze.face = face_from_landmarks(kept.xyz[None, :, :2])
        jobs = [n for n in range(len(gazes)) if gazes[n].face is not None or visibility[n, [0, 2, 5]].min() > 0.5]
        jobs = [n for n in jobs if found[n] is None]
        if not jobs:
            return found
        guess = face_from_body(xy[jobs])
        followed = [gazes[n].face for n in jobs]
        regions = concatenate([guess[i : i + 1] if r is None else r for i, r in enumerate(followed)])
        shown = images[np.array(jobs, np.intp)]
        seen = self._faces(shown, regions)
        new = np.array([r is None for r in followed])
        if new.any():
            closer = face_from_landmarks(seen.xyz[new, :, :2])
            _put(regions, new, closer)
            _put_landmarks(seen, new, self.face(shown[new], closer))
        good = gates.believable_faces(seen.score, seen.xyz[..., :2], xy[jobs])
        following = face_from_landmarks(seen.xyz[..., :2])
        for i, n in enumerate(jobs):
            gazes[n].face = following[i : i + 1] if good[i] else None
            if good[i]:
                found[n] = Face(seen.xyz[i], seen.blendshapes[i], float(seen.score[i]), regions.centre[i])
            gazes[n].face_rest.note(found[n], xy[n])
        return found


@dataclass(frozen=True, slots=True)
class _Arms:
    """M arms whose hands are sought: bodies (N, 39, 2) and their visibility (N, 39), and the arms' people and sides.

    `images` are the N bodies'.
    """

    images: ImageBatch
    bodies: Reals
    visibility: Reals
    jobs: list[tuple[int, str]]

    @property
    def person(self) -> NDArray[np.intp]:
        """Whose each is, (M,)."""
        return np.array([n for n, _ in self.jobs], np.intp)

    @property
    def points(self) -> NDArray[np.intp]:
        """Their landmarks among the body's, (M, 5)."""
        return np.array([ARMS[s] for _, s in self.jobs], np.intp)

    @property
    def right(self) -> Mask:
        """Which are right arms, (M,)."""
        return np.array([s == "right" for _, s in self.jobs], bool)

    @property
    def xy(self) -> Reals:
        """The body of each arm, (M, 39, 2)."""
        return np.asarray(self.bodies[self.person])

    def ends(self) -> tuple[Reals, Reals, Reals]:
        """Elbows and wrists (M, 2), and the wrists' visibility (M,)."""
        each = np.arange(len(self.jobs))
        xy, points = self.xy, self.points
        return xy[each, points[:, 1]], xy[each, points[:, 2]], self.visibility[self.person, points[:, 2]]

    def believed(self, seen: HandLandmarks) -> Mask:
        """Which of the hands (M, ...) hang on their own arm and are nobody else's."""
        elbow, wrist, visibility = self.ends()
        side = gates.own_side(seen.right, self.right)
        good, person = np.zeros(len(self.jobs), bool), self.person
        for k in self.images[person].groups():
            good[k] = gates.believable_hands(
                seen.score[k], side[k], seen.xy[k], elbow[k], wrist[k], visibility[k], person[k]
            )
        return good

    def likeness(self, seen: HandLandmarks, which: NDArray[np.intp]) -> Reals:
        """How well K hands fit to the arms `which` (K,), 0 where they do not, (K,)."""
        elbow, wrist, visibility = (end[which] for end in self.ends())
        side = gates.own_side(seen.right, self.right[which])
        near = gates.nearness(seen.score, side, seen.xy, elbow, wrist)
        return np.asarray(seen.score * (0.5 + side) * near * (visibility >= gates.HAND_SCORE))

    def foreign(self, seen: HandLandmarks) -> Mask:
        """Which hands are surely of the other side and lie on another person: then the arm's end is theirs, (M,)."""
        side = gates.own_side(seen.right, self.right)
        low, high = self.bodies[:, :33].min(1), self.bodies[:, :33].max(1)
        centre = seen.xy.mean(1)[:, None]
        inside = np.all((centre >= low) & (centre <= high), -1)
        inside &= self.images.index[self.person][:, None] == self.images.index
        inside[np.arange(len(centre)), self.person] = False
        return np.asarray((side < gates.SIDE) & (seen.score > 0.9) & inside.any(1))


def _no_hands(count: int) -> HandLandmarks:
    """Hands that are not found."""
    return HandLandmarks(
        np.zeros(count, np.float32), np.zeros(count, np.float32),
        np.full((count, 21, 2), -1e6, np.float32), np.zeros((count, 21, 3), np.float32),
    )  # fmt: skip


def _steady(gaze: Gaze, following: Regions, regions: Regions, xy: Reals, visibility: Reals, n: int) -> None:
    """Calms a region whose hips are out of sight, in place: guessed hips lead to the next region, and that to others.

    Without an end it would grow and wander from frame to frame. It stays as large, in spans of the upper body, as it
    was when the hips were last seen or the person was found, and takes a part of each small step only.
    """
    span = upper_span(xy[n : n + 1])[0]
    if visibility[[23, 24]].max() >= 0.5 or gaze.ratio == 0:
        gaze.ratio = float((following if gaze.ratio else regions).side[n] / span)
        return
    following.side[n] = gaze.ratio * span
    step = float(np.linalg.norm(following.centre[n] - regions.centre[n]) / regions.side[n])
    share = CALM + (1 - CALM) * min(step / HURRY, 1)
    for now, before in (
        (following.centre, regions.centre), (following.side, regions.side), (following.angle, regions.angle),
    ):  # fmt: skip
        now[n] = before[n] + share * (now[n] - before[n])


CALM, HURRY = 0.25, 0.08
"""The part of a step that a region takes, at least, and from what step on, in its side, it takes all of it."""


def upper_span(xy: Reals) -> Reals:
    """How large heads and shoulders (N, 39, 2) are: about the same from the front and from the side, (N,)."""
    middle = (xy[:, 11] + xy[:, 12]) / 2
    up = np.linalg.norm(xy[:, :11].mean(1) - middle, axis=1)
    across = np.linalg.norm(xy[:, 11] - xy[:, 12], axis=1) / 2
    return np.asarray(np.maximum(np.hypot(up, across), 1e-3))


def in_picture(xy: Reals, margin: Reals, sizes: Indices) -> Mask:
    """Which landmarks (N, 39, 2) lie in pictures of `sizes` (N, 2: width, height), legs and hips by `margin` (N, 1).

    Legs that begin below the picture are drawn up into it by the network, which says that it sees the knees.
    """
    size = sizes[:, None]
    low, high = margin[..., None], size - margin[..., None]
    inside = np.all((xy >= 0) & (xy < size), -1)
    within = np.all((xy >= low) & (xy < high), -1)
    for hip in (23, 24):
        leg = slice(hip + 2, 33, 2)
        inside[:, leg] = within[:, leg] & within[:, hip, None]
    return np.asarray(inside)


def _nobody(count: int) -> tuple[Regions, BodyLandmarks, Reals]:
    """Regions, skeletons and agreement of people of whom nothing is known yet."""
    regions = Regions(np.zeros((count, 2), np.float32), np.ones(count, np.float32), np.zeros(count, np.float32))
    shape = (count, 39)
    found = BodyLandmarks(
        np.zeros(count, np.float32), np.zeros((*shape, 2), np.float32),
        np.zeros(shape, np.float32), np.zeros((*shape, 3), np.float32),
    )  # fmt: skip
    return regions, found, np.zeros(count, np.float32)


def _put(regions: Regions, where: Mask | NDArray[np.intp], new: Regions) -> None:
    """Overwrites some regions in place."""
    regions.centre[where], regions.side[where], regions.angle[where] = new.centre, new.side, new.angle


def _put_landmarks(landmarks: Landmarks, where: Mask | NDArray[np.intp], new: Landmarks) -> None:
    """Overwrites some people's landmarks in place."""
    for name in landmarks.__slots__:
        getattr(landmarks, name)[where] = getattr(new, name)
