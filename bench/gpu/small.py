"""A small network first: everything that a runtime does with the large ones, in seconds, and with a known answer."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.gpu.course import Notes
from pymafx_live.bench.gpu.settings import Bench, listen
from pymafx_live.bench.gpu.timing import timed
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime import Runner, as_numpy, open_runner

Arrays = dict[str, NDArray[Any]]
SIDE, POINTS = 16, 40
RUNS = 4
"""Runs of each batch: the first launches, RTX captures in the second, later ones replay."""
NEAR = 2e-3
"""How far an output may be off, as a part of its largest value: halves are among what is tried."""
IN_TWO_THREADS = 50


def try_small_network(bench: Bench, notes: Notes) -> None:
    """Builds, runs every batch several times with other inputs, then two of them at once in two threads."""
    listen(notes.say)
    with TemporaryDirectory() as folder:
        model = small_network(Path(folder, "small.onnx"))
        reference = open_runner(model, "onnxruntime")
        began = time.perf_counter()
        runner = bench.open(model, notes.say)
        notes.add("built and loaded", {"seconds": time.perf_counter() - began, "on": runner.about})
        began = time.perf_counter()
        other = bench.open(model, notes.say)
        notes.add("loaded again", {"seconds": time.perf_counter() - began})
        for batch in range(1, bench.options(notes.say).max_batch + 1):
            worst = max(_compare(runner, reference, batch, seed) for seed in range(RUNS))
            times = timed(partial(runner.run, inputs(batch, 0)), runner.device, bench.repeats, 1.0)
            notes.add(f"batch {batch}", {"worst": worst, **times})
        with ThreadPoolExecutor(2) as threads:
            found = [threads.submit(_many, one, reference, first) for one, first in ((runner, 1), (other, 3))]
            notes.add("two threads", {"worst": max(future.result() for future in found)})
        for one in (runner, other, reference):
            one.close()


def _many(runner: Runner, reference: Runner, first: int) -> float:
    """The worst of many runs with other inputs and batches each time."""
    return max(_compare(runner, reference, 1 + (first + i) % 4, 100 * first + i) for i in range(IN_TWO_THREADS))


def _compare(runner: Runner, reference: Runner, batch: int, seed: int) -> float:
    """How far the outputs are off for these inputs. Raises `NetworkError` where that is too far."""
    given = inputs(batch, seed)
    found = {name: np.array(as_numpy(value)) for name, value in runner.run(given).items()}
    return demand_near(found, reference.run(given), f"batch {batch}, inputs {seed}")


def demand_near(found: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]], what: str) -> float:
    """The largest difference as a part of the output's largest value; raises `NetworkError` beyond `NEAR`."""
    worst = 0.0
    for name, value in expected.items():
        scale = max(float(np.abs(value).max()), 1e-6)
        off = float(np.abs(found[name].astype(np.float64) - value).max()) / scale
        if not off <= NEAR:
            raise NetworkError(f"{name} is off by {off:.2g} of its largest value ({NEAR:g} is allowed): {what}.")
        worst = max(worst, off)
    return worst


def inputs(batch: int, seed: int) -> Arrays:
    """Random inputs of the small network."""
    rng = np.random.default_rng(seed)
    return {
        "crops": rng.integers(0, 256, (batch, SIDE, SIDE, 3), dtype=np.uint8),
        "is_left": rng.random(batch) < 0.5,
        "points": rng.uniform(-1.1, 1.1, (batch, POINTS, 1, 2)).astype(np.float32),
    }


def small_network(path: Path) -> Path:
    """Bytes, flags and points through what PyMAF-X has: a mirror, a half convolution, sampling, softmax, a product."""
    from onnx import TensorProto, helper, numpy_helper, save

    rng = np.random.default_rng(0)
    ends = np.iinfo(np.int64)
    constants = {
        "scale": np.array(1 / 255, np.float32), "kernel": rng.normal(size=(8, 3, 3, 3)).astype(np.float16) / 5,
        "last": np.array([-1]), "end": np.array([ends.min]), "axis": np.array([3]), "step": np.array([-1]),
        "column": np.array([-1, 1, 1, 1]), "tokens": np.array([0, 8, POINTS]),
        "weight": rng.normal(size=(8, 6)).astype(np.float32),
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("Cast", ["crops"], ["floats"], to=TensorProto.FLOAT),
        node("Transpose", ["floats"], ["turned"], perm=[0, 3, 1, 2]),
        node("Mul", ["turned", "scale"], ["planes"]),
        node("Slice", ["planes", "last", "end", "axis", "step"], ["mirrored"]),
        node("Reshape", ["is_left", "column"], ["lefts"]),
        node("Where", ["lefts", "mirrored", "planes"], ["shown"]),
        node("Cast", ["shown"], ["halves"], to=TensorProto.FLOAT16),
        node("Conv", ["halves", "kernel"], ["features"], pads=[1, 1, 1, 1]),
        node("Cast", ["features"], ["map"], to=TensorProto.FLOAT),
        node("GridSample", ["map", "points"], ["sampled"], mode="bilinear", align_corners=0),
        node("Reshape", ["sampled", "tokens"], ["columns"]),
        node("Transpose", ["columns"], ["rows"], perm=[0, 2, 1]),
        node("Softmax", ["rows"], ["shares"], axis=-1),
        node("MatMul", ["shares", "weight"], ["out"]),
    ]
    value, batch = helper.make_tensor_value_info, "batch"
    graph = helper.make_graph(
        nodes, "small",
        [
            value("crops", TensorProto.UINT8, [batch, SIDE, SIDE, 3]), value("is_left", TensorProto.BOOL, [batch]),
            value("points", TensorProto.FLOAT, [batch, POINTS, 1, 2]),
        ],
        [value("out", TensorProto.FLOAT, [batch, POINTS, 6])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path
