"""Where a person's parts are, by the last frame's own estimate: its SMPL-X joints, projected.

The landmark networks then run for new people, every now and then for all, and for whom the estimate is doubted. The
joints lie inside the flesh, so fingertips and the face's outline are added where they are on an average adult.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.boxes import iou
from pymafx_live.core.skeleton import JOINT, SIDES
from pymafx_live.core.types import Camera, Floats, Frame, Origin, Person, Scene, Track, TrackState
from pymafx_live.engines.body.model import Skeleton
from pymafx_live.engines.pymafx.joints import joints_of
from pymafx_live.engines.pymafx.views import Key, Looks, View, Views, by_scene, drop

RELOOK = 10
"""Every so many frames the networks look at a person again: the mesh always has hands, the picture not. Those who came
at once wait for each other, so that no frame takes much longer than the others."""
RECENT = 1.0
"""Seconds for which an estimate says where somebody is who was not estimated meanwhile."""
OVERLAP = 0.5
"""Least IoU of the projected body and the track's box, below which the mesh is on somebody or something else."""
FINGERTIP = 0.8
"""The last joint of a finger to its tip, as a part of the bone before it."""

_EYES = (JOINT["left_eye"], JOINT["right_eye"])
_COCO = [JOINT[f"{s}_{n}"] for n in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for s in SIDES]
"""The last twelve of COCO's keypoints; nose, eyes and ears are made of the eyes."""
_DIGITS = ("thumb", "index", "middle", "ring", "pinky")
_FINGERS = {side: np.array([[JOINT[f"{side}_{d}{k}"] for k in (1, 2, 3)] for d in _DIGITS]) for side in SIDES}
_OUTLINE = np.array([
    [0.052, 0.030, 0.000], [-0.052, 0.030, 0.000], [0.000, 0.035, 0.010], [0.000, -0.040, 0.030],
    [0.000, -0.112, -0.005], [0.035, -0.100, -0.015], [-0.035, -0.100, -0.015],
    [0.066, -0.055, -0.070], [-0.066, -0.055, -0.070], [0.073, 0.000, -0.080], [-0.073, 0.000, -0.080],
], np.float32)  # fmt: skip
"""Where brows, nose, chin and jaw are from the middle of the eyes, in the head's frame (x left, y up, z forward),
metres: breadth and height of the face as in anthropometric surveys (14 to 15 cm at the ears, 11 to 12 from the
eyes' level to the chin)."""


@dataclass(slots=True)
class _Last:
    """A person as last estimated, where its parts were, when, and how many frames ago the networks looked."""

    person: Person
    view: View
    time: float
    frames: int = 0


