"""The parity gate: whatever was exported is held against what it was made from, here or on the user's machine.

Graphs are compared by what they mean (`engines.pymafx.graphs.parity`): degrees, camera, shape, expression.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx
from pymafx_live.core.errors import AssetError, NetworkError, UsageError
from pymafx_live.engines.pymafx.graphs.onnx_files import graph_paths, known_precision, need_export
from pymafx_live.engines.pymafx.graphs.parity import Difference
from pymafx_live.engines.pymafx.spec import GRAPHS
from pymafx_live.engines.runtime import Runner, RunnerOptions, open_runner
from rich.table import Table
from rich.text import Text

COUNTS = (3, 1, 2, 8)
"""The batches of people that a runtime is tried with: the golden ones, then random ones."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was checked, the runtime that ran it, such as `onnxruntime on cpu`, and what the gate found."""

    path: Path
    runtime: str
    differences: list[Difference]


def check_pymafx(assets: Path, path: Path, runtime: str, options: RunnerOptions) -> Checked:
    """Runs a folder of graphs, or one file of them, on a runtime, against the network of an asset folder on PyTorch.

    Batches are no larger than `options.max_batch`. Raises `AssetError` for a path without graphs, `NetworkError` for
    one that the runtime cannot run or that has other names.
    """
    paths = _graphs_at(path)
    need_export()
    from pymafx_live.engines.pymafx.graphs.export import reference_runners
    from pymafx_live.engines.pymafx.graphs.parity import check

    precisions = {known_precision(said_by(file).get("precision", "fp32")) for file in paths.values()}
    precision = next((halves for halves in ("mixed", "wide") if halves in precisions), "fp32")
    reference = reference_runners(assets)
    runners: dict[str, Runner] = {}
    try:
        for name, file in paths.items():
            runners[name] = open_runner(file, runtime, options)
        counts = [n for n in COUNTS if n <= options.max_batch] or [1]
        ran = {f"{runner.runtime} on {runner.device}" for runner in runners.values()}
        differences = check(reference, runners, precision, counts, options.max_batch)
        return Checked(path, ", ".join(sorted(ran)), differences)
    finally:
        for runner in runners.values():
            runner.close()


def said_by(path: Path) -> dict[str, str]:
    """An ONNX file's metadata. Raises `AssetError` where there is no such file or it is of another kind."""
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise AssetError(f"{path} cannot be read ({error.strerror}); give a file that was exported.") from error
    except Exception as error:  # protobuf's DecodeError, which onnx does not re-export
        raise AssetError(f"{path} is damaged or not an ONNX file; export it again.") from error
    return {entry.key: entry.value for entry in model.metadata_props}


def table(title: str, differences: Iterable[Difference]) -> Table:
    """What the gate found, a line for each kind of number."""
    shown = Table(title=Text(title), title_justify="left")
    shown.add_column("")
    for column in ("mean", "allowed", "worst", "allowed"):
        shown.add_column(column, justify="right")
    shown.add_column("unit")
    shown.add_column("verdict")
    for d in differences:
        numbers = (f"{value:.2g}" for value in (d.mean, d.mean_limit, d.worst, d.worst_limit))
        shown.add_row(d.name, *numbers, d.unit, "ok" if d.passes else "FAILS")
    return shown


def demand(checked: Checked) -> None:
    """Raises `NetworkError` where something is beyond its limits."""
    if failing := [d.name for d in checked.differences if not d.passes]:
        raise NetworkError(
            f"{checked.path} fails through {checked.runtime}: {', '.join(failing)} beyond what is allowed; "
            "use another runtime or precision, or export it again."
        )


def _graphs_at(path: Path) -> dict[str, Path]:
    """The graphs of a folder or a file, by name."""
    if path.is_dir():
        found = {name: file for name, file in graph_paths(path).items() if file.is_file()}
        if not found:
            raise AssetError(f"{path} holds none of {', '.join(f'{n}.onnx' for n in GRAPHS)}; export them into it.")
        return found
    name = said_by(path).get("graph", path.stem)
    if name not in GRAPHS:
        raise UsageError(f"{path} is not one of PyMAF-X's graphs ({', '.join(GRAPHS)}): give one, or their folder.")
    return {name: path}
