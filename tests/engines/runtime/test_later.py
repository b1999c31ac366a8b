"""A run goes on where it is while another process builds what is better, and changes between two calls."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime import TensorSpec
from pymafx_live.engines.runtime.later import Later, SwitchingRunner

LIMIT = 120.0
WAITS = """
import sys, time
from pathlib import Path
print("building", flush=True)
while not Path(sys.argv[1]).exists():
    time.sleep(0.02)
print("the memory ran out" if sys.argv[2] != "0" else "built", flush=True)
sys.exit(int(sys.argv[2]))
"""


class Multiplying:
    """Multiplies by a number; what it gave is spoiled once it is closed."""

    def __init__(self, factor: float, device: str = "cpu") -> None:
        self.runtime, self.about, self.device = f"times {factor}", f"Times {factor} on the {device}", device
        self.inputs = self.outputs = {"x": TensorSpec((None,), "float32")}
        self._factor, self.closed = np.float32(factor), False

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        assert not self.closed
        return {"x": inputs["x"] * self._factor}

    def close(self) -> None:
        self.closed = True


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def started(tmp_path: Path, code: int, better: Any, told: list[str]) -> tuple[Later, Path]:
    """A build that ends with that code once the file is there."""
    go = tmp_path / "go"
    later = Later(["-c", WAITS, str(go), str(code)], better, "cpu", told.append)
    return later, go


def call(runner: SwitchingRunner) -> float:
    return float(runner.run({"x": np.ones(1, np.float32)})["x"][0])


def test_runners_change_between_two_calls_once_the_build_has_ended(tmp_path: Path) -> None:
    told: list[str] = []
    worse, better = {n: Multiplying(2) for n in "ab"}, {n: Multiplying(3) for n in "ab"}
    later, go = started(tmp_path, 0, lambda: better, told)
    a, b = (SwitchingRunner(n, worse[n], later, told.append) for n in "ab")
    until(lambda: "building" in told)
    assert [call(a), call(b), call(a)] == [2, 2, 2] and a.about == "Times 2 on the cpu"
    go.touch()
    until(lambda: call(a) == 3)
    assert worse["a"].closed and not worse["b"].closed  # whose last answer may still be in use
    assert a.about == "Times 3 on the cpu" and a.runtime == "times 3" and call(b) == 3 and worse["b"].closed
    assert "a runs on Times 3 on the cpu from now on" in told
    a.close()
    b.close()
    assert all(runner.closed for runner in better.values())


def refused() -> Any:
    raise NetworkError("PyMAF-X strays.")


@pytest.mark.parametrize(
    ("code", "better", "said"),
    [
        (3, lambda: {"a": Multiplying(3)}, "was not built (the memory ran out)"),
        (0, refused, "PyMAF-X strays. The networks stay where they are."),
        (0, lambda: 1 / 0, "does not open (division by zero)"),
        (0, lambda: {"a": Multiplying(3, "cuda:0")}, "Times 3 on the cuda:0 is not on cpu"),
    ],
)
def test_where_it_does_not_come_the_run_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, code: int, better: Any, said: str
) -> None:
    caplog.set_level(logging.WARNING)
    later, go = started(tmp_path, code, better, [])
    runner = SwitchingRunner("a", Multiplying(2), later, print)
    go.touch()
    until(lambda: said in caplog.text)
    assert call(runner) == 2
    runner.close()
    assert len(caplog.records) == 1


def test_a_build_ends_with_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    later, _ = started(tmp_path, 0, lambda: {"a": Multiplying(3)}, told)
    runner = SwitchingRunner("a", Multiplying(2), later, told.append)
    until(lambda: "building" in told)
    runner.close()
    assert later._process.poll() not in (None, 0) and not caplog.records
    if os.name == "posix":
        with pytest.raises(ProcessLookupError):
            os.kill(later._process.pid, 0)


def test_what_came_and_was_not_taken_is_closed(tmp_path: Path) -> None:
    better = Multiplying(3)
    later, go = started(tmp_path, 0, lambda: {"a": better}, [])
    go.touch()
    until(lambda: not later._thread.is_alive())
    later.close()
    assert better.closed and later.take("a") is None
