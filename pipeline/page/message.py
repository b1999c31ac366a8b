"""What the page is sent of a result: no more than it shows, and no finer; `source/message.js` reads it.

A topic and a NUL byte as on the wire, and a MessagePack map whose `people` are [id, state, size_assumed, numbers].
The numbers, little-endian: the pelvis as 3 float32 in metres; the 55 rotations as quaternions (x, y, z, w), each
component as int16 of 1 / 32767; the 55 bones as uint16 of 1 / 16384; and for each of `parts` a confidence as uint8 of
1 / 255 and an origin's place in `origins`, 255 where the person has no such part. That keeps each vertex within 0.2 mm.
Every message stands for itself: a slow viewer gets only some of them.
"""

from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np
from pymafx_live.core import quaternions
from pymafx_live.core.types import FrameResult, Person, TrackState
from pymafx_live.core.wire import topic

TOPIC = b"people/"
_TURN, _RATIO, _CONFIDENCE = 32767, 16384, 255
"""Steps of a quaternion's component, of a bone's ratio and of a confidence from 0 to 1."""
_NO_PART = 255
_BONES = np.ones(55, np.float32)


def encode(result: FrameResult) -> bytes:
    """The message of a result; who has ended is left out."""
    camera, world = result.camera, result.world
    people = [person for person in result.people if person.state != TrackState.ENDED]
    parts = list(dict.fromkeys(name for person in people for name in person.parts))
    origins = sorted({str(part.origin) for person in people for part in person.parts.values()})
    content = {
        "sequence": result.sequence, "age": result.age, "dropped": result.dropped,
        "camera": [camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy],
        "assumed": camera.assumed,
        "world": [*world.rotation.ravel().tolist(), *world.translation.tolist()],
        "up": str(world.origin), "floor": str(world.floor),
        "parts": parts, "origins": origins,
        "people": _people(people, parts, origins),
    }  # fmt: skip
    body: bytes = msgpack.packb(content)
    return topic(result.source, TOPIC) + body


def _people(people: Sequence[Person], parts: Sequence[str], origins: Sequence[str]) -> list[Any]:
    if not people:
        return []
    turns = _TURN * quaternions.from_vectors(np.stack([person.full_pose for person in people]))
    bones = _RATIO * np.stack([person.extra.get("bones", _BONES) for person in people])
    columns = [
        np.stack([person.pelvis for person in people]).astype("<f4"),
        np.round(turns).astype("<i2"),
        np.round(np.clip(bones, 0, 65535)).astype("<u2"),
        np.array([_trust(person, parts, origins) for person in people], "u1"),
    ]
    return [
        [person.id, str(person.state), person.size_assumed, b"".join(column[k].tobytes() for column in columns)]
        for k, person in enumerate(people)
    ]


def _trust(person: Person, parts: Sequence[str], origins: Sequence[str]) -> list[int]:
    """Confidence and origin of each of `parts`, one after the other."""
    found = [person.parts.get(name) for name in parts]
    pairs = [
        (0, _NO_PART) if part is None else (_share(part.confidence), origins.index(str(part.origin))) for part in found
    ]
    return [number for pair in pairs for number in pair]


def _share(confidence: float) -> int:
    return round(_CONFIDENCE * min(max(confidence, 0.0), 1.0))
