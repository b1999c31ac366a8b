"""SIGINT, SIGTERM and SIGHUP at every stage of a run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from pymafx_live.configs.schema import Settings, SourceSettings
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.pipeline.run import Makers, run
from pymafx_live.pipeline.statistics import Statistics
from pymafx_live.pipeline.stop import Interrupted, Stop

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def _heard():
    """As for a program in the foreground, whatever pytest was started to ignore."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def launch(clips, green_detector, box_engine) -> Callable[..., Statistics]:
    """Runs a little clip with small parts; `starting` is called while the engine is made, `watch` makes an output."""

    def launched(count: int, starting: Callable[[], None] = lambda: None, watch: Output | None = None) -> Statistics:
        settings = Settings(source=SourceSettings(uri=str(clips.write(count=count))))
        statistics = Statistics()
        makers = Makers(detector=lambda *_: green_detector, engine=lambda *_: starting() or box_engine)
        run(settings, statistics, watch=(lambda _: watch) if watch else None, makers=makers)
        return statistics

    return launched


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_starting_ends_it_at_once(launch, number):
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as raised:
        launch(5, starting=lambda: os.kill(os.getpid(), number))
    assert raised.value.number == number
    assert signal.getsignal(number) == before


def test_it_does_so_where_a_library_makes_another_error_of_it(launch):
    def swallowing():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        except BaseException as error:
            raise ImportError("numpy.core.multiarray failed to import") from error

    with pytest.raises(Interrupted):
        launch(5, starting=swallowing)


def test_it_does_so_where_a_library_hears_of_no_error(launch):
    def swallowing():
        with suppress(BaseException):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)

    with pytest.raises(Interrupted):
        launch(5, starting=swallowing)


@pytest.mark.parametrize("number", SIGNALS)
def test_many_signals_lose_nothing_that_was_written(launch, number):
    class Slow(Output):
        policy = Policy.BLOCK
        written, closed = 0, False

        def write(self, result, frame):
            if self.written == 3:
                os.kill(os.getpid(), number)
            time.sleep(0.02)
            self.written += 1

        def close(self):
            for _ in range(3):  # whoever is impatient while what is written comes to its end
                os.kill(os.getpid(), number)
                time.sleep(0.02)
            self.closed = True

    output = Slow()
    statistics = launch(200, watch=output)
    assert 3 < statistics.frames < 200
    assert output.closed
    assert output.written == statistics.frames


def test_a_second_signal_interrupts_a_frame_that_does_not_end():
    stop = Stop()
    with pytest.raises(Interrupted), stop.on_signals():
        stop.looping()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


# Each import, file and thread of a start is an event of Python's auditing: a clock that runs as fast as the machine.
# It tells when the recording was opened, which is at the first frame.
PROGRAM = """
import os, sys
at, number = int(sys.argv.pop(1)), int(sys.argv.pop(1))
count = 0

def heard(event, arguments):
    global count
    count += 1
    if count == at:
        os.kill(os.getpid(), number)
    elif event == "open" and str(arguments[0]).endswith("out.jsonl"):
        os.write(1, b"%d\\n" % count)

from pymafx_live.pipeline.start import main
sys.addaudithook(heard)
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_at_any_moment_of_the_start_of_the_program(tmp_path, number):
    """128 and the number, or 0 once it was at its first frame; no traceback, and nothing is left behind."""

    def started(at: int, *flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, str(at), str(number),
             "--source", "demo", "--bind", "", "--json", "out.jsonl", "--overwrite", *flags],
            cwd=tmp_path, capture_output=True, text=True, timeout=120,
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        )  # fmt: skip

    for _ in range(2):  # the first may write Python's own cache, which is another way to start
        whole = started(0, "--max-frames", "1")
        assert whole.returncode == 0, whole.stderr
    first_frame = int(whole.stdout.split()[0])
    moments = [1, *(first_frame * (3 * k + SIGNALS.index(number)) // 18 for k in range(1, 6))]
    for at in moments:
        ended = started(at)
        assert (ended.returncode, ended.stderr.strip()) == (128 + number, ""), at  # click ends the line of a ^C
    ended = started(first_frame + 1)
    assert ended.returncode in {0, 128 + number}
    assert "should not happen" not in ended.stderr and "Traceback" not in ended.stderr
    assert not [file for file in tmp_path.rglob("*") if file.name != "out.jsonl" and file.is_file()]
