"""Detectors and landmark networks that are fed with the camera's bytes, each held against its original.

A live loop has uint8 BGR images, channels last. The networks want floats in 0..1, RGB, and detectors channels first:
that becomes part of the graph, so that a quarter of the bytes goes to the device and nothing is done to them before.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from pymafx_live.core.errors import AssetError, NetworkError
from pymafx_live.core.files import whole_files
from pymafx_live.engines.pymafx.graphs.parity import Difference
from pymafx_live.engines.runtime import Runner, open_runner
from pymafx_live.export.landmark_networks import DATA, ORIGINS
from pymafx_live.export.onnx_rewrites import halve, take_bytes, widen_weights

PIXELS = "pixels"
"""The input's name where it is bytes."""
LIMITS = {"fp32": (1e-5, 1e-4), "mixed": (1e-2, 5e-2)}
"""The largest mean and worst difference, as shares of an output's range."""
SIZE = 320
"""Pixels a side on which a detector of any size is tried."""
TRIED = (1, 2)
"""The batches that are tried, as far as the graph takes them."""
BEST = 10
"""How many detections are compared of a network that gives them sorted."""
CONVENTION = "pixels: uint8 BGR (batch, height, width, 3); channel order and the scale to 0..1 are inside"

Arrays = Mapping[str, NDArray[Any]]


def fed_with_bytes(source: Path, kind: str, precision: str) -> ModelProto:
    """The network of `source` with its images as bytes. `kind` is `detector` or `landmarks`.

    The landmark network that takes points keeps its input. Raises `AssetError` for a file that is no such network.
    """
    blob = _read(source)
    model = _parse(source, blob)
    entry = model.graph.input[0]
    dims = [d.dim_value or d.dim_param for d in entry.type.tensor_type.shape.dim]
    channels = 1 if kind == "detector" else -1
    images = len(dims) == 4 and dims[channels] == 3 and len(model.graph.input) == 1
    if kind == "detector" and not images:
        raise AssetError(
            f"{source} is no detector: it takes {dims} where images (batch, 3, height, width) are expected."
        )
    if precision == "mixed":
        widen_weights(model)
        halve(model)
    if images:
        take_bytes(model, PIXELS, channels_first=kind == "detector")
    said = {p.key: p.value for p in model.metadata_props}
    said |= {
        "kind": kind,
        "precision": precision,
        "version": version("pymafx-live"),
        "sources": json.dumps({source.name: hashlib.sha256(blob).hexdigest()}),
        "input": CONVENTION if images else f"{entry.name}: as in {source.name}",
    }
    onnx.helper.set_model_props(model, said)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise AssetError(f"{source} cannot be rewritten ({str(error).strip().partition(chr(10))[0]}).") from error
    return model


def export_bytes(
    source: Path,
    kind: str,
    out: Path,
    precision: str,
    report: Callable[[Path, list[Difference]], None] = lambda path, differences: None,
    force: bool = False,
) -> Path:
    """Writes the byte-fed network of `source` into `out`, under a name of its own, and returns its path.

    `report` is told how far it is from its original. Raises `NetworkError` where that is beyond `LIMITS`, unless
    `force`; nothing is written then.
    """
    target = out / f"{source.stem}-{precision}.onnx"
    model = fed_with_bytes(source, kind, precision)
    try:
        with whole_files(out, target.name) as part:
            onnx.save(model, part / target.name)
            with closing(open_runner(part / target.name, "onnxruntime")) as runner:
                differences = check_bytes(source, runner, precision)
            report(target, differences)
            if not force:
                _demand(target, differences)
    except OSError as error:
        raise AssetError(f"cannot write {out}: {error.strerror}; make room there or make it writable.") from error
    return target


def landmark_sources() -> list[Path]:
    """The five landmark networks that ship."""
    return [DATA / f"{name}.onnx" for name in ORIGINS]


def _demand(path: Path, differences: list[Difference]) -> None:
    if failing := [d.name for d in differences if not d.passes]:
        raise NetworkError(
            f"{path.name} strays from its original in {', '.join(failing)}; give --precision fp32, or --force to "
            "write it all the same."
        )


