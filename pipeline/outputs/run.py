"""What an output may need of the run that it is opened for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pymafx_live.pipeline.outputs.drawn import Drawing
from pymafx_live.pipeline.outputs.targets import Targets
from pymafx_live.pipeline.playback import Playback
from pymafx_live.pipeline.recorder import Recorder
from pymafx_live.pipeline.selection import Rule
from pymafx_live.pipeline.statistics import OutputFigures
from pymafx_live.pipeline.stop import Stop

JOINTS: Mapping[str, int] = {"off": 0, "body": 22, "all": 55}
"""How many of SMPL-X's joints each choice of `output.joints` sends: the body's come first."""


@dataclass
class Run:
    """`stop` ends the run, `targets` says where files go; `drawing` draws people, with the SMPL-X file `body` or else
    the embedded body, and with `floor` on a grid. `joints` is how many of each person's joints are sent. `figures` says
    what each output has done so far, `stuck` at what the loop is stuck, or "". `sources` are the names of the sources;
    a recording may hold others. `lock` is whom an output for one person takes, `replayed` says that results are
    those of a recording, and `playback` steers that, where it can be; `recorder` records when it is asked
    to. What is in `afterwards` is called when the outputs have closed."""

    stop: Stop
    body: str = ""
    targets: Targets = field(default_factory=Targets)
    joints: int = JOINTS["body"]
    figures: Callable[[], Sequence[OutputFigures]] = tuple
    stuck: Callable[[], str] = str
    sources: Sequence[str] = ()
    floor: bool = False
    lock: Rule | None = None
    replayed: bool = False
    playback: Playback | None = None
    recorder: Recorder | None = None
    afterwards: list[Callable[[], None]] = field(default_factory=list)

    @cached_property
    def drawing(self) -> Drawing:
        """Shared by all who show pictures. Raises `AssetError` where the body cannot be loaded."""
        from pymafx_live.engines.body.overlay import Overlay

        return Drawing(Overlay(self.body), self.floor)

    def finish(self) -> None:
        """Does what outputs have left for when they are closed, such as converting a journal. Raises `LiveError`.

        It may take minutes, and a signal ends the program in the middle of it.
        """
        if self.afterwards:
            self.stop.looping()
        for task in self.afterwards:
            task()
