"""Brings the network's three graphs to a runtime; they are exported on first use."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path

from pymafx_live.core.errors import AssetError, NetworkError, UsageError
from pymafx_live.core.files import drop_unsealed, seal, short_hash, user_cache
from pymafx_live.core.interfaces import Progress
from pymafx_live.engines.pymafx.files.assets import need_torch, prepare
from pymafx_live.engines.pymafx.files.bundle import BUNDLE, is_current
from pymafx_live.engines.pymafx.graphs.gate import Gate
from pymafx_live.engines.pymafx.graphs.onnx_files import (
    current_graphs,
    graph_paths,
    graphs_key,
    known_precision,
    locked,
    need_export,
)
from pymafx_live.engines.pymafx.spec import GRAPHS, SAFER, WEIGHTS
from pymafx_live.engines.runtime import Runner, RunnerOptions, choices, open_runner
from pymafx_live.engines.runtime.batches import batch_buckets
from pymafx_live.engines.runtime.later import Later, SwitchingRunner
from pymafx_live.engines.runtime.selection import ON_TENSOR_CORES, runtime_identity

logger = logging.getLogger(__name__)


def open_graphs(
    folder: Path, runtime: str, precision: str, options: RunnerOptions, progress: Progress
) -> Mapping[str, Runner]:
    """A runner for each of `GRAPHS`, of the prepared files in `folder`.

    Compiled runtimes want the graphs as ONNX files, which are exported once; where the packages for that are missing,
    `auto` runs the network in PyTorch, and where one fails it goes on to the next. Raises `AssetError`, `NetworkError`
    or `UsageError`.
    """
    if runtime == "auto":
        return _best_graphs(folder, precision, options, progress)
    if runtime == "torch":
        return torch_graphs(folder, precision, options)
    precision = chosen_precision(runtime, precision)
    if runtime == "torch-tensorrt":
        return _gate(folder, runtime, options, progress).open(
            precision, lambda chosen: torch_tensorrt_graphs(folder, chosen, options)
        )
    if runtime == "tensorrt":
        return _gate(folder, runtime, options, progress).open(
            precision, lambda chosen: open_files(graph_files(folder, chosen, progress), runtime, options)
        )
    return open_files(graph_files(folder, precision, progress), runtime, options)


def open_files(files: Mapping[str, Path], runtime: str, options: RunnerOptions) -> dict[str, Runner]:
    """A runner for each of the files on one runtime; where one fails, those before it are closed."""
    with ExitStack() as stack:
        runners = {name: stack.enter_context(closing(open_runner(f, runtime, options))) for name, f in files.items()}
        stack.pop_all()
    return runners


def _gate(folder: Path, runtime: str, options: RunnerOptions, progress: Progress) -> Gate:
    """The gate for what `runtime` builds here: its verdicts hold for these files, this library, card and driver."""

    def identity(precision: str) -> tuple[object, ...]:
        return graphs_key(folder, precision), runtime_identity(runtime, options.device), options.max_batch

    def reference() -> Mapping[str, Runner]:
        from pymafx_live.engines.pymafx.files.prepare import load_network
        from pymafx_live.engines.pymafx.graphs.modules import torch_runners

        return torch_runners(load_network(folder))

    place = (options.cache or user_cache()) / runtime
    return Gate(place, identity, reference, batch_buckets(options.max_batch), progress)


def _best_graphs(folder: Path, precision: str, options: RunnerOptions, progress: Progress) -> Mapping[str, Runner]:
    """The graphs on the best runtime that works here; what the last one raises is raised."""
    *better, last = choices(modules=True)
    try:
        if [choice.runtime for choice in better][:1] == ["tensorrt"] and not _is_built(folder, precision, options):
            return meanwhile(folder, "tensorrt", precision, options, progress)
        for choice in better:
            try:
                return open_graphs(folder, choice.runtime, precision, options, progress)
            except NetworkError as error:
                logger.warning("%s The next runtime is tried.", error)
        return open_graphs(folder, last.runtime, precision, options, progress)
    except UsageError as error:  # the packages that export
        logger.warning("%s Until then PyMAF-X runs in PyTorch.", error)
        return torch_graphs(folder, precision, options)


def meanwhile(
    folder: Path, runtime: str, precision: str, options: RunnerOptions, progress: Progress
) -> Mapping[str, Runner]:
    """The graphs in PyTorch, and on `runtime` from the call on after another process has built them there."""
    now = torch_graphs(folder, precision, options)
    progress(f"PyMAF-X runs in PyTorch while {runtime} is built for it; --runtime {runtime} would wait")
    later = Later(
        build_command(folder, runtime, precision, options),
        lambda: open_graphs(folder, runtime, precision, options, progress),
        now["body"].device,
        progress,
    )
    return {name: SwitchingRunner(name, runner, later, progress) for name, runner in now.items()}


def build_command(folder: Path, runtime: str, precision: str, options: RunnerOptions) -> list[str]:
    """What Python is given to build with the same options as the run, see `graphs/build.py`."""
    cache = [] if options.cache is None else ["--cache", str(options.cache)]
    sizes = ["--max-batch", str(options.max_batch), "--device", str(options.device)]
    return ["-m", f"{__package__}.build", str(folder), runtime, precision, *sizes, *cache]


def _is_built(folder: Path, precision: str, options: RunnerOptions) -> bool:
    """Whether TensorRT can be opened without building or gating, or is known not to pass. Raises `NetworkError`."""
    from pymafx_live.engines.runtime.tensorrt import is_built

    gate = _gate(folder, "tensorrt", options, lambda step: None)
    chosen: str | None = chosen_precision("tensorrt", precision)
    while chosen is not None and isinstance(gate.verdict(chosen), str):
        chosen = SAFER.get(chosen)
    if chosen is None:
        return True
    files = current_graphs(folder / BUNDLE / f"graphs-{chosen}", graphs_key(folder, chosen))
    return files is not None and gate.verdict(chosen) is True and all(is_built(f, options) for f in files.values())


def graph_files(folder: Path, precision: str, progress: Progress) -> dict[str, Path]:
    """The ONNX files of the graphs by name, from the asset folder; exported first where needed, a minute or two.

    Two processes may ask at once: one makes them, the other waits. Raises `AssetError` for assets that are missing
    or a folder that cannot be written, `UsageError` for an unknown precision or where the extra `export` is missing,
    and `NetworkError` where the export strays from the network by more than `parity.LIMITS`.
    """
    precision = known_precision(precision)
    if not folder.is_dir():
        raise AssetError(f"{folder} is not a folder; give the one that holds the PyMAF-X files.")
    if not is_current(folder):
        prepare(folder, progress)
    target, key = folder / BUNDLE / f"graphs-{precision}", graphs_key(folder, precision)
    if found := current_graphs(target, key):
        return found
    need_export()
    from pymafx_live.engines.pymafx.graphs.export import write_graphs

    with locked(target):
        if found := current_graphs(target, key):  # made by another process meanwhile
            return found
        write_graphs(folder, target, precision, progress)
    return graph_paths(target)


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
    from pymafx_live.engines.pymafx.graphs.modules import load_modules

    key = short_hash(graphs_key(folder, precision), torch_tensorrt.identity(options.device), options.max_batch)
    place = (options.cache or user_cache()) / "torch-tensorrt" / key
    files = {name: place / f"{name}.pt2" for name in GRAPHS}
    drop_unsealed(place, "*.pt2")
    if missing := [name for name, file in files.items() if not file.exists()]:
        modules = load_modules(folder, precision)
        for name in missing:
            spec = GRAPHS[name]
            torch_tensorrt.compile_module(modules[name], spec.inputs, spec.outputs, files[name], options)
        seal(place, "*.pt2")
    return {name: torch_tensorrt.open_torch_tensorrt(file, options) for name, file in files.items()}


def chosen_precision(runtime: str, precision: str) -> str:
    """`auto` is halves where a GPU's tensor cores want them, and float32 on a processor."""
    if precision != "auto":
        return precision
    return "mixed" if runtime in ON_TENSOR_CORES else "fp32"
