"""What avatars and trackers cost: `python -m pymafx_live.bench.avatars`, on the run's thread and on the output's own.

People in random poses, thirty results a second, and sockets that take what is sent. Processor time, so that a busy
machine counts little; without `--warm` as in a run, where other work empties the caches between two results.
"""

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import numpy as np
from pymafx_live.bench.report import numbers, print_table, write_json
from pymafx_live.core.interfaces import Output
from pymafx_live.core.names import BLENDSHAPES
from pymafx_live.core.types import PARTS, Camera, Frame, FrameResult, Origin, Part, Person, pose_parameters
from pymafx_live.pipeline.delivery import Delivery
from pymafx_live.pipeline.outputs.osc_trackers import TrackerOutput, TrackerSettings
from pymafx_live.pipeline.outputs.vmc import VmcOutput, VmcSettings
from pymafx_live.pipeline.stop import Stop

COLUMNS = {"run": "run's thread", "run95": "95 %", "own": "own thread", "own95": "95 %"}
_EMPTIED = 32 * 2**20
"""Bytes that are written over between two results."""


class _Timed(Output):
    """Another output, and the seconds of processor time that each result took it."""

    def __init__(self, output: Output) -> None:
        self.name, self.policy, self._output = output.name, output.policy, output
        self.seconds: list[float] = []

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Passes it on."""
        began = time.thread_time()
        self._output.write(result, frame)
        self.seconds.append(time.thread_time() - began)

    def close(self) -> None:
        """Closes it."""
        self._output.close()


def _result(people: int, rng: np.random.Generator) -> FrameResult:
    parts = {name: Part(1.0, Origin.MEASURED) for name in PARTS}
    box, camera = np.array([0, 0, 100, 200], np.float32), Camera(640, 480, 500.0, 500.0, 319.5, 239.5)
    extra = {"blendshapes": rng.random(len(BLENDSHAPES), np.float32), "bones": np.ones(55, np.float32)}
    everybody = [
        Person(
            k, "tracked", box, 0.9, "landmarks", parts, pelvis=np.array([k, 0.3, 3.0], np.float32), extra=extra,
            **pose_parameters(rng.normal(size=(55, 3)).astype(np.float32)),
        )
        for k in range(people)
    ]  # fmt: skip
    return FrameResult("bench", 0, "bench", 0.0, 0.0, 0.0, camera, everybody)


@contextmanager
def _ports(count: int) -> Iterator[int]:
    """The first of `count` ports in a row that take datagrams, and lose them."""
    for first in range(40_000, 60_000, 100):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    taker = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    taker.bind(("127.0.0.1", port))
            except OSError:
                continue
            yield first
            return


def _measure(output: Output, people: int, frames: int, warm: bool) -> Mapping[str, float]:
    """Milliseconds, the median and the 95th percentile."""
    timed, handed, rng = _Timed(output), [], np.random.default_rng(0)
    delivery, waste = Delivery([timed], Stop(), live=True), np.zeros(_EMPTIED, np.uint8)
    for _ in range(frames):
        result = _result(people, rng)
        waste += not warm
        began = time.thread_time()
        delivery.write(result, None)
        handed.append(time.thread_time() - began)
        time.sleep(1 / 30)
    delivery.close()
    figures = {"run": handed, "own": timed.seconds}
    return {
        f"{name}{suffix}": float(np.percentile(seconds, percentile)) * 1e3
        for name, seconds in figures.items() for suffix, percentile in (("", 50), ("95", 95))
    }  # fmt: skip


def _outputs(port: int) -> Mapping[str, Output]:
    many = f"127.0.0.1:{port}+"
    return {
        "VMC": VmcOutput(VmcSettings(vmc=many)),
        "VMC, all 52 shapes": VmcOutput(VmcSettings(vmc=many, vmc_face="arkit")),
        "VMC, no bundles": VmcOutput(VmcSettings(vmc=many, vmc_face="arkit", vmc_bundles="off")),
        "trackers (one person)": TrackerOutput(TrackerSettings(osc_trackers=many.rstrip("+"))),
    }


@click.command()
@click.option("--people", default="1,4", show_default=True, help="how many people, several times")
@click.option("--frames", default=150, show_default=True, help="results for each row")
@click.option("--warm", is_flag=True, help="with the caches as the last result left them")
@click.option("--json", "file", type=click.Path(path_type=Path), help="file for the figures")
def main(people: str, frames: int, warm: bool, file: Path | None) -> None:
    """Measures what it costs to send people to avatars and trackers, in milliseconds of a processor."""
    counts: Sequence[int] = numbers(people)
    rows: dict[str, Mapping[str, float]] = {}
    with _ports(max(counts)) as port:
        for count in counts:
            for name, output in _outputs(port).items():
                rows[f"{name}, {count}"] = _measure(output, count, frames, warm)
    print_table("Processor time a result, ms", rows, COLUMNS, decimals=3)
    if file:
        write_json(file, "avatars", rows, {"people": list(counts), "frames": frames, "warm": warm})


if __name__ == "__main__":
    main()
