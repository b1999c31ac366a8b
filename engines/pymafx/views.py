"""Where each person's parts are: the keypoints that the crops are cut around, from the embedded landmark networks.

Whoever has `look` and `close` can play this role: `mesh_views` asks the last frame's own estimate first, and
`rtmlib_views` another package's whole-body network.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.types import Floats, Person, Scene
from pymafx_live.engines.landmarks import parts
from pymafx_live.engines.landmarks.perception import Gaze, Perception
from pymafx_live.engines.landmarks.regions import ImageBatch
from pymafx_live.engines.landmarks.sight import Sight
from pymafx_live.engines.pymafx.crops import BODY_MARGIN, CropBoxes, boxes_around

T = TypeVar("T")

KEYPOINT_VISIBLE = 0.5
"""How sure a body keypoint must be for the body's box to count it."""
FEWEST = 4
"""With fewer visible keypoints the body is framed by the detector's box."""
KEYPOINTS_IN_BOX = 0.85
"""How long the longer side of a person's keypoint box is in a detector's box: on 120 boxes of rendered people whose
joints are known, median 0.85 (5 to 95 %: 0.82 to 0.87); the top of the head, feet and hands make the difference."""

COCO = np.array([0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28])
"""COCO's 17 keypoints among MediaPipe's 33: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles."""

FACE_68 = np.array([
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91,
    78, 82, 13, 312, 308, 317, 14, 87,
])  # fmt: skip
"""The 68 landmarks (Sagonas et al., "300 Faces In-The-Wild", 2013) among the face mesh's 478: the contour from the
person's right ear to the left, brows, nose, eyes and mouth."""


@dataclass(slots=True)
class View:
    """Where one person's parts are in a frame, in pixels, (0, 0) the centre of the first pixel.

    `body` (17, 3) holds x, y and visibility of COCO's keypoints, `hands` maps a side to (21, 2) of a hand that is
    seen, `face` is (K, 2), the 68 landmarks or others with the same tight box, or None. `confidence` is each part's,
    0..1; `extra` goes out with the person, some of it `held` from an earlier frame.
    """

    body: Reals
    hands: Mapping[str, Reals]
    face: Reals | None
    confidence: Mapping[str, float]
    extra: Mapping[str, Floats] = field(default_factory=dict)
    held: Collection[str] = ()


Looks = tuple[list[list[View | None]], dict[str, float]]
Key = tuple[str, int]
"""A track: its source and its id."""


class Views(Protocol):
    """Finds the parts of tracked people. What it remembers belongs to a source and a track's id."""

    @property
    def learns(self) -> bool:
        """Whether a look needs what was made of the scenes before: `learn` is then called before it."""

    def look(self, scenes: Sequence[Scene]) -> Looks:
        """One view per track of each scene, None where nobody is found in its box, and the seconds that stages took."""

    def learn(self, scenes: Sequence[Scene], people: Sequence[Sequence[Person]]) -> None:
        """Takes note of what was estimated from each scene."""

    def forget(self, source: str, ids: Collection[int] | None) -> None:
        """See `Engine.forget`."""

    def close(self) -> None: ...


class LandmarkViews:
    """The embedded networks, which follow each track from frame to frame."""

    learns = False

    def __init__(self, perception: Perception) -> None:
        self._perception = perception
        self._gazes: dict[Key, Gaze] = {}

    def look(self, scenes: Sequence[Scene]) -> Looks:
        """See `Views.look`."""
        keys = [(scene.frame.source, track.id) for scene in scenes for track in scene.tracks]
        boxes = np.array([track.box for scene in scenes for track in scene.tracks]).reshape(-1, 4)
        counts = [len(scene.tracks) for scene in scenes]
        images = ImageBatch([scene.frame.image for scene in scenes], np.repeat(np.arange(len(scenes)), counts))
        gazes = [self._gazes.setdefault(key, Gaze()) for key in keys]
        sights, stages = self._perception.look(images, boxes, gazes)
        views = [None if sight is None else view_of(sight) for sight in sights]
        return by_scene(views, counts), {f"look/{name}": seconds for name, seconds in stages.items()}

    def learn(self, scenes: Sequence[Scene], people: Sequence[Sequence[Person]]) -> None:
        """The networks' own landmarks lead them on."""

    def forget(self, source: str, ids: Collection[int] | None) -> None:
        """See `Engine.forget`."""
        drop(self._gazes, source, ids)

    def close(self) -> None:
        """Closes the networks."""
        self._perception.close()


def by_scene(items: Sequence[T], counts: Sequence[int]) -> list[list[T]]:
    """The items of all scenes, in lists of so many."""
    ends = np.cumsum(counts).tolist()
    return [list(items[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def drop(memory: dict[Key, T], source: str, ids: Collection[int] | None) -> None:
    """Drops what is kept of these tracks of a source, or of all that it had."""
    for key in [key for key in memory if key[0] == source and (ids is None or key[1] in ids)]:
        del memory[key]


def view_of(sight: Sight) -> View:
    """A sight of the embedded networks in COCO's, the hands' and the 68 landmarks' terms."""
    extra = {"keypoints": np.column_stack([sight.xy, sight.visibility]).astype(np.float32)}
    if sight.face is not None:
        extra["blendshapes"] = sight.face.blendshapes
    return View(
        body=np.column_stack([sight.xy, sight.visibility])[COCO],
        hands={side: hand.xy for side, hand in sight.hands.items()},
        face=None if sight.face is None else sight.face.xyz[FACE_68, :2],
        confidence=parts.confidences(sight),
        extra=extra,
        held=("blendshapes",) if sight.face is not None and sight.face.held else (),
    )


def body_boxes(views: Sequence[View | None], boxes: Reals) -> CropBoxes:
    """The body crops of N people; from the detector's boxes (N, 4) where too few keypoints are seen."""
    points = np.zeros((len(views), 17, 3), np.float32)
    for k, view in enumerate(views):
        if view is not None:
            points[k] = view.body
    visible = points[..., 2] >= KEYPOINT_VISIBLE
    found = boxes_around(points[..., :2] + 0.5, visible, BODY_MARGIN)
    few = visible.sum(1) < FEWEST
    sides = BODY_MARGIN * KEYPOINTS_IN_BOX * (boxes[:, 2:] - boxes[:, :2]).max(1, initial=0)
    return CropBoxes(
        np.where(few[:, None], (boxes[:, :2] + boxes[:, 2:]) / 2, found.centres).astype(np.float32),
        np.where(few, sides, found.sides).astype(np.float32),
        found.seen | few,
    )


def part_boxes(points: Sequence[Reals], margin: float) -> CropBoxes:
    """The crops of M hands or faces, each the tight box of its points (K, 2), widened by `margin`."""
    extents = np.array([(p.min(0), p.max(0)) for p in points], np.float32).reshape(-1, 2, 2)
    return boxes_around(extents + 0.5, np.ones(extents.shape[:2], bool), margin)