class MeshViews:
    """The mesh where it is believed, `networks` where not."""

    learns = True

    def __init__(self, networks: Views, skeleton: Skeleton) -> None:
        self._networks, self._skeleton = networks, skeleton
        self._last: dict[Key, _Last] = {}
        self._views: dict[Key, View] = {}

    def look(self, scenes: Sequence[Scene]) -> Looks:
        """See `Views.look`."""
        began = perf_counter()
        for scene in scenes:
            if scene.frame.cut:
                self.forget_last(scene.frame.source, None)
        views = self._project(scenes)
        trusted = {key for key, track, _ in _tracks(scenes) if key in views and self._holds(key, track, views[key])}
        trusted.difference_update(*(self._looked_at_again(scene, trusted) for scene in scenes))
        others = [
            replace(scene, tracks=[t for t in scene.tracks if (scene.frame.source, t.id) not in trusted])
            for scene in scenes
        ]
        projecting = perf_counter() - began
        looked, stages = self._networks.look([scene for scene in others if scene.tracks])
        fresh = iter([view for found in looked for view in found])
        found = [views[key] if key in trusted else next(fresh) for key, _, _ in _tracks(scenes)]
        for (key, _, _), view in zip(_tracks(scenes), found, strict=True):
            if key in self._last:
                self._last[key].frames = self._last[key].frames + 1 if key in trusted else 0
            self._views.pop(key, None)
            if view is not None:
                self._views[key] = view
        return by_scene(found, [len(scene.tracks) for scene in scenes]), {**stages, "look/mesh": projecting}

    def learn(self, scenes: Sequence[Scene], people: Sequence[Sequence[Person]]) -> None:
        """See `Views.learn`: keeps those whose body was measured."""
        for scene, members in zip(scenes, people, strict=True):
            for person in members:
                key = scene.frame.source, person.id
                part = person.parts.get("transl")
                if part is None or part.origin is not Origin.MEASURED or key not in self._views:
                    self._last.pop(key, None)
                    continue
                frames = self._last[key].frames if key in self._last else 0
                self._last[key] = _Last(person, self._views[key], scene.frame.time, frames)

    def forget(self, source: str, ids: Collection[int] | None) -> None:
        """See `Engine.forget`."""
        self.forget_last(source, ids)
        self._networks.forget(source, ids)

    def forget_last(self, source: str, ids: Collection[int] | None) -> None:
        """Drops the estimates, so that the networks look next."""
        drop(self._last, source, ids)
        drop(self._views, source, ids)

    def close(self) -> None:
        """Frees the networks."""
        self._networks.close()

    def _holds(self, key: Key, track: Track, view: View) -> bool:
        last = self._last[key]
        if track.state is TrackState.LOST:
            return False
        if any(last.person.parts[f"{side}_hand"].origin is Origin.DEFAULT for side in last.view.hands):
            return False  # the network itself does not believe in a hand there
        shown = view.body[view.body[:, 2] > 0, :2]
        mesh = np.concatenate([shown.min(0), shown.max(0)])
        return bool(iou(mesh, track.box) >= OVERLAP)

    def _looked_at_again(self, scene: Scene, trusted: Collection[Key]) -> list[Key]:
        """Who of the trusted was not looked at for the longest time: no more in one frame than keeps up with all."""
        keys = [key for track in scene.tracks if (key := (scene.frame.source, track.id)) in trusted]
        due = [key for key in keys if self._last[key].frames + 1 >= RELOOK]
        return sorted(due, key=lambda key: -self._last[key].frames)[: -(-len(keys) // RELOOK)]

    def _project(self, scenes: Sequence[Scene]) -> dict[Key, View]:
        """The last estimates of who was estimated just before, where the tracks' boxes have moved to since."""
        known = [
            (key, track, frame, self._last[key]) for key, track, frame in _tracks(scenes)
            if key in self._last and frame.time - self._last[key].time <= RECENT
        ]  # fmt: skip
        if not known:
            return {}
        joints, rotations = joints_of(self._skeleton, [last.person for *_, last in known])
        return {
            key: view_from_joints(frame.camera, joints[k], rotations[k], last.view, last.person.box, track.box)
            for k, (key, track, frame, last) in enumerate(known)
        }


def _tracks(scenes: Sequence[Scene]) -> list[tuple[Key, Track, Frame]]:
    return [((scene.frame.source, track.id), track, scene.frame) for scene in scenes for track in scene.tracks]


def view_from_joints(
    camera: Camera, joints: Floats, rotations: Floats, before: View, old_box: Reals, new_box: Reals
) -> View:
    """The parts that `before` saw, where joints (55, 3) with global rotations (55, 3, 3) project to.

    They are moved and scaled as the tracker's box was since, from `old_box` to `new_box` (4,).
    """
    old_size, new_size = np.maximum(old_box[2:] - old_box[:2], 1), np.maximum(new_box[2:] - new_box[:2], 1)
    grow = np.sqrt(new_size.prod() / old_size.prod())
    old_centre, new_centre = (old_box[:2] + old_box[2:]) / 2, (new_box[:2] + new_box[2:]) / 2

    def seen(points: Reals) -> Reals:
        depth = np.maximum(points[:, 2:], 1e-3)
        pixels = points[:, :2] / depth * (camera.fx, camera.fy) + (camera.cx, camera.cy)
        return np.asarray((pixels - old_centre) * grow + new_centre, np.float32)

    eyes = joints[list(_EYES)]
    outline = eyes.mean(0) + _OUTLINE @ rotations[JOINT["head"]].T
    points = np.concatenate([eyes.mean(0)[None], eyes, outline[-2:], joints[_COCO]])
    body = np.column_stack([seen(points), before.body[:, 2]]).astype(np.float32)
    face = None if before.face is None else seen(outline)
    hands = {side: seen(_hand_points(joints, side)) for side in before.hands}
    extra = {k: v for k, v in before.extra.items() if k != "keypoints"}
    return View(body, hands, face, before.confidence, extra, held=tuple(extra))


def _hand_points(joints: Floats, side: str) -> Floats:
    """Wrist, then three joints and the tip of each finger, (21, 3), from joints (55, 3)."""
    fingers = joints[_FINGERS[side]]
    tips = fingers[:, 2] + FINGERTIP * (fingers[:, 2] - fingers[:, 1])
    wrist = joints[JOINT[f"{side}_wrist"]]
    return np.concatenate([wrist[None], np.concatenate([fingers, tips[:, None]], 1).reshape(20, 3)])
