"""A loop that is stuck is noticed and named; one that waits for a camera is not."""

import logging
import re
import time
from itertools import count
from threading import Thread

import numpy as np
import pytest
from pymafx_live.configs.schema import Settings, SourceSettings
from pymafx_live.pipeline import watchdog as watching
from pymafx_live.pipeline.cameras import Cameras
from pymafx_live.pipeline.run import Makers, run
from pymafx_live.pipeline.statistics import Statistics
from pymafx_live.pipeline.watchdog import Watchdog
from support.parts import create_detector


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(watching, "LIMIT", 0.2)


def test_an_engine_that_hangs_for_a_while_is_named_and_forgiven(clips, green_detector, box_engine, caplog, monkeypatch):
    estimate, calls = box_engine.estimate, count()

    def hanging(scenes):
        if next(calls) == 2:  # whichever frame that is: some are dropped on a busy machine
            deadline = time.monotonic() + 120
            while "no result for" not in caplog.text and time.monotonic() < deadline:
                time.sleep(0.05)
        return estimate(scenes)

    box_engine.estimate = hanging
    monkeypatch.setattr(logging.getLogger("pymafx_live"), "propagate", True)
    with caplog.at_level(logging.WARNING):
        run(
            Settings(source=SourceSettings(uri=str(clips.write(count=30)), realtime=True)),
            Statistics(),
            makers=Makers(detector=lambda *_: green_detector, engine=lambda *_: box_engine),
        )
    assert caplog.text.count("no result for") >= 1
    assert "the loop is at pipeline/halves.py" in caplog.text and "(look)" in caplog.text
    assert caplog.text.count("the run goes on") >= 1


def test_what_is_stuck_is_named_by_its_stage_and_line():
    """The real detector, whose thread is looked at while it works."""
    detector = create_detector()
    told = []
    picture = np.zeros((480, 640, 3), np.uint8)

    def work():
        with Watchdog() as dog:
            while not dog.stuck:
                detector.detect([picture])
            told.append(dog.stuck)

    worker = Thread(target=work, daemon=True)
    worker.start()
    worker.join(60)
    detector.close()
    assert re.fullmatch(r"no result for \d+ s: the detector is at engines/\S+, line \d+ \(\w+\)", told[0])


def test_a_camera_without_frames_is_none_that_hangs():
    """A stream that says nothing is the source's matter, which tells it itself."""

    def silent():
        time.sleep(1)
        yield from ()

    with Watchdog() as dog:
        list(Cameras([silent()], [0]))
        assert dog.stuck == ""
