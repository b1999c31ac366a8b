"""Brings the network's three graphs to a runtime."""

from pathlib import Path

from pymafx_live.engines.pymafx.graphs import GRAPHS, graph_modules
from pymafx_live.engines.pymafx.network import Network
from pymafx_live.engines.runtime import Runner
from pymafx_live.engines.runtime.torch_module import TorchRunner


def open_graphs(folder: Path, runtime: str, threads: int, max_batch: int) -> dict[str, Runner]:
    """A runner for each of `GRAPHS`. Raises `AssetError`."""
    modules = graph_modules(Network.from_assets(folder))
    return {name: TorchRunner(modules[name], GRAPHS[name].inputs, GRAPHS[name].outputs) for name in GRAPHS}
