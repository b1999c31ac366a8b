"""The trackers of the package `ultralytics` (AGPL-3.0), with its own settings, to stand beside ours."""

from importlib.util import find_spec
from typing import Any

import numpy as np
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Floats, Track, TrackState
from pymafx_live.engines.runtime import telemetry


class UltralyticsTracker:
    """One of the package's trackers, without its compensation of the camera's motion, as these cameras stand still.

    It counts frames, whatever the time between them.
    """

    def __init__(self, name: str) -> None:
        """Raises `UsageError` for a name that it has not, or where it is not installed."""
        if not installed():
            raise UsageError(
                f"ultralytics:{name} needs the package ultralytics: pip install 'pymafx-live[ultralytics]'"
            )
        telemetry.switch_off()
        from ultralytics.engine.results import Boxes
        from ultralytics.trackers.track import TRACKER_MAP
        from ultralytics.utils import YAML, IterableSimpleNamespace
        from ultralytics.utils.checks import check_yaml

        if name not in TRACKER_MAP:
            raise UsageError(
                f'the package ultralytics has no tracker "{name}": choose {", ".join(sorted(TRACKER_MAP))}'
            )
        settings = YAML.load(check_yaml(f"{name}.yaml"))
        self._tracker: Any = TRACKER_MAP[name](IterableSimpleNamespace(**{**settings, "gmc_method": "none"}))
        self._boxes: Any = Boxes

    def update(self, boxes: Floats, scores: Floats, time: float, looks: Floats | None = None) -> list[Track]:
        """The tracks that detections `boxes` (N, 4) x1, y1, x2, y2 and `scores` (N,) confirm."""
        rows = np.concatenate([boxes, scores[:, None], np.zeros((len(boxes), 1))], 1).astype(np.float32)
        found = self._tracker.update(self._boxes(rows, orig_shape=(1, 1)))
        return [
            Track(int(row[4]), TrackState.TRACKED, row[:4].astype(np.float32), float(row[5]))
            for row in np.asarray(found).reshape(-1, 8)
        ]


def installed() -> bool:
    """Whether the package is there, and `lap`, which it would install by itself at the first tracker."""
    return all(find_spec(name) is not None for name in ("ultralytics", "lap"))
