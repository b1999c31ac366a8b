"""The program that `bench.soak` watches: `pymafx-live` as it is, with an output that says what frame it is at.

    python -m pymafx_live.bench.soak_program FD MODULE,... ARGUMENTS OF PYMAFX-LIVE

To the pipe FD it writes of each frame its source, its sequence number, the number in the picture, the time by
`time.monotonic`, and the age that the frame says that it has. The modules are imported before it starts: tests register
parts of their own there.
"""

import os
import sys
import time
from importlib import import_module
from typing import Self, cast

from pymafx_live.bench.numbered import number_of
from pymafx_live.configs.schema import OutputSettings, Section
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Frame, FrameResult
from pymafx_live.pipeline.outputs import OUTPUTS
from pymafx_live.pipeline.outputs.run import Run


class ProbeSettings(Section):
    """None."""


class Probe(Output):
    """Says what frame it is at; on the run's own thread, at the moment at which it is published."""

    Settings = ProbeSettings
    name, policy = "probe", Policy.DIRECT
    pipe = -1

    @classmethod
    def open(cls, settings: OutputSettings, run: Run) -> Self:
        """For every run."""
        return cls()

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """One line."""
        if frame is not None:
            told = (result.source, result.sequence, number_of(frame.image), time.monotonic(), frame.age)
            os.write(self.pipe, (" ".join(str(value) for value in told) + "\n").encode())


def main() -> None:
    """Runs `pymafx-live`."""
    from pymafx_live.pipeline.start import main as program

    Probe.pipe, modules = int(sys.argv.pop(1)), sys.argv.pop(1)
    cast(dict[str, str], OUTPUTS)["probe"] = f"{__name__}:Probe"
    for module in filter(None, modules.split(",")):
        import_module(module)
    sys.argv[0] = "pymafx-live"
    program()


if __name__ == "__main__":
    sys.modules["pymafx_live.bench.soak_program"] = sys.modules["__main__"]  # one Probe, not two
    main()
