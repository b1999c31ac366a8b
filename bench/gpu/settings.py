"""What all steps are told: where the files are, what runs the networks, and how long to look."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymafx_live.configs.schema import Settings
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.pymafx.graphs.gate import RUNS
from pymafx_live.engines.runtime import Runner, RunnerOptions, open_runner

FULL_HD = (1920, 1080)
CAMERA_FPS = 31
"""Frames a second of the clips that are played as a camera would: a little more than most give."""


@dataclass(frozen=True, slots=True)
class Bench:
    """The whole benchmark. `frames` and `repeats` are counted at most, and `seconds` watched for memory.

    `runtime` runs the networks: TensorRT on a GPU, whatever stands in for it on a processor. `engine` is that of the
    pipeline.
    """

    assets: Path
    clips: Path
    runtime: str = "tensorrt"
    precision: str = "auto"
    device: str = "cuda"
    frames: int = 300
    repeats: int = 100
    seconds: float = 300.0
    size: tuple[int, int] = FULL_HD
    engine: str = "pymafx"

    @property
    def runs(self) -> int:
        """How often the gate runs each batch size: on a processor nothing is captured."""
        return RUNS if self.on_gpu else 1

    @property
    def on_gpu(self) -> bool:
        """Whether there is a card; else the processor takes its place, to try the benchmark itself."""
        return self.device != "cpu"

    def settings(self, overlap: bool = False) -> Settings:
        """Those of a live run that names its engine, runtime and precision and leaves the rest as it is."""
        given: dict[str, Any] = {
            "engine": {"name": self.engine, "assets": str(self.assets)},
            "run": {"runtime": self.runtime, "precision": self.precision, "overlap": overlap},
        }
        return Settings.model_validate(given)

    def options(
        self, say: Callable[[str], None], max_batch: int | None = None, own_scratch: bool = False
    ) -> RunnerOptions:
        """The options with which the live run opens PyMAF-X's graphs, so that these are found in the same cache."""
        live = self.settings()
        largest = max_batch or live.engine.max_batch
        return RunnerOptions(live.run.threads, largest, progress=say, own_scratch=own_scratch)

    def open(
        self, model: Path, say: Callable[[str], None], max_batch: int | None = None, own_scratch: bool = False
    ) -> Runner:
        """A network on the runtime. Raises `NetworkError`, also where it does not run on the card."""
        runner = open_runner(model, self.runtime, self.options(say, max_batch, own_scratch))
        if self.on_gpu and not runner.device.startswith("cuda"):
            runner.close()
            raise NetworkError(f"{model.name} runs on {runner.about}, not on the GPU: name another --runtime.")
        return runner


class _Told(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())


def listen(say: Callable[[str], None]) -> None:
    """Has `say` told what the package logs from now on: the progress of builds among it."""
    ours = logging.getLogger("pymafx_live")
    ours.setLevel(logging.INFO)
    ours.addHandler(_Told(say))
