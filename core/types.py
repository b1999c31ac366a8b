"""The data that flows: a `Frame` goes in, `Track`s tie boxes to people, a `FrameResult` of `Person`s comes out.

Every 3D quantity is in the camera's frame (x right, y down, z forward), in metres and radians; rotations are
axis-angle vectors in SMPL-X's joint order. Nothing but numpy is imported, also by what this module builds on, so that a
subscriber needs nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core import posture
from pymafx_live.core.arrays import Reals
from pymafx_live.core.rotations import to_matrices, to_vectors
from pymafx_live.core.world import LEVEL, World

Floats = NDArray[np.float32]

SHAPES: Mapping[str, int] = {
    "global_orient": 3,
    "body_pose": 63,
    "left_hand_pose": 45,
    "right_hand_pose": 45,
    "jaw_pose": 3,
    "leye_pose": 3,
    "reye_pose": 3,
    "betas": 10,
    "expression": 50,
    "transl": 3,
}
"""The SMPL-X parameters of a person and their lengths."""

POSE: Mapping[str, slice] = {
    "global_orient": slice(0, 1),
    "body_pose": slice(1, 22),
    "jaw_pose": slice(22, 23),
    "leye_pose": slice(23, 24),
    "reye_pose": slice(24, 25),
    "left_hand_pose": slice(25, 40),
    "right_hand_pose": slice(40, 55),
}
"""The parameters that are rotations, and which of SMPL-X's 55 joints each holds, in their order."""

RAW_SHAPES: Mapping[str, int] = {name: SHAPES[name] for name in (*POSE, "transl")} | {"pelvis": 3}
"""What of a person is smoothed, and the lengths."""

PARTS: Sequence[str] = (
    "torso", "head", "left_arm", "right_arm", "left_leg", "right_leg", "left_hand", "right_hand",
    "jaw", "eyes", "betas", "expression", "transl", "keypoints", "blendshapes",
)  # fmt: skip
"""What a confidence and an origin are given for: parts of the body, parameters, and what `Person.extra` holds."""


class Origin(StrEnum):
    """Where a part's numbers come from in this frame."""

    MEASURED = "measured"
    """Estimated from this frame's pixels."""
    HELD = "held"
    """Not seen now: the last measured value, or one easing from it to the rest pose."""
    DEFAULT = "default"
    """Never measured, or no longer trusted: whatever stands there means nothing."""


