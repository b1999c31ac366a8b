"""PyMAF-X's graphs in eager PyTorch, and how much they compute."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pymafx_live.engines.pymafx.files.prepare import load_network
from pymafx_live.engines.pymafx.graphs.modules import torch_runners
from pymafx_live.engines.runtime.torch_module import TorchRunner
from torch.utils.flop_counter import FlopCounterMode


def eager_runners(assets: Path, threads: int) -> dict[str, TorchRunner]:
    """A runner for each of the graphs on so many threads; raises `AssetError` for a folder that cannot be used."""
    return torch_runners(load_network(assets), threads=threads)


def giga_operations(module: torch.nn.Module, given: Mapping[str, Any]) -> float:
    """GFLOP of convolutions and matrix products in one run, a multiplication and an addition counted as two."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        module(**{name: torch.as_tensor(value) for name, value in given.items()})
    return float(counter.get_total_flops()) / 1e9