def check_bytes(source: Path, candidate: Runner, precision: str) -> list[Difference]:
    """Runs the original on ONNX Runtime, and `candidate`, its byte-fed network on any runtime, on the same pictures.

    Raises `NetworkError` where the two have other outputs.
    """
    original = open_runner(source, "onnxruntime")
    try:
        _check_names(source, original, candidate)
        collected: dict[str, list[NDArray[np.float64]]] = {}
        for given, bytes_or_same in _inputs(original, candidate):
            expected, found = _copied(original.run(given)), _copied(candidate.run(bytes_or_same))
            for name, value in expected.items():
                collected.setdefault(name, []).append(_apart(value, found[name]).ravel())
    finally:
        original.close()
    apart = {name: np.concatenate(values) for name, values in collected.items()}
    limits = LIMITS[precision]
    return [Difference(n, "of its range", float(v.mean()), float(v.max()), *limits) for n, v in apart.items()]


def _check_names(source: Path, original: Runner, candidate: Runner) -> None:
    if set(candidate.outputs) != set(original.outputs) or len(candidate.inputs) != 1:
        raise NetworkError(
            f"this network is not made from {source}: it gives {', '.join(candidate.outputs)} where "
            f"{', '.join(original.outputs)} is expected; export it again."
        )


def _inputs(original: Runner, candidate: Runner) -> list[tuple[Arrays, Arrays]]:
    """The same pictures, as the original wants them and as bytes, for every batch that the graph takes."""
    (name, spec), (to, taken) = next(iter(original.inputs.items())), next(iter(candidate.inputs.items()))
    rng = np.random.default_rng(3)
    fixed = spec.shape[0]
    pairs: list[tuple[Arrays, Arrays]] = []
    for n in TRIED if fixed is None else (fixed,):
        if taken.dtype != "uint8":
            points = (rng.random((n, *(d or 1 for d in spec.shape[1:]))) * 400).astype(spec.dtype)
            pairs.append(({name: points}, {to: points}))
            continue
        height, width = (d or SIZE for d in taken.shape[1:3])
        pixels = _pictures(rng, n, height, width)
        floats = np.multiply(pixels[..., ::-1], np.float32(1 / 255), dtype=np.float32)
        floats = floats.transpose(0, 3, 1, 2) if spec.shape[1] == 3 else floats
        pairs.append(({name: np.ascontiguousarray(floats, spec.dtype)}, {to: pixels}))
    return pairs


def _pictures(rng: np.random.Generator, n: int, height: int, width: int) -> NDArray[np.uint8]:
    """Random blocks of colour under a little noise, (n, height, width, 3)."""
    blocks = rng.integers(0, 256, (n, 8, 8, 3)).repeat(-(-height // 8), 1).repeat(-(-width // 8), 2)
    noisy = blocks[:, :height, :width] + rng.normal(0, 8, (n, height, width, 3))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _apart(expected: NDArray[Any], found: NDArray[Any]) -> NDArray[np.float64]:
    """Differences as shares of the expected range, of which no output's is under one."""
    a, b = expected.astype(np.float64), found.astype(np.float64)
    if a.shape != b.shape:
        raise NetworkError(f"an output is {b.shape} where the original's is {a.shape}; export the network again.")
    if a.ndim == 3 and a.shape[2] == 6:  # detections, sorted by scores that may tie
        a, b = _paired(a, b)
    return np.asarray(np.abs(a - b) / max(1.0, float(np.abs(a).max())))


def _paired(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The best detections (batch, BEST, 6: corners, score, class), and of the others those with the nearest boxes."""
    best = a[:, :BEST]
    distance = np.abs(best[:, :, None, :4] - b[:, None, :, :4]).max(-1)
    distance += 1e6 * (best[:, :, None, 5] != b[:, None, :, 5])
    return best, np.take_along_axis(b, distance.argmin(2)[..., None], 1)


def _copied(outputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    return {name: np.array(v.cpu() if hasattr(v, "cpu") else v) for name, v in outputs.items()}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AssetError(f"{path} cannot be read ({error.strerror}); give the ONNX file of the network.") from error


def _parse(path: Path, blob: bytes) -> ModelProto:
    try:
        model: ModelProto = onnx.load_model_from_string(blob)
    except Exception as error:  # protobuf's DecodeError, which onnx does not re-export
        raise AssetError(f"{path} is not an ONNX file; give one that was exported with format=onnx.") from error
    if not model.graph.input or not model.graph.node:
        raise AssetError(f"{path} holds no network; give one that was exported with format=onnx.")
    return model
