"""SIGINT, SIGTERM and SIGHUP at every stage of a run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

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


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_at_any_moment_of_the_start_of_the_program(tmp_path, number):
    """128 and the number, or 0 once it was at its first frame; no traceback, and nothing is left behind."""
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); print('up', flush=True); "
    command = [sys.executable, "-c", program + "from pymafx_live.pipeline.cli import main; main()"]
    codes = set()
    for tenths in range(2 + SIGNALS.index(number), 40, 9):
        process = subprocess.Popen(
            [*command, "--source", "demo", "--bind", "", "--json", "out.jsonl", "--overwrite"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(tenths / 10)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        began = "up" if process.returncode < 0 else err  # before anything was imported the signal ends Python itself
        assert "should not happen" not in began
        codes.add(process.returncode)
    assert codes <= {0, 128 + number, -number}
    assert 128 + number in codes
    assert not [file for file in tmp_path.rglob("*") if file.name != "out.jsonl" and file.is_file()]
