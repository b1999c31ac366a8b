"""Brings the network's three graphs to a runtime."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from pymafx_live.core.errors import NetworkError, UsageError
from pymafx_live.core.files import short_hash, user_cache
from pymafx_live.engines.pymafx.files.assets import need_torch
from pymafx_live.engines.pymafx.graphs.onnx_files import compiled_graphs, graphs_key
from pymafx_live.engines.pymafx.spec import GRAPHS, WEIGHTS
from pymafx_live.engines.runtime import Runner, RunnerOptions, choose, open_runner

logger = logging.getLogger(__name__)


def open_graphs(
    folder: Path, runtime: str, precision: str, options: RunnerOptions, progress: Callable[[str], None]
) -> Mapping[str, Runner]:
    """A runner for each of `GRAPHS`, of the prepared files in `folder`.

    Compiled runtimes want the graphs as ONNX files, which are exported once; where the packages for that are missing,
    `auto` runs the network in PyTorch. Raises `AssetError`, `NetworkError` or `UsageError`.
    """
    if runtime == "torch":
        return torch_graphs(folder, precision, options)
    if runtime == "torch-tensorrt":
        return torch_tensorrt_graphs(folder, _precision(runtime, precision), options)
    try:
        files = compiled_graphs(folder, _precision(runtime, precision), progress)
    except UsageError as error:
        if runtime != "auto":
            raise
        logger.warning("%s Until then PyMAF-X runs in PyTorch.", error)
        return torch_graphs(folder, precision, options)
    return {name: open_runner(file, runtime, options) for name, file in files.items()}


def torch_graphs(folder: Path, precision: str, options: RunnerOptions) -> Mapping[str, Runner]:
    """The network in PyTorch as it is, on a GPU where PyTorch has one. Raises `AssetError`, or `UsageError`."""
    need_torch()
    import torch
    from pymafx_live.engines.pymafx.files.prepare import load_network
    from pymafx_live.engines.pymafx.graphs.modules import torch_runners

    device = f"cuda:{options.device}" if torch.cuda.is_available() else "cpu"
    half = device != "cpu" and precision != "fp32"  # a processor is slow at halves
    return torch_runners(load_network(folder, WEIGHTS["mixed" if half else "fp32"]), device, options.threads)


def torch_tensorrt_graphs(folder: Path, precision: str, options: RunnerOptions) -> Mapping[str, Runner]:
    """The network compiled by Torch-TensorRT, once for these files and this machine. Raises `NetworkError`."""
    from pymafx_live.engines.runtime import torch_tensorrt

    if (reason := torch_tensorrt.available(options.device)) is not None:
        raise NetworkError(f"Torch-TensorRT cannot be used on this machine: {reason}.")
    from pymafx_live.engines.pymafx.files.prepare import load_network
    from pymafx_live.engines.pymafx.graphs.modules import graph_modules

    key = short_hash(graphs_key(folder, precision), torch_tensorrt.identity(options.device), options.max_batch)
    place = (options.cache or user_cache()) / "torch-tensorrt" / key
    files = {name: place / f"{name}.pt2" for name in GRAPHS}
    if missing := [name for name, file in files.items() if not file.exists()]:
        modules = graph_modules(load_network(folder, WEIGHTS[precision]))
        for name in missing:
            spec = GRAPHS[name]
            torch_tensorrt.compile_module(modules[name], spec.inputs, spec.outputs, files[name], options)
    return {name: torch_tensorrt.open_torch_tensorrt(file, options) for name, file in files.items()}


def _precision(runtime: str, precision: str) -> str:
    """`auto` is halves where a GPU's tensor cores want them, and float32 on a processor."""
    if precision != "auto":
        return precision
    chosen = choose().runtime if runtime == "auto" else runtime
    return "mixed" if "tensorrt" in chosen else "fp32"
