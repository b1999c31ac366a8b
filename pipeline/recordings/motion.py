"""Tracks as motions: what programs for animation take, which know of no confidence, no gaps and no varying rate.

A motion has one skeleton, whose bones are the medians of what was estimated, and a constant whole rate of at least 30
frames per second: rotations are on the shorter way between those of two frames (slerp), places on the straight line.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pymafx_live.core import kinematics, quaternions
from pymafx_live.core.arrays import Indices, Reals
from pymafx_live.core.errors import OutputError
from pymafx_live.core.files import whole_files
from pymafx_live.core.rotations import to_matrices, to_vectors
from pymafx_live.core.types import Floats, FrameResult, Person, SourceEvent, TrackState
from pymafx_live.core.world import World
from pymafx_live.engines.body.rest import rest_bones
from pymafx_live.pipeline.mailbox import Item
from pymafx_live.pipeline.recordings import Place
from pymafx_live.pipeline.writing import writing

SLOWEST, FASTEST = 30, 240
"""Frames per second: Blender's add-on for SMPL-X refuses less, and other programs divide the rate by 30."""
_SAME = 1e-6
"""Seconds that a frame may be off and still be the one at its time."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Motion:
    """A track of N frames in a level world: y up, metres, the floor at 0, who faces the camera looks along z."""

    source: str
    id: int
    engine: str
    rate: int
    """Frames per second."""
    start: float
    """Seconds from the beginning of the recording."""
    turns: Reals
    """(N, 55, 4): rotations x, y, z, w of SMPL-X's joints relative to their parents, the pelvis's in the world."""
    pelvis: Reals
    """(N, 3)"""
    bones: Reals
    """(55, 3): from each joint's parent to it at rest; (0, 0, 0) for the pelvis."""
    rest_pelvis: Reals
    """(3,): of the body that `transl` refers to: the pelvis stands at `transl` + `rest_pelvis`."""
    betas: Reals
    """(10,)"""
    expression: Reals
    """(N, 50)"""
    face: Reals
    """(N, 52): `BLENDSHAPES` in 0..1; 0 while no face is seen."""

    def __len__(self) -> int:
        return len(self.turns)

    @property
    def times(self) -> Reals:
        """When each frame is, (N,), in seconds from the beginning of the recording."""
        return self.start + np.arange(len(self)) / self.rate

    @property
    def pose(self) -> Reals:
        """The rotations as axis-angle vectors (N, 55, 3)."""
        return to_vectors(quaternions.to_matrices(self.turns))

    @property
    def joints(self) -> Reals:
        """Where the joints are, (N, 55, 3)."""
        turned = kinematics.global_rotations(quaternions.to_matrices(self.turns))
        return kinematics.positions(turned, self.pelvis, np.broadcast_to(self.bones, (len(self), 55, 3)))

    @property
    def rest(self) -> Reals:
        """Where the joints are at rest, (55, 3), the pelvis at 0."""
        return kinematics.positions(np.broadcast_to(np.eye(3), (55, 3, 3)), np.zeros(3), self.bones)

    def turned(self, axes: Reals) -> "Motion":
        """The same in a world of other `axes` (3, 3)."""
        turn = quaternions.from_matrices(axes)
        root = quaternions.multiply(turn, self.turns[:, :1])
        return replace(self, turns=np.concatenate([root, self.turns[:, 1:]], 1), pelvis=self.pelvis @ axes.T)


_ROW = {"pose": 165, "pelvis": 3, "transl": 3, "betas": 10, "expression": 50, "face": 52, "bones": 165}
"""What is kept of a person's frame, and how many numbers that are."""


@dataclass(slots=True)
class _Track:
    """What is collected of one person: a row of numbers for each frame."""

    engine: str
    rows: list[Floats] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def column(self, name: str) -> Reals:
        """One of `_ROW` of all frames, (N, ...)."""
        start = sum(length for other, length in _ROW.items() if list(_ROW).index(other) < list(_ROW).index(name))
        return np.stack([row[start : start + _ROW[name]] for row in self.rows]).astype(np.float64)


def motions(items: Iterable[Item]) -> list[Motion]:
    """The motions of all tracks of which a skeleton was ever estimated, in the order in which they began.

    The world is that of each source's last result, when most was known of it. Raises `OutputError` for none.
    """
    tracks: dict[tuple[str, int], _Track] = {}
    worlds: dict[str, World] = {}
    clocks: dict[str, float] = {}
    for item in items:
        if isinstance(item, SourceEvent):
            continue
        result = item[0]
        worlds[result.source] = result.world
        clocks.setdefault(result.source, result.captured_at - result.time)
        for person in () if result.final else result.people:
            _collect(tracks.setdefault((result.source, person.id), _Track(person.engine)), person, result)
    made = [
        _motion(source, id_, track, worlds[source], clocks[source])
        for (source, id_), track in tracks.items() if track.rows
    ]  # fmt: skip
    if not made:
        raise OutputError("nobody was seen in the recording: there is nothing to write")
    first = min(motion.start for motion in made)
    return [replace(motion, start=motion.start - first) for motion in made]


