"""The networks that ship and the detector: built as the live run builds them, held against the processor, timed."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pymafx_live.engines.data as data
from pymafx_live.bench.gpu.course import Notes
from pymafx_live.bench.gpu.crowd import crowd, performer
from pymafx_live.bench.gpu.settings import Bench, listen
from pymafx_live.bench.gpu.small import demand_near
from pymafx_live.bench.gpu.timing import timed
from pymafx_live.bench.runtimes import random_input
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks.gpu_graphs import for_gpu
from pymafx_live.engines.landmarks.networks import MAX_BATCH
from pymafx_live.engines.runtime import Runner, RunnerOptions, as_numpy, open_runner

NETWORKS = ("pose_landmark_full", "hand_landmark_full", "face_landmarks_detector", "hand_recrop")
"""As `for_gpu` makes them: the face's has the blendshapes behind it."""
BATCHES = (1, 2, 4, 8)
RUNS = 4
NEAR_BOXES = 3.0
"""Pixels that a box may be off at 1920 x 1080."""


def try_landmark_networks(bench: Bench, notes: Notes) -> None:
    """Each against ONNX Runtime on the processor, in every batch. What fails is noted, and the next is tried."""
    listen(notes.say)
    failed = []
    for name in NETWORKS:
        try:
            _try(for_gpu(Path(data.__path__[0], f"{name}.onnx")), bench, notes)
        except NetworkError as error:
            notes.add(name, {"failed": str(error)})
            failed.append(str(error))
    if failed:
        raise NetworkError(f"{len(failed)} of the {len(NETWORKS)} networks fail: {failed[0]}")


def _try(path: Path, bench: Bench, notes: Notes) -> None:
    began = time.perf_counter()
    runner = bench.open(path, notes.say, MAX_BATCH)
    notes.add(path.stem, {"opened": time.perf_counter() - began, "on": runner.about})
    here = RunnerOptions(max_batch=MAX_BATCH, providers=("CPUExecutionProvider",))
    reference = open_runner(path, "onnxruntime", here)
    try:
        for batch in BATCHES:
            given = {name: random_input(spec, batch) for name, spec in runner.inputs.items()}
            rolled = [{name: np.roll(value, k, 1) for name, value in given.items()} for k in range(RUNS)]
            worst = max(_compare(runner, reference, inputs, batch) for inputs in rolled)
            times = timed(partial(runner.run, on_device(given, runner)), runner.device, bench.repeats, 1.0)
            notes.add(f"{path.stem}, batch {batch}", {"worst": worst, **times})
    finally:
        runner.close()
        reference.close()


def _compare(runner: Runner, reference: Runner, given: Mapping[str, Any], batch: int) -> float:
    found = {key: np.array(as_numpy(value)) for key, value in runner.run(given).items()}
    return demand_near(found, reference.run(given), f"a batch of {batch}")


def on_device(given: Mapping[str, Any], runner: Runner) -> dict[str, Any]:
    """The inputs where the runner wants them."""
    if not runner.device.startswith("cuda"):
        return dict(given)
    import torch

    return {name: torch.from_numpy(np.ascontiguousarray(value)).to(runner.device) for name, value in given.items()}


def try_detector(bench: Bench, notes: Notes) -> None:
    """The detector on frames with one and four people: it finds who is found on the processor."""
    listen(notes.say)
    settings = bench.settings()
    began = time.perf_counter()
    detector = open_detector(settings, Pictures())
    notes.add("opened", {"seconds": time.perf_counter() - began, "on": str(getattr(detector, "about", ""))})
    here = settings.model_copy(update={"run": settings.run.model_copy(update={"runtime": "onnxruntime"})})
    reference = open_detector(here, Pictures())
    pictures = performer()[::10]
    for people in (1, 4):
        frames = crowd(pictures, people, bench.size)
        began = time.perf_counter()
        detector.detect(frames[:1])
        first = time.perf_counter() - began
        off = max(_apart(detector.detect([f])[0][0], reference.detect([f])[0][0], people) for f in frames)
        times = timed(partial(detector.detect, frames[:1]), "cpu", bench.repeats, 2.0)
        found = len(detector.detect(frames[:1])[0][0])
        notes.add(f"{people} people", {"found": found, "off by": off, "first": first, **times})
    detector.close()
    reference.close()


def _apart(found: Any, expected: Any, people: int) -> float:
    """The largest distance of a box's edge, in pixels, of those that belong together."""
    if len(found) != len(expected):
        raise NetworkError(f"{len(found)} people are found where the processor finds {len(expected)} of {people}.")
    if not len(expected):
        return 0.0
    apart = np.abs(found[:, None] - expected[None]).max(-1).min(1)
    if not apart.max() <= NEAR_BOXES:
        raise NetworkError(f"a box is {apart.max():.0f} pixels off; {NEAR_BOXES:g} are allowed.")
    return float(apart.max())