class TrackState(StrEnum):
    """The life of a track."""

    NEW = "new"
    TRACKED = "tracked"
    LOST = "lost"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Camera:
    """Pinhole intrinsics in pixels of an image of `width` x `height`, with OpenCV's distortion coefficients.

    The projection of a point (X, Y, Z) of the camera's frame is (fx X / Z + cx, fy Y / Z + cy), where
    (0, 0) is the centre of the top left pixel. `assumed` says that nobody calibrated it.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    assumed: bool = True
    distortion: tuple[float, ...] = ()
    frame_id: str = ""
    """What the camera's frame of reference is called; empty: as the source is."""

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The intrinsic matrix K, shape (3, 3)."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)

    def resized(self, width: int, height: int) -> "Camera":
        """The intrinsics of the same picture, scaled to another size."""
        if (width, height) == (self.width, self.height):
            return self
        sx, sy = width / self.width, height / self.height
        # (0, 0) is the centre of the first pixel, so pixel edges scale and centres follow.
        cx, cy = (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5
        return replace(self, width=width, height=height, fx=self.fx * sx, fy=self.fy * sy, cx=cx, cy=cy)

    def shift(self, before: NDArray[Any], now: NDArray[Any], depth: float) -> Floats:
        """How far (3,) in metres what is `depth` metres away has moved, whose box (4,) was `before` and is `now`."""
        moved = now - before
        x, y = (moved[:2] + moved[2:]) / 2
        return np.array([x / self.fx * depth, y / self.fy * depth, 0], np.float32)


class CaptureOrigin(StrEnum):
    """How it is known when a frame was taken."""

    ARRIVAL = "arrival"
    """Not at all: it is when the frame reached this process."""
    ESTIMATED = "estimated"
    """By the stream's own times, and the shortest way that a frame has had here: it is not younger than that."""
    SENDER = "sender"
    """By the clock of a camera that tells what time it has, and agrees with ours."""
    FILE = "file"
    """It is when the frame was read from a recording."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image of one source.

    `image` is (H, W, 3) uint8 BGR. `time` is in seconds on the source's own clock (a file's presentation
    time, a live frame's capture) and always advances. `captured_at` is in Unix seconds when the frame was taken, as far
    as `capture_origin` says, and `captured` the same in seconds of `time.monotonic`, as the clock of the day may be set
    meanwhile.
    `dropped` counts the frames that were lost before this one since the run began. `cut` says that the
    frame does not continue the one before (another photo, another size): nothing may be carried over. `nominal_fps` is
    how many frames a second the source says that it gives, 0 where it does not say.
    """

    image: NDArray[np.uint8]
    source: str
    sequence: int
    time: float
    captured_at: float
    camera: Camera
    dropped: int = 0
    cut: bool = False
    captured: float = field(default_factory=monotonic)
    capture_origin: CaptureOrigin = CaptureOrigin.ARRIVAL
    nominal_fps: float = 0.0

    @property
    def age(self) -> float:
        """Seconds since the frame was taken."""
        return monotonic() - self.captured


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One person followed over time: `box` is (x1, y1, x2, y2) in pixels, shape (4,).

    `score` is the last detection's; `seen` is True when a detection of this frame confirmed the box, False
    when the box was predicted.
    """

    id: int
    state: TrackState
    box: Floats
    score: float
    seen: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A frame and those of its tracks whose people are to be estimated.

    Hands and faces that are followed need to be looked at in every n-th frame only, and are held between.
    """

    frame: Frame
    tracks: Sequence[Track]
    hands_every: int = 1
    face_every: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What an engine has seen in a scene before it estimates; each derives from it and adds what it needs itself.

    `people` are those whom it is about to measure: by their tracks' ids keypoints (K, 3), x and y in pixels and the
    visibility, to follow them by, or None where it does not say where they are.
    """

    scene: Scene
    people: Mapping[int, Floats | None]


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What an engine made of a batch of scenes: the people of each, and the seconds that each of its stages took."""

    people: Sequence[Sequence["Person"]]
    stages: Mapping[str, float] = field(default_factory=dict)


class SourceState(StrEnum):
    """What becomes of a source."""

    CONNECTING = "connecting"
    LIVE = "live"
    """Frames arrive."""
    STALLED = "stalled"
    """Connected, and no frame for longer than there should be."""
    RECONNECTING = "reconnecting"
    ENDED = "ended"
    FAILED = "failed"
    """For good."""


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """What happened to a source, `at` so many Unix seconds, and the `reason` as one sentence where there is one.

    `reduced`: what the run does less of for it, because it cannot hold what was asked for otherwise; see
    `pipeline.overload.Reduction`.
    """

    source: str
    state: SourceState | str
    """What a later release sends stays the text that it is."""
    at: float
    reason: str = ""
    reduced: Mapping[str, int] = field(default_factory=dict, hash=False)


OVER = (SourceState.ENDED, SourceState.FAILED)
"""The states that no other follows."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A source in the directory of a fleet: where it runs, and how it was a moment ago.

    `fps` are results per second, `age` seconds from capture to publication (median), `dropped` the share of the frames
    that nobody looked at, `people` and `sequence` those of the newest result; each None where nobody knows, and so
    `run_id`. `worker` and `node` are "" of a source that runs nowhere.
    """

    source: str
    state: SourceState | str
    reason: str = ""
    worker: str = ""
    node: str = ""
    run_id: str | None = None
    sequence: int | None = None
    fps: float | None = None
    age: float | None = None
    dropped: float | None = None
    people: int | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """Which sources a fleet has, by their names, `at` so many Unix seconds. `total` counts those left out too, of which
    there are some where a message cannot hold all."""

    at: float
    sources: tuple[Listing, ...]
    total: int


class SourceGone(SourceEvent):
    """It has been away for so long that whoever was there has ended."""


class SourceRemoved(SourceEvent):
    """It was taken out of a run that goes on: whoever was there has ended, and the run tells nothing of it any more.

    It is `ended`; or `live` where another run has it already, to which it has moved.
    """


@dataclass(frozen=True, slots=True)
class Part:
    """How far a part's numbers can be trusted: confidence in 0..1, their origin, and when they were last measured.

    An origin that a later release sends stays the text that it is. `measured_at` is the `captured_at` of the frame that
    the part was last measured in, None where it never was, or where nobody kept it.
    """

    confidence: float
    origin: Origin | str
    measured_at: float | None = None


def _zeros(name: str) -> Floats:
    return np.zeros(SHAPES[name], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """A person's pose and place as they were estimated, before they were smoothed; the fields are `Person`'s."""

    global_orient: Floats
    body_pose: Floats
    left_hand_pose: Floats
    right_hand_pose: Floats
    jaw_pose: Floats
    leye_pose: Floats
    reye_pose: Floats
    transl: Floats
    pelvis: Floats


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How people were smoothed: the preset's name, or `custom`, and by how many seconds that delays one who moves."""

    preset: str
    lag: float


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One tracked human in one frame; lengths of the SMPL-X parameters are in `SHAPES`.

    Hand poses are full axis-angle (no PCA) with a flat mean. `transl` follows SMPL-X: the pelvis stands at
    `transl` + the body's rest pelvis; `pelvis` is that point, shape (3,), so that no body file is needed.
    """

    id: int
    state: TrackState | str
    """What a later release sends stays the text that it is."""
    box: Floats
    score: float
    engine: str
    parts: Mapping[str, Part]
    global_orient: Floats = field(default_factory=lambda: _zeros("global_orient"))
    body_pose: Floats = field(default_factory=lambda: _zeros("body_pose"))
    left_hand_pose: Floats = field(default_factory=lambda: _zeros("left_hand_pose"))
    right_hand_pose: Floats = field(default_factory=lambda: _zeros("right_hand_pose"))
    jaw_pose: Floats = field(default_factory=lambda: _zeros("jaw_pose"))
    leye_pose: Floats = field(default_factory=lambda: _zeros("leye_pose"))
    reye_pose: Floats = field(default_factory=lambda: _zeros("reye_pose"))
    betas: Floats = field(default_factory=lambda: _zeros("betas"))
    expression: Floats = field(default_factory=lambda: _zeros("expression"))
    transl: Floats = field(default_factory=lambda: _zeros("transl"))
    pelvis: Floats = field(default_factory=lambda: np.zeros(3, np.float32))
    joints: Floats = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    """Where the joints are in the camera's frame, (J, 3): all 55, or the first of them that a sender gives; none of
    somebody of whom no skeleton was estimated yet."""
    velocity: Floats | None = None
    """The pelvis's, (3,) in metres per second of the camera's frame; None where its place is not measured."""
    pelvis_covariance: Floats | None = None
    """Of `pelvis`, (3, 3) in m²; None where nothing is known of it."""
    raw: Raw | None = None
    """Before smoothing; None where that changed nothing, or where the sender leaves it out."""
    size_assumed: bool = True
    """Nobody measured how tall the person is: size and distance are in proportion only."""
    contact: Floats | None = None
    """How likely the left and the right foot stand on the floor, (2,) in 0..1; None where no leg is measured."""
    extra: Mapping[str, Floats] = field(default_factory=dict)
    """What one engine adds: `blendshapes` (52,), `keypoints` (33, 3: x, y in pixels, visibility), `bones`
    (55,: the embedded body's bone lengths as a ratio to its rest skeleton), `crop_camera` (3: s, tx, ty) and
    `crop_box` (3: centre x, y and side in pixels)."""

    @property
    def full_pose(self) -> Floats:
        """All 55 rotations in SMPL-X's joint order, shape (55, 3)."""
        return np.concatenate([getattr(self, name) for name in POSE]).reshape(55, 3)

    def rotation(self, joint: str) -> Reals:
        """The rotation (3, 3) of a joint, such as `head`, relative to its parent; `names.JOINTS` are the names."""
        return posture.rotation(self.full_pose, joint)

    def global_rotation(self, joint: str) -> Reals:
        """The rotation (3, 3) that takes a joint's own axes (x left, y up, z forward) into the camera's frame."""
        return posture.global_rotation(self.full_pose, joint)

    def facing(self, joint: str = "head") -> tuple[float, float, float]:
        """Yaw, pitch and roll of a joint in radians, 0 for who is upright and faces the camera.

        To the person's left, down, and tilted to the right are positive; see `posture.facing`.
        """
        return posture.facing(self.full_pose, joint)

    def curls(self, side: str) -> dict[str, float]:
        """How far each finger of the `left` or `right` hand is curled: 0 straight, 1 as in a fist."""
        return posture.curls(self.full_pose, side)

    def in_world(self, result: "FrameResult") -> "WorldPerson":
        """The same person in the world of `result` (see `World`): what has a place or a direction is turned and moved.

        SMPL-X turns a body about its pelvis, so that `transl` is again the pelvis less the body's rest pelvis.
        """
        return WorldPerson.of(self, result.world)


@dataclass(frozen=True, slots=True, eq=False)
class WorldPerson(Person):
    """A person in the world's frame instead of the camera's: `Person.in_world` makes it.

    `global_orient`, `transl`, `pelvis`, `joints`, `velocity`, `pelvis_covariance` and `global_rotation` are the
    world's; `box`, `extra` and all other rotations are as they were.
    """

    @classmethod
    def of(cls, person: Person, world: World) -> "WorldPerson":
        """The person (of the camera's frame) in `world`."""
        told: dict[str, Any] = {f.name: getattr(person, f.name) for f in fields(Person)}
        R, pelvis = world.rotation, world.points(person.pelvis)
        covariance = None if person.pelvis_covariance is None else R @ person.pelvis_covariance @ R.T
        moved = {
            "global_orient": to_vectors(R @ to_matrices(person.global_orient.astype(np.float64))),
            "transl": pelvis + (person.transl - person.pelvis),
            "pelvis": pelvis,
            "joints": world.points(person.joints),
            "velocity": None if person.velocity is None else world.directions(person.velocity),
            "pelvis_covariance": covariance,
        }
        return cls(**told | {k: None if v is None else np.asarray(v, np.float32) for k, v in moved.items()})

    def facing(self, joint: str = "head") -> tuple[float, float, float]:
        """As `Person.facing`, but pitch and roll are against gravity, and yaw 0 looks along the world's +z."""
        return posture.facing(self.full_pose, joint, np.eye(3))

    def in_world(self, result: "FrameResult") -> "WorldPerson":
        """The person itself: it is there."""
        return self


def pose_parameters(pose: Floats) -> dict[str, Any]:
    """The parameters of a `Person` that 55 rotations (55, 3) are: what `Person.full_pose` is made of."""
    return {name: pose[joints].ravel() for name, joints in POSE.items()}


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """All that is known of one frame. `published_at` is `captured_at` and the age; `stages` maps a stage to seconds.

    An empty `people` means that nobody is there; no result at all means that nobody looked. One that is `final` is
    about no frame: it repeats the last one of a source that is over or lost, and who was still there has ended.
    """

    source: str
    sequence: int
    run_id: str
    time: float
    captured_at: float
    published_at: float
    camera: Camera
    people: Sequence[Person] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    dropped: int = 0
    capture_origin: CaptureOrigin | str = CaptureOrigin.ARRIVAL
    """What a later release sends stays the text that it is."""
    final: bool = False
    smoothing: Smoothing | None = None
    """None: the sender does not say."""
    ttl: float = 0.0
    """Seconds from capture after which the sender holds a result to be worthless; 0: it does not say."""
    world: World = LEVEL
    """Where the camera stands: a level frame with the floor at 0, and how that is known."""
    nominal_fps: float = 0.0
    """Frames a second that the source says that it gives, lost ones included; 0: it does not say."""

    @property
    def age(self) -> float:
        """Seconds from capture to publication."""
        return self.published_at - self.captured_at