class OneFileEach:
    """A format of which a file holds one motion."""

    def write(self, items: Iterable[Item], file: Path, place: Place) -> list[Path]:
        """See `Format.write`."""
        made = motions(items)
        files = [place(name) for name in _names(file, made)]
        for motion, name in zip(made, files, strict=True):
            with writing(name), whole_files(name.parent, name.name) as part:
                self.save(motion, part / name.name)
        return files

    def save(self, motion: Motion, file: Path) -> None:
        """Writes one motion. Raises `OSError`."""
        raise NotImplementedError


def _names(file: Path, of: Sequence[Motion]) -> list[Path]:
    """What the file of each motion is called: as was asked for if there is one, else with the track's id behind."""
    if len(of) == 1:
        return [file]
    several = len({motion.source for motion in of}) > 1
    names = [f"{re.sub(r'[^A-Za-z0-9._-]', '_', m.source)}-{m.id}" if several else str(m.id) for m in of]
    return [file.with_name(f"{file.stem}-{name}{file.suffix}") for name in names]


def resampled(values: Reals, times: Reals, at: Reals) -> Reals:
    """Values (N, ...) of `times` (N,) at other times (M,), on straight lines between."""
    before, share = _between(times, at)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray((1 - share) * values[before] + share * values[np.minimum(before + 1, len(values) - 1)])


def resampled_turns(turns: Reals, times: Reals, at: Reals) -> Reals:
    """Rotations (N, ..., 4) of `times` (N,) at other times (M,), on the shorter way between."""
    before, share = _between(times, at)
    after = np.minimum(before + 1, len(turns) - 1)
    shares: Any = share.reshape(-1, *[1] * (turns.ndim - 1))
    return quaternions.slerp(turns[before], turns[after], shares)


def _between(times: Reals, at: Reals) -> tuple[Indices, Reals]:
    """The index of the time before each, and how far it is to the next one, 0..1."""
    before: Indices = np.clip(np.searchsorted(times, at + _SAME, "right") - 1, 0, max(len(times) - 2, 0))
    if len(times) == 1:
        return before, np.zeros(len(at))
    share = (at - times[before]) / (times[before + 1] - times[before])
    return before, np.clip(share, 0, 1)


def _collect(track: _Track, person: Person, result: FrameResult) -> None:
    place = person.parts.get("transl")
    estimated = len(person.joints) or "bones" in person.extra or (place is not None and place.measured_at is not None)
    later = not track.times or result.time > track.times[-1] + _SAME
    if estimated and later and person.state != TrackState.ENDED:
        face = person.extra.get("blendshapes", np.zeros(_ROW["face"]))
        row = (person.full_pose, person.pelvis, person.transl, person.betas, person.expression, face, _bones(person))
        track.rows.append(np.concatenate([np.ravel(values) for values in row]).astype(np.float32))
        track.times.append(result.time)


def _motion(source: str, id_: int, track: _Track, world: World, clock: float) -> Motion:
    times, pelvis = np.array(track.times), track.column("pelvis")
    pose = to_matrices(track.column("pose").reshape(-1, 55, 3))
    pose[:, 0] = world.rotation.astype(np.float64) @ pose[:, 0]
    rate = _rate(times)
    at = times[0] + np.arange(int((times[-1] - times[0]) * rate + 1 + 1e-3)) / rate
    return Motion(
        source=source, id=id_, engine=track.engine, rate=rate, start=clock + float(times[0]),
        turns=resampled_turns(quaternions.from_matrices(pose), times, at),
        pelvis=resampled(world.points(pelvis), times, at),
        bones=np.median(track.column("bones"), 0).reshape(55, 3),
        rest_pelvis=np.median(pelvis - track.column("transl"), 0),
        betas=np.median(track.column("betas"), 0),
        expression=resampled(track.column("expression"), times, at),
        face=resampled(track.column("face"), times, at),
    )  # fmt: skip


def _rate(times: Reals) -> int:
    steps = np.diff(times)
    return int(np.clip(round(1 / float(np.median(steps))), SLOWEST, FASTEST)) if len(steps) else SLOWEST


def _bones(person: Person) -> Reals:
    """The bones (55, 3) of a person: of the joints that are told, else the embedded body's in their ratios."""
    ratios = person.extra.get("bones", np.ones(55))
    out = rest_bones() * np.asarray(ratios, np.float64)[:, None]
    if count := len(person.joints):
        joints = np.zeros((55, 3))
        joints[:count] = person.joints[:55]
        turned = kinematics.global_rotations(to_matrices(person.full_pose.astype(np.float64)))
        out[:count] = kinematics.bones(turned, joints)[:count]
    out[0] = 0
    return out
