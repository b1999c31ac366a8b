"""Whatever a step does, the next one runs, and what it found until then is in a file that is whole."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from pymafx_live.bench.gpu.course import Step, run_course
from pymafx_live.bench.gpu.journal import FAILED, LATE, LEFT_OUT, OK, Journal
from pymafx_live.core.errors import UsageError
from support import steps

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent")
LONG = 120.0


def run(path: Path, *given: Step, seconds: float = LONG) -> list[dict[str, Any]]:
    journal = Journal(path, {"what": "a test"})
    run_course(given, "the bench", journal, seconds)
    document = json.loads(path.read_text())
    assert document["benchmark"] == "gpu" and document["settings"] == {"what": "a test"}
    found: list[dict[str, Any]] = document["steps"]
    return found


def test_a_step_leaves_rows_and_sentences(tmp_path: Path) -> None:
    (found,) = run(tmp_path / "gpu.json", Step("one", LONG, steps.well))
    assert found["state"] == OK and found["error"] == "" and found["seconds"] > 0
    assert found["figures"] == {"row": {"told": "the bench", "number": 1.5, "missing": None, "more": 2}}
    assert found["said"] == ["a sentence"]


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (steps.refuse, "the engine does not build: do something else."),
        (steps.stumble, "ZeroDivisionError: of a kind\nnobody foresaw (steps.py:"),
        (steps.crash, "its process ended by SIGSEGV"),
        (steps.leave, "its process ended with exit code 7"),
        (steps.exhaust, "MemoryError"),
    ],
)
def test_a_step_that_fails_is_written_down_and_the_next_one_runs(tmp_path: Path, work: Any, error: str) -> None:
    first, second, third = run(
        tmp_path / "gpu.json",
        Step("first", LONG, work),
        Step("needs it", LONG, steps.well, ["first"]),
        Step("does not", LONG, steps.well),
    )
    assert first["state"] == FAILED and first["error"].startswith(error)
    assert first["figures"] == ({"before": {"seen": 1}} if work in (steps.refuse, steps.crash) else {})
    assert second["state"] == LEFT_OUT and second["error"] == "it needs the step 'first'" and not second["figures"]
    assert third["state"] == OK and third["figures"]


@pytest.mark.slow  # for a machine on which a process takes long to begin
def test_a_step_that_hangs_is_ended_with_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pymafx_live.bench.gpu.course.GRACE", 0.5)
    first, second = run(tmp_path / "gpu.json", Step("hangs", 15, steps.hang), Step("next", LONG, steps.well))
    assert first["state"] == LATE and first["error"] == "it had not ended after 15 s"
    assert second["state"] == OK
    deadline = time.monotonic() + LONG
    while any(map(_runs, first["figures"]["processes"].values())):  # the child is init's to bury
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_no_step_is_begun_without_time_for_it(tmp_path: Path) -> None:
    first, second = run(tmp_path / "gpu.json", Step("a", LONG, steps.well), Step("b", LONG, steps.well), seconds=0.5)
    assert first["state"] == second["state"] == LEFT_OUT and first["error"] == "no time was left"


def test_time_is_kept_for_later_steps(tmp_path: Path) -> None:
    kept = Step("b", 30, steps.well, kept=99.5)
    first, second = run(tmp_path / "gpu.json", Step("a", LONG, steps.well), kept, seconds=100)
    assert first["state"] == LEFT_OUT and first["error"] == "no time was left" and second["state"] == OK


def test_the_file_is_whole_while_a_step_runs(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "gpu.json", {})
    entry = journal.begin("a step")
    assert json.loads((tmp_path / "gpu.json").read_text())["steps"][0]["state"] == "running"
    journal.add(entry, "row", {"number": float("inf"), "path": Path("x")})
    assert json.loads((tmp_path / "gpu.json").read_text())["steps"][0]["figures"] == {
        "row": {"number": None, "path": "x"}
    }
    assert [path.name for path in tmp_path.iterdir()] == ["gpu.json"]


def test_a_file_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot be written .*name another file with --json"):
        Journal(tmp_path / "file" / "gpu.json", {})
