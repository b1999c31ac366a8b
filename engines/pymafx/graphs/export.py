"""Makes the files of `onnx_files`: the graphs are exported, held against the network, and only then get their names."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import onnx
from pymafx_live.core.errors import NetworkError
from pymafx_live.core.files import whole_files
from pymafx_live.core.interfaces import Progress
from pymafx_live.engines.pymafx.files.prepare import load_network
from pymafx_live.engines.pymafx.graphs.modules import load_modules, torch_runners
from pymafx_live.engines.pymafx.graphs.onnx_export import export_graph, metadata
from pymafx_live.engines.pymafx.graphs.onnx_files import ABOUT, graph_paths, graphs_key, source_hashes
from pymafx_live.engines.pymafx.graphs.parity import Difference, check
from pymafx_live.engines.pymafx.spec import GRAPHS
from pymafx_live.engines.runtime import Runner, open_runner


def write_graphs(
    folder: Path,
    target: Path,
    precision: str,
    progress: Progress = lambda step: None,
    report: Callable[[list[Difference]], None] = lambda differences: None,
    force: bool = False,
) -> None:
    """Exports the graphs of an asset folder into the folder `target`, which the caller has locked.

    `report` is told how far they are from the network. Raises `NetworkError` where that is too far, unless `force`;
    what was in `target` before is then still there. Raises `OSError` where it cannot be written.
    """
    key = graphs_key(folder, precision)
    with whole_files(target, *(f"{name}.onnx" for name in GRAPHS), ABOUT) as part:
        _export(folder, part, precision, progress)
        progress("comparing the graphs with the network")
        differences = check_files(reference_runners(folder), graph_paths(part), precision)
        report(differences)
        if not force:
            demand(differences, precision)
        about = {
            "key": key,
            "precision": precision,
            "parity": [asdict(difference) for difference in differences],
            "version": version("pymafx-live"),
            "sources": source_hashes(folder),
            "bytes": {name: path.stat().st_size for name, path in graph_paths(part).items()},
        }
        (part / ABOUT).write_text(json.dumps(about, indent=1))


def reference_runners(folder: Path) -> Mapping[str, Runner]:
    """The network itself, in float32 on PyTorch, as the three graphs."""
    return torch_runners(load_network(folder))


def check_files(reference: Mapping[str, Runner], paths: Mapping[str, Path], precision: str) -> list[Difference]:
    """Runs files on ONNX Runtime, see `parity.check`."""
    runners: dict[str, Runner] = {name: open_runner(path, "onnxruntime") for name, path in paths.items()}
    try:
        return check(reference, runners, precision)
    finally:
        for runner in runners.values():
            runner.close()


def demand(differences: Iterable[Difference], precision: str) -> None:
    """Raises `NetworkError` that names what is beyond its limit."""
    told = [
        f"{d.name} {d.mean:.2g} on average and {d.worst:.2g} at worst ({d.mean_limit:g} and {d.worst_limit:g} {d.unit}"
        .rstrip() + " are allowed)"
        for d in differences if not d.passes
    ]  # fmt: skip
    if told:
        raise NetworkError(
            f"the {precision} graphs stray from the network: {', '.join(told)}; "
            "take fp32, or --force of `pymafx-live export` to use them all the same."
        )


def _export(folder: Path, part: Path, precision: str, progress: Progress) -> None:
    said = metadata(precision, version("pymafx-live"), source_hashes(folder))
    modules = load_modules(folder, precision)
    for name, path in graph_paths(part).items():
        progress(f"exporting the graph {name}")
        onnx.save(export_graph(name, modules[name], said), path)
