"""Holds what a runtime has built against the network before it is used, in every batch size that it runs.

A compiled runtime has kernels of its own for each size, and what it does changes with the runs: it launches, then
captures, then replays. A precision that it gets wrong is followed by the next safer one, of its own accord.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pymafx_live.core.errors import NetworkError
from pymafx_live.core.files import short_hash, write_whole
from pymafx_live.core.interfaces import Progress
from pymafx_live.engines.pymafx.graphs.parity import Difference, People, Result, check_names, compare, estimate, people
from pymafx_live.engines.pymafx.spec import SAFER
from pymafx_live.engines.runtime import Runner

logger = logging.getLogger(__name__)

RUNS = 4
"""Runs of each size: TensorRT-RTX captures in the second, and replays from the third on."""
MOST_PEOPLE = 8
"""Of them at most the gate is asked: the network itself, which is the measure, runs them on the processor."""
Open = Callable[[str], Mapping[str, Runner]]
"""Opens the graphs in a precision."""


class StrayedError(NetworkError):
    """Graphs that run, and do not give what the network gives."""


@dataclass(frozen=True, slots=True)
class Expected:
    """People, and what the network makes of them."""

    people: Sequence[People]
    results: Sequence[Result]

    @classmethod
    def of(cls, reference: Mapping[str, Runner], largest: int) -> "Expected":
        """Batches of people up to `largest`."""
        given = people(sorted({min(3, largest), min(largest, MOST_PEOPLE)}))
        return cls(given, [estimate(reference, batch) for batch in given])


def differences_by_size(
    expected: Expected, runners: Mapping[str, Runner], precision: str, sizes: Sequence[int], runs: int = RUNS
) -> Iterator[tuple[int, list[Difference]]]:
    """How far the three runners are off, for every run in pieces of each of `sizes`. Raises `NetworkError`."""
    for size in sizes:
        for _ in range(runs):
            found = [estimate(runners, batch, size) for batch in expected.people]
            yield size, compare(expected.results, found, precision)


def demand_parity(
    reference: Mapping[str, Runner], runners: Mapping[str, Runner], precision: str, sizes: Sequence[int]
) -> None:
    """Raises `StrayedError` that says what is off, where anything is in any of the sizes; else what running raises."""
    for name, runner in runners.items():
        check_names(name, runner, reference[name])
    for size, found in differences_by_size(Expected.of(reference, sizes[-1]), runners, precision, sizes):
        if failing := [d for d in found if not d.passes]:
            told = ", ".join(f"{d.name} {d.worst:.2g} {d.unit}".rstrip() for d in failing)
            raise StrayedError(
                f"PyMAF-X in {precision} strays from the network on {runners['body'].about}, in batches of {size}: "
                f"{told} at worst; use another runtime or precision."
            )


@dataclass(frozen=True, slots=True)
class Gate:
    """What is needed to hold the graphs of one asset folder against its network, once on a machine.

    `place` is the folder in which verdicts are kept, `identity` whatever they depend on beside the precision.
    """

    place: Path
    identity: Callable[[str], Sequence[object]]
    reference: Callable[[], Mapping[str, Runner]]
    sizes: Sequence[int]
    progress: Progress

    def open(self, precision: str, opened: Open) -> Mapping[str, Runner]:
        """The graphs in `precision` or the first safer one that passes. Raises `NetworkError` where none does."""
        while True:
            try:
                return self._open(precision, opened)
            except StrayedError as error:
                if precision not in SAFER:
                    raise
                logger.warning("%s The precision %s is tried.", error, SAFER[precision])
                precision = SAFER[precision]

    def verdict(self, precision: str) -> str | bool | None:
        """True where a precision has passed here, the fault where it has not, None where nobody has looked."""
        return _read(self._file(precision))

    def _file(self, precision: str) -> Path:
        return self.place / f"gate-{short_hash(RUNS, precision, *self.identity(precision))}.json"

    def _open(self, precision: str, opened: Open) -> Mapping[str, Runner]:
        verdict = self._file(precision)
        known = _read(verdict)
        if isinstance(known, str):
            raise StrayedError(known)
        runners = opened(precision)
        try:
            if known is None:
                self._judge(runners, precision, verdict)
        except BaseException:
            for runner in runners.values():
                runner.close()
            raise
        return runners

    def _judge(self, runners: Mapping[str, Runner], precision: str, verdict: Path) -> None:
        self.progress(f"comparing what was built in {precision} with the network, once on this machine")
        try:
            demand_parity(self.reference(), runners, precision, self.sizes)
        except StrayedError as error:
            _write(verdict, str(error))
            raise
        _write(verdict, True)


def _read(verdict: Path) -> str | bool | None:
    """True where it was passed, the fault where it was not, None where nobody has looked."""
    try:
        found = json.loads(verdict.read_text(encoding="utf-8"))["verdict"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found is True or isinstance(found, str) else None


def _write(verdict: Path, found: str | bool) -> None:
    with suppress(OSError):  # then the next start looks again
        write_whole(verdict, json.dumps({"verdict": found}).encode())
