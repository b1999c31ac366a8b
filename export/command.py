"""What `pymafx-live export` does: makes PyMAF-X's graphs, checks them, builds engines of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.core.interfaces import Progress
from pymafx_live.engines.pymafx.graphs.onnx_files import graph_paths, known_precision, locked, need_export
from pymafx_live.engines.pymafx.graphs.parity import Difference
from pymafx_live.engines.runtime import RUNTIMES, RunnerOptions
from rich.console import Console


@dataclass(frozen=True, slots=True)
class Order:
    """The network of the folder `assets` is exported into the folder `out`, or what is in `check` held against it."""

    assets: Path
    out: Path | None = None
    check: Path | None = None
    precision: str = "fp32"
    max_batch: int = 8
    runtime: str = "auto"
    force: bool = False
    build_engines: bool = False
    target: str | None = None
    console: Console = field(default_factory=Console)
    say: Progress = lambda step: None


def export(order: Order) -> None:
    """Does what is ordered and prints a table for every comparison.

    Raises `UsageError` for flags that do not go together or a missing extra, `AssetError` for files that are missing or
    of another kind, `NetworkError` for what does not pass the gate.
    """
    precision = known_precision(order.precision)
    if order.runtime not in RUNTIMES:
        raise UsageError(f"there is no runtime {order.runtime!r}: give one of {', '.join(RUNTIMES)}.")
    if order.check is not None and order.out is None:
        _check(order, order.check)
    elif order.out is not None and order.check is None:
        files = _export(order, order.out, precision)
        if order.build_engines:
            _build(order, files)
    else:
        raise UsageError("give either --out DIR to export into, or --check PATH to check what was exported.")


def _export(order: Order, out: Path, precision: str) -> list[Path]:
    """Writes the graphs, and returns their files."""
    from pymafx_live.engines.pymafx.files.assets import prepare
    from pymafx_live.engines.pymafx.files.bundle import is_current
    from pymafx_live.engines.pymafx.graphs.export import write_graphs
    from pymafx_live.export.gate import table

    def report(differences: list[Difference]) -> None:
        order.console.print(table(f"PyMAF-X, {precision}", differences))

    need_export()
    if not order.assets.is_dir():
        raise AssetError(f"{order.assets} is not a folder; give the one that holds the PyMAF-X files.")
    if not is_current(order.assets):
        prepare(order.assets, order.say)
    with locked(out):
        write_graphs(order.assets, out, precision, order.say, report, order.force)
    files = list(graph_paths(out).values())
    for path in files:
        order.say(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return files


def _check(order: Order, path: Path) -> None:
    from pymafx_live.export.gate import check_pymafx, demand, table

    options = RunnerOptions(max_batch=order.max_batch, progress=order.say)
    checked = check_pymafx(order.assets, path, order.runtime, options)
    order.console.print(table(f"{checked.path}, {checked.runtime}", checked.differences))
    demand(checked)


def _build(order: Order, models: Iterable[Path]) -> None:
    """Builds TensorRT engines ahead. Raises `UsageError` where TensorRT is not installed."""
    try:
        tensorrt = import_module("pymafx_live.engines.runtime.tensorrt")
    except ImportError as error:
        raise UsageError(
            "--build-engines needs TensorRT, which is not installed: pip install 'pymafx-live[tensorrt]', or leave it "
            "out and run the ONNX files."
        ) from error
    for model in models:
        order.say(f"building the engine of {model.name}")
        options = RunnerOptions(max_batch=order.max_batch, progress=order.say)
        engine = tensorrt.build_engine(model, options, order.target)
        order.say(f"{engine}: check it where it will run, with `pymafx-live export --check ... --runtime tensorrt`")
