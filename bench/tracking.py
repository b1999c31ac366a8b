"""Who is who: HOTA, IDF1 and MOTA of trackers on rendered people who pass each other, on the same detections.

    python -m pymafx_live.bench.tracking [--clips crowd,crossing] [--seeds 100-103] [--trackers bytetrack,...]

Needs the extra `trackers`, whose evaluation it uses (after TrackEval) and whose trackers stand beside ours; those of
`ultralytics` do too, where that extra is installed, and are left out where not. Each
tracker has all frames, every second one, and those that are left when a third is dropped at random. People of whom less
than `VISIBLE` is seen count neither as missed nor as found.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.clip import cached_clip, load_truth, truth_path
from pymafx_live.bench.mannequin.truth import Truth
from pymafx_live.bench.report import numbers, print_table, write_json
from pymafx_live.bench.ultralytics_tracker import UltralyticsTracker, installed
from pymafx_live.configs.schema import Settings, TrackerSettings
from pymafx_live.core.boxes import iou
from pymafx_live.core.errors import LiveError
from pymafx_live.core.interfaces import Found
from pymafx_live.core.types import Floats, Track, TrackState
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.trackers import open_tracker
from pymafx_live.trackers.looks import looks
from scipy.optimize import linear_sum_assignment

VISIBLE = 0.3
FRAMES = {"crowd": 150}
"""Frames of a clip, where they are not 75."""
TRACKERS = "bytetrack,sort,trackers:bytetrack,trackers:ocsort,trackers:botsort"
ULTRALYTICS = ",ultralytics:botsort,ultralytics:bytetrack"
COLUMNS = {"HOTA": "HOTA", "IDF1": "IDF1", "MOTA": "MOTA", "AssA": "AssA", "IDSW": "switches"}
Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One frame: what the detector found in it, how that looks, and the truth."""

    time: float
    found: Found
    looks: Floats
    truth: Truth


class Updated(Protocol):
    """Of a tracker, what is measured here."""

    def update(self, boxes: Floats, scores: Floats, time: float, looks: Floats | None = None) -> list[Track]:
        """See `Tracker.update`."""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """True and tracked ids of each frame, and the IoU of their boxes."""

    true: list[Array]
    tracked: list[Array]
    overlap: list[Array]


def detections(clip: Path) -> Iterator[Seen]:
    """What the default detector finds in every frame of a rendered clip."""
    truths = load_truth(truth_path(clip))
    with closing(open_detector(Settings(), Pictures())) as detector, av.open(str(clip)) as container:
        for truth, picture in zip(truths, container.decode(video=0), strict=True):
            image = picture.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
            found = detector.detect([image])[0]
            yield Seen(truth.time, found, looks(image, found[0]), truth)


def every(seen: Sequence[Seen]) -> list[Seen]:
    """All frames."""
    return list(seen)


def second(seen: Sequence[Seen]) -> list[Seen]:
    """Every second frame."""
    return list(seen[::2])


def dropped(seen: Sequence[Seen]) -> list[Seen]:
    """Two frames of three, at random, the same ones each time."""
    kept = np.random.default_rng(0).random(len(seen)) > 1 / 3
    return [one for one, keep in zip(seen, kept, strict=True) if keep]


SUBSETS: Mapping[str, Callable[[Sequence[Seen]], list[Seen]]] = {
    "all frames": every, "every second": second, "a third dropped": dropped,
}  # fmt: skip


def opened(name: str) -> Updated:
    """A tracker of this project, or of `ultralytics:NAME`."""
    package, _, of_it = name.partition(":")
    return UltralyticsTracker(of_it) if package == "ultralytics" else open_tracker(TrackerSettings(name=name))


def track(tracker: Updated, seen: Sequence[Seen]) -> Scored:
    """Runs a tracker over one clip."""
    scored = Scored([], [], [])
    for one in seen:
        boxes, scores = one.found
        _add(scored, one.truth, tracker.update(boxes, scores, one.time, one.looks))
    return scored


def _add(scored: Scored, truth: Truth, tracks: Sequence[Track]) -> None:
    """Adds a frame; a track on somebody who can hardly be seen is left out, as that one is."""
    shown = [t for t in tracks if t.seen and t.state in (TrackState.TRACKED, TrackState.NEW)]
    boxes = _stacked([t.box for t in shown])
    clear = [p for p in truth.people if p.visible >= VISIBLE]
    hidden = [p for p in truth.people if 0 < p.visible < VISIBLE]
    overlap = iou(_stacked([p.box for p in [*clear, *hidden]])[:, None], boxes)
    rows, columns = linear_sum_assignment(np.where(overlap >= 0.5, overlap, 0), maximize=True)
    left_out = columns[(rows >= len(clear)) & (overlap[rows, columns] >= 0.5)]
    kept = np.setdiff1d(np.arange(len(shown)), left_out)
    scored.true.append(np.array([p.id for p in clear], int))
    scored.tracked.append(np.array([shown[k].id for k in kept], int))
    scored.overlap.append(overlap[: len(clear), kept].astype(np.float64))


def _stacked(boxes: Sequence[Floats]) -> Floats:
    return np.array(boxes, np.float32).reshape(-1, 4)


def figures(clips: Sequence[Scored]) -> dict[str, float]:
    """HOTA, IDF1, MOTA, AssA in percent and the number of identity switches, over all clips."""
    evaluation = _evaluation()
    parts: dict[str, Any] = {}
    for kind in ("hota", "identity", "clear"):
        module = evaluation(kind)
        each = [getattr(module, f"compute_{kind}_metrics")(c.true, c.tracked, c.overlap) for c in clips]
        parts |= getattr(module, f"aggregate_{kind}_metrics")(each)
    return {key: float(parts[key]) * (1 if key == "IDSW" else 100) for key in COLUMNS}


def _evaluation() -> Callable[[str], Any]:
    """Modules of the evaluation of the package `trackers`, by name; raises `UsageError` where it is not installed."""
    from pymafx_live.trackers.roboflow import package

    package()
    return lambda kind: importlib.import_module(f"trackers.eval.{kind}")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", default="crowd,crossing", help="motions of the mannequins (%(default)s)")
    parser.add_argument("--seeds", default="100-103", help="their seeds (%(default)s); below 100 for tuning")
    parser.add_argument("--trackers", default=TRACKERS + (ULTRALYTICS if installed() else ""), help="(%(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args(argv)
    try:
        rows = _rows(options.clips.split(","), numbers(options.seeds), options.trackers.split(","))
        if options.json:
            write_json(options.json, "tracking", rows, {"clips": options.clips, "seeds": options.seeds})
    except LiveError as error:
        print(f"tracking: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _rows(clips: Sequence[str], seeds: Sequence[int], names: Sequence[str]) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    for clip in clips:
        seen = [list(detections(cached_clip(clip, seed, FRAMES.get(clip, 75)))) for seed in seeds]
        for subset, choose in SUBSETS.items():
            new: dict[str, dict[str, float]] = {}
            for name in names:
                scored = [track(opened(name), choose(one)) for one in seen]
                new[name] = figures(scored)
            print_table(f"{clip}, {subset}", new, COLUMNS, 1)
            rows |= {f"{clip}/{subset}/{name}": found for name, found in new.items()}
    return rows


if __name__ == "__main__":
    sys.exit(main())
