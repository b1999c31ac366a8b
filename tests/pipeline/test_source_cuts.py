"""Scene cuts: in real clips and what cameras do to them there is none, between two of them there is one."""

import itertools
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.pipeline.sources.cuts import Cuts

DATA = Path(__file__).parents[1] / "data"
PHOTO = cv2.imread(str(DATA / "astronaut.jpg"))


def film(name: str, step: int = 1) -> list[np.ndarray]:
    with av.open(str(DATA / name)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    return frames[::step]


def cuts(frames: list[np.ndarray]) -> list[int]:
    finder = Cuts()
    return [index for index, frame in enumerate(frames) if finder.before(frame)]


@pytest.mark.parametrize("name", ["help.mkv", "learn.mkv"])
@pytest.mark.parametrize("step", [1, 5, 15])
def test_in_a_film_of_somebody_who_moves_there_is_none(name, step):
    assert cuts(film(name, step)) == []


@pytest.mark.parametrize("order", list(itertools.permutations(["help.mkv", "astronaut", "hopper"])), ids="-".join)
def test_between_films_there_is_one(order):
    shots = {
        "help.mkv": film("help.mkv", 6),
        **{name: [cv2.imread(str(DATA / f"{name}.jpg"))] * 5 for name in ("astronaut", "hopper")},
    }
    joined = [cv2.resize(frame, (640, 360)) for name in order for frame in shots[name]]
    assert cuts(joined) == list(itertools.accumulate(len(shots[name]) for name in order[:-1]))


@settings(max_examples=40, deadline=None)
@given(gain=st.floats(0.1, 2.5), gamma=st.floats(0.4, 2.5), offset=st.floats(-30, 60), noise=st.floats(0, 30))
def test_exposure_and_noise_are_none(gain, gamma, offset, noise):
    """Of one picture to the next, at once."""
    other = 255 * (PHOTO / 255.0) ** gamma * gain + offset
    other += np.random.default_rng(0).normal(0, 1, PHOTO.shape) * noise
    assert cuts([PHOTO, PHOTO, np.clip(other, 0, 255).astype(np.uint8)]) == []


@settings(max_examples=40, deadline=None)
@given(speed=st.floats(0.0, 0.1), angle=st.floats(0, 2 * np.pi))
def test_a_camera_that_is_swung_is_none(speed, angle):
    """By up to a tenth of the picture from frame to frame."""
    height, width = PHOTO.shape[:2]
    h, w = height // 2, width // 2
    step = np.array([np.cos(angle) * w, np.sin(angle) * h]) * speed
    start = np.array([width - w, height - h]) / 2 - step * 4
    frames = []
    for index in range(9):
        x, y = (start + step * index).round().astype(int).clip(0, [width - w, height - h])
        frames.append(np.ascontiguousarray(PHOTO[y : y + h, x : x + w]))
    assert cuts(frames) == []


def test_black_white_and_flashes_say_nothing():
    black, white = np.zeros_like(PHOTO), np.full_like(PHOTO, 255)
    assert cuts([PHOTO, black, PHOTO, white, PHOTO, black, white]) == []
