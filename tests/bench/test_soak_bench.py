"""The soak finds what grows, and nothing where nothing does."""

from pathlib import Path

import numpy as np
import pytest
from pymafx_live.bench.growth import Quantity, grown, sentence
from pymafx_live.bench.numbered import MOST, film, number_of, stamp
from pymafx_live.bench.soak import main

TIMES = list(np.linspace(0, 1800, 360))


def noise(seed: int, size: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, size, len(TIMES))


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_is_told_from_a_warm_up_and_from_noise(seed):
    times = np.array(TIMES)
    warm = 800 + 200 * (1 - np.exp(-times / 120)) + noise(seed, 10)
    memory = Quantity("resident memory", " MB", 16.0, 0.02)
    assert sentence("run", memory, TIMES, warm) == ""
    assert sentence("run", memory, TIMES, warm + 300 * (times < 30) + 500 * (np.abs(times - 1500) < 20)) == ""
    growth, level = grown(TIMES, list(warm + 0.1 * times))
    assert growth == pytest.approx(90, abs=10) and level == pytest.approx(1090, abs=10)
    said = sentence("run", memory, TIMES, warm + 0.1 * times)
    assert said.startswith("resident memory of run grew by ") and said.endswith(" MB")


def test_what_comes_and_goes_does_not_grow():
    handles = Quantity("the number of open handles", "", 8.0)
    saw = [20 + (k % 12) for k in range(len(TIMES))]
    assert sentence("run", handles, TIMES, saw) == ""
    assert sentence("run", handles, TIMES, [20 + k / 10 for k in range(len(TIMES))]).endswith(" from 38")


def test_a_picture_says_its_number():
    for number in (0, 1, 513, MOST - 1):
        assert number_of(stamp(np.full((270, 480, 3), 90, np.uint8), number)) == number
    pictures = film((480, 270), every=25)
    assert [number_of(picture) for picture in pictures] == list(range(len(pictures)))


@pytest.fixture
def soak(monkeypatch, capfd):
    """Runs with light parts and some leaks; gives the exit code and what was said."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))

    def run(*leaks: str, minutes: float = 0.5) -> tuple[int, list[str]]:
        monkeypatch.setenv("LEAKS", " ".join(leaks))
        code = main(["--minutes", str(minutes), "--period", "3", "--fps", "10", "--import", "support.leaks"])
        return code, [line for line in capfd.readouterr().err.splitlines() if line.startswith("soak: ")]

    return run


@pytest.mark.slow
def test_nothing_is_found_where_nothing_grows(soak):
    assert soak() == (0, [])


@pytest.mark.slow
def test_kept_frames_threads_and_handles_are_named(soak):
    code, said = soak("frames", "threads", "handles")
    assert code == 1
    for name in ("resident memory", "the number of threads", "the number of open handles"):
        # of one at least: how fast they grow is the machine's affair, and half a minute is short
        assert any(line.startswith(f"soak: {name} of ") and " grew by " in line for line in said), (name, said)


@pytest.mark.slow
def test_an_age_that_grows_is_named(soak):
    code, said = soak("age", minutes=1.5)
    assert code == 1
    assert any(line.startswith("soak: the true age of the results of ") for line in said), said
