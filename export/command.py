"""What `pymafx-live export` does: makes graphs and byte-fed networks, checks them, builds engines of them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.core.interfaces import Progress
from pymafx_live.engines.pymafx.graphs.onnx_files import graph_paths, known_precision, locked, need_export
from pymafx_live.engines.pymafx.graphs.parity import Difference
from pymafx_live.engines.pymafx.spec import WEIGHTS
from pymafx_live.engines.runtime import RUNTIMES, RunnerOptions
from rich.console import Console


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported (`assets`, `detector`, `landmarks`) and where to, or what is to be checked."""

    assets: Path | None = None
    detector: Path | None = None
    landmarks: bool = False
    out: Path | None = None
    check: Path | None = None
    precision: str = "fp32"
    max_batch: int = 8
    runtime: str = "auto"
    force: bool = False
    engine: bool = False
    target: str | None = None
    console: Console = field(default_factory=Console)
    say: Progress = lambda step: None


def export(order: Order) -> None:
    """Does what is ordered and prints a table for every comparison.

    Raises `UsageError` for flags that do not go together or a missing extra, `AssetError` for files that are missing or
    of another kind, `NetworkError` for what does not pass the gate.
    """
    precision = known_precision(order.precision)
    if order.assets is None and order.detector is None and not order.landmarks:
        raise UsageError("say what to export: --assets DIR, --detector FILE.onnx or --landmarks.")
    if (order.out is None) == (order.check is None):
        raise UsageError("give either --out DIR to export into, or --check PATH to check what was exported.")
    _need_packages(order)
    if order.check is not None:
        _check(order, order.check)
        return
    assert order.out is not None
    made: list[Path] = []
    if order.assets is not None:
        made += _export_pymafx(order, order.assets, order.out, precision)
    made += _export_networks(order, order.out, precision)
    if order.engine:
        _build(order, made)


def _need_packages(order: Order) -> None:
    if order.assets is not None:
        need_export()
    elif find_spec("onnx") is None:
        raise UsageError("exporting a network needs onnx; install the extra: pip install 'pymafx-live[export]'.")
    if order.runtime not in RUNTIMES:
        raise UsageError(f"there is no runtime {order.runtime!r}: give one of {', '.join(RUNTIMES)}.")


def _export_pymafx(order: Order, assets: Path, out: Path, precision: str) -> list[Path]:
    from pymafx_live.engines.pymafx.files.assets import prepare
    from pymafx_live.engines.pymafx.files.bundle import is_current
    from pymafx_live.engines.pymafx.graphs.export import write_graphs
    from pymafx_live.export.gate import table

    if not assets.is_dir():
        raise AssetError(f"{assets} is not a folder; give the one that holds the PyMAF-X files.")
    if not is_current(assets):
        prepare(assets, order.say)
    with locked(out):
        write_graphs(
            assets,
            out,
            precision,
            order.say,
            lambda differences: order.console.print(table(f"PyMAF-X, {precision}", differences)),
            order.force,
        )
    return _told(order, graph_paths(out).values())


def _export_networks(order: Order, out: Path, precision: str) -> list[Path]:
    from pymafx_live.export.byte_networks import export_bytes
    from pymafx_live.export.gate import table

    def report(path: Path, differences: list[Difference]) -> None:
        order.console.print(table(f"{path.name} and its original", differences))

    made = [export_bytes(*given, out, precision, report, order.force) for given in _networks(order)]
    return _told(order, made)


def _networks(order: Order) -> Iterator[tuple[Path, str]]:
    """The files to be fed with bytes, and of which kind each is."""
    if order.detector is not None:
        yield order.detector, "detector"
    if order.landmarks:
        from pymafx_live.export.byte_networks import landmark_sources

        for source in landmark_sources():
            yield source, "landmarks"


def _check(order: Order, path: Path) -> None:
    from pymafx_live.export.gate import check_network, check_pymafx, demand, table

    options = RunnerOptions(max_batch=order.max_batch, progress=order.say)
    found = []
    if order.assets is not None:
        found.append(check_pymafx(order.assets, path, order.runtime, options))
    for source, _ in _networks(order):
        found += [check_network(source, file, order.runtime, options) for file in _made_from(source, path)]
    if not found:
        raise AssetError(f"{path} holds nothing that was exported from what is named; give the folder or the file.")
    for checked in found:
        order.console.print(table(f"{checked.path}, {checked.runtime}", checked.differences))
    for checked in found:
        demand(checked)


def _made_from(source: Path, path: Path) -> list[Path]:
    """The byte-fed files of a network: in a folder those that are named after it, else the file, if it says so."""
    from pymafx_live.export.gate import said_by

    if path.is_dir():
        return [file for p in WEIGHTS if (file := path / f"{source.stem}-{p}.onnx").is_file()]
    return [path] if source.name in json.loads(said_by(path).get("sources", "{}")) else []


def _build(order: Order, models: Iterable[Path]) -> None:
    """Builds TensorRT engines ahead. Raises `UsageError` where TensorRT is not installed."""
    try:
        tensorrt = import_module("pymafx_live.engines.runtime.tensorrt")
    except ImportError as error:
        raise UsageError(
            "--engine needs TensorRT, which is not installed: pip install 'pymafx-live[tensorrt]', or leave --engine "
            "out and run the ONNX files."
        ) from error
    for model in models:
        order.say(f"building the engine of {model.name}")
        options = RunnerOptions(max_batch=order.max_batch, progress=order.say)
        engine = tensorrt.build_engine(model, options, order.target)
        order.say(f"{engine}: check it where it will run, with `pymafx-live export --check ... --runtime tensorrt`")


def _told(order: Order, paths: Iterable[Path]) -> list[Path]:
    made = list(paths)
    for path in made:
        order.say(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return made
