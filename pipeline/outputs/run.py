"""What an output may need of the run that it is opened for."""

from functools import cached_property

import numpy as np
from pymafx_live.core.types import Camera, FrameResult, Person, TrackState
from pymafx_live.pipeline.outputs.drawn import Drawing
from pymafx_live.pipeline.outputs.targets import Targets
from pymafx_live.pipeline.stop import Stop

_AHEAD = np.array([0, 0, 3], np.float32)
_SOMEBODY = FrameResult(
    "", 0, "", 0.0, 0.0, 0.0, Camera(64, 48, 60, 60, 32, 24),
    (Person(1, TrackState.TRACKED, np.zeros(4, np.float32), 1.0, "", {}, transl=_AHEAD, pelvis=_AHEAD),),
)  # fmt: skip


class Run:
    """`stop` ends the run, `targets` says where files go; `drawing` draws people, with the SMPL-X file `body` or else
    the embedded body."""

    def __init__(self, stop: Stop, body: str = "", targets: Targets | None = None) -> None:
        self.stop, self.targets = stop, targets or Targets()
        self._body = body

    @cached_property
    def drawing(self) -> Drawing:
        """Shared by all who show pictures. Raises `AssetError` where the body cannot be loaded."""
        from pymafx_live.engines.body.overlay import Overlay

        drawing = Drawing(Overlay(self._body))
        drawing.picture(_SOMEBODY, None)  # compiles here, or a camera's first seconds would be lost to a recording
        return drawing
