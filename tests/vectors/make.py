"""Writes the vectors: messages as bytes, and the JSON they decode to; and the example of docs/wire-protocol.md.

    PYTHONPATH=tests python tests/vectors/make.py

The people of all but `pymafx` are what the embedded engine, the tracker and the smoothing make of frames of the demo
clip, of grey pictures, and of what the detector is said to have found in them: the states come as they come in a run.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import av
import msgpack
import numpy as np
from pymafx_live.configs.schema import Settings, TrackerSettings
from pymafx_live.core.interfaces import Found
from pymafx_live.core.types import (
    PARTS,
    Camera,
    CaptureOrigin,
    Directory,
    Frame,
    FrameResult,
    Listing,
    Origin,
    Part,
    Person,
    SourceEvent,
    SourceState,
    TrackState,
)
from pymafx_live.core.wire import encode, encode_directory, encode_event
from pymafx_live.core.world import FloorOrigin, World, WorldOrigin
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks.engine import LandmarkEngine
from pymafx_live.pipeline.camera import Lens
from pymafx_live.pipeline.history import History
from pymafx_live.pipeline.loop import results
from pymafx_live.pipeline.smoothing import Smoother
from pymafx_live.trackers import open_tracker
from support.vectors import content, excerpt, hexdump, message

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "wire-protocol.md"
START, RATE = 1700000000.25, 25
FIRST = 130
"""The frame of the demo clip that the clip of the vectors begins with."""
SEEN, UNFOUND, GREY = 12, 3, 90
"""Frames in which the detector finds the person, then does not though the picture shows him, then sees grey."""


class Script:
    """A detector that finds what it is told."""

    def __init__(self, found: Sequence[Any]) -> None:
        self._found = iter(found)

    def detect(self, images: Sequence[Any]) -> list[Found]:
        return [next(self._found) for _ in images]

    def close(self) -> None:
        """Nothing is open."""


def found(*box: float) -> Found:
    return np.array([box] if box else [], np.float32).reshape(-1, 4), np.full(len(box) // 4, 0.875, np.float32)


def pictures() -> list[np.ndarray]:
    clip = resources.files("pymafx_live.engines.data") / "demo.mp4"
    with av.open(str(clip)) as container:
        frames = container.decode(video=0)
        shown = [frame.to_ndarray(format="bgr24") for k, frame in zip(range(FIRST + 60), frames, strict=False)]
    return shown[FIRST:]


def frames(images: Sequence[np.ndarray]) -> Iterator[Frame]:
    height, width = images[0].shape[:2]
    camera = Lens().camera(width, height)
    for k, image in enumerate(images):
        yield Frame(image, "demo", k, k / RATE, START + k / RATE, camera, dropped=2 * (k > 5), cut=k == 0)


def story(images: Sequence[np.ndarray], boxes: Sequence[Found]) -> list[FrameResult]:
    """What a run makes of these pictures, if its detector finds that."""
    engine = LandmarkEngine()
    parts = Script(boxes), open_tracker(TrackerSettings(options={"buffer": 2.5})), engine
    made = [result for result, _ in results(frames(images), *parts, smooth=History(Smoother()))]
    engine.close()
    stages = {"detect": 0.03125, "track": 0.000244140625, "estimate": 0.0234375}
    return [replace(result, run_id="4f1c", published_at=result.captured_at + 0.0625, stages=stages) for result in made]


def first(told: Sequence[FrameResult], **wanted: Any) -> FrameResult:
    """The first result whose only person has this state and these origins of parts."""
    for result in told:
        for person in result.people:
            if all(str(person.state if key == "state" else person.parts[key].origin) == value
                   for key, value in wanted.items()):  # fmt: skip
                return result
    raise LookupError(f"nobody is {wanted}")


def vectors() -> dict[str, bytes]:
    """The messages by name."""
    shown = pictures()
    detector = open_detector(Settings(), Pictures())
    boxes = [max(zip(*detector.detect([image])[0], strict=True), key=lambda one: float(one[1]))[0] for image in shown]
    detector.close()
    grey = np.full_like(shown[0], 90)
    nobody = [found()] * GREY
    told = story([*shown[: SEEN + UNFOUND], *[grey] * GREY], [*(found(*box) for box in boxes[:SEEN]), *nobody, *nobody])
    unmeasured = story([grey] * 3, [found(*boxes[0])] * 3)
    hidden = story([*shown[:SEEN], *[grey] * 5], [found(*boxes[min(k, SEEN)]) for k in range(SEEN + 5)])
    tracked = told[SEEN - 1]
    stated = {
        "nobody": replace(tracked, people=()),
        "new-never-measured": first(unmeasured, state="new"),
        "new": first(told, state="new", transl="measured"),
        "tracked": tracked,
        "tracked-held": first(hidden, state="tracked", transl="held"),
        "lost-measured": first(told, state="lost", transl="measured"),
        "lost-held": first(told, state="lost", transl="held"),
        "lost-default": first(told, state="lost", transl="default"),
        "ended": first(told, state="ended"),
        "final": replace(first(told, state="ended"), final=True),
        "estimated-capture": replace(
            tracked, people=(), capture_origin=CaptureOrigin.ESTIMATED, nominal_fps=29.5
        ),
        "pymafx": replace(tracked, people=(pymafx(),)),
        "with-ttl": replace(tracked, people=(), ttl=0.5),
        "calibrated": replace(tracked, people=(), camera=Camera(
            640, 480, 612.5, 611.25, 322.5, 238.75, assumed=False, distortion=(0.0625, -0.125, 0.0, 0.0, 0.0),
            frame_id="head_camera",
        ), world=World.tilted(-0.25, 0.0625, 1.75, WorldOrigin.GIVEN, FloorOrigin.GIVEN)),
    }  # fmt: skip
    made = {name: encode(result, 22) for name, result in stated.items()}
    made["tracked-all-joints"] = encode(tracked, 55)
    made["tracked-no-joints"] = encode(tracked, 0)
    made["status-reduced"] = encode_event(
        SourceEvent("demo", SourceState.LIVE, START, "overload: detector in every 2nd frame", {"detect_every": 2})
    )
    for state, reason in ((SourceState.LIVE, ""), (SourceState.STALLED, "no frame for 3 s"), (SourceState.ENDED, "")):
        made[f"status-{state}"] = encode_event(SourceEvent("demo", state, START, reason))
    made["directory"] = encode_directory(directory())
    return made


def directory() -> Directory:
    """A fleet of a camera that runs, one that has just been opened, and one for which there is no room."""
    gate = Listing(
        "gate", SourceState.LIVE, "", "w1", "10.0.0.5", "4f1c", 1200, fps=24.5, age=0.0625, dropped=0.125, people=3
    )
    hall = Listing("hall", SourceState.CONNECTING, "", "w2", "10.0.0.6", fps=0.0, dropped=0.0, people=0)
    shop = Listing("shop", SourceState.FAILED, "the pool gpu has no worker")
    return Directory(START, (gate, hall, shop), 3)


def pymafx() -> Person:
    """Somebody as the other engine describes them; made by hand, as its files are licensed."""
    turn = np.random.default_rng(0)
    parts = {name: Part(0.75, Origin.MEASURED, START) for name in PARTS if name not in ("left_leg", "blendshapes")}
    parts |= {"left_leg": Part(0.25, Origin.DEFAULT), "blendshapes": Part(0.0, Origin.DEFAULT)}
    crops = {"crop_camera": (0.75, 0.125, 0.25), "crop_box": (320, 264, 440)}
    return Person(
        4, TrackState.TRACKED, np.array([240, 64, 400, 464], np.float32), 0.875, "pymafx", parts,
        global_orient=np.array([3.125, 0, 0], np.float32), body_pose=turn.normal(0, 0.25, 63).astype(np.float32),
        betas=turn.normal(0, 1, 10).astype(np.float32), expression=turn.normal(0, 1, 50).astype(np.float32),
        transl=np.array([0.5, 0.25, 3], np.float32), pelvis=np.array([0.5, 0.625, 3], np.float32),
        velocity=np.array([0.25, 0, -0.5], np.float32), contact=np.array([0.875, 0.5], np.float32),
        extra={name: np.array(values, np.float32) for name, values in crops.items()},
    )  # fmt: skip


def as_json(data: bytes) -> str:
    """What the bytes decode to."""
    topic, _, body = data.partition(b"\0")
    return json.dumps({"topic": topic.decode(), "content": msgpack.unpackb(body)}, ensure_ascii=False) + "\n"


def renewed(page: str) -> str:
    """The page with the vectors as they are now."""
    head, tail = page.split("## An example\n", 1)
    shown = iter([
        f"```json\n{excerpt(content('tracked'))}\n```",
        f"```hexdump\n{hexdump(message('tracked')[:96])}```",
        f"```hexdump\n{hexdump(message('status-stalled'))}```",
    ])  # fmt: skip
    return f"{head}## An example\n" + re.sub(
        r"```(?:json|hexdump)\n.*?```", lambda _: next(shown), tail, flags=re.DOTALL
    )


if __name__ == "__main__":
    for name, data in vectors().items():
        (FOLDER / f"{name}.bin").write_bytes(data)
        (FOLDER / f"{name}.json").write_text(as_json(data), encoding="utf-8")
        print(f"{name}: {len(data)} bytes", file=sys.stderr)
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
