"""What a network cannot be faster than: its products and its bytes, at the rates that the machine reaches by itself."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

REPEATS = 10
SIDE = {"float32": 8192, "float16": 8192}
"""Rows of the square matrices whose product is timed."""
COPY = 1 << 30
"""Bytes of the copy that is timed."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one row of a batch costs: floating point operations, and the bytes of the weights, read once a batch."""

    flops: float
    weights: float

    def floor(self, batch: float, rates: "Rates") -> float:
        """Seconds that a batch takes at least: products and weights are both needed, and may overlap."""
        return max(batch * self.flops / rates.flops, self.weights / rates.bytes)


@dataclass(frozen=True, slots=True)
class Rates:
    """What a machine reaches: floating point operations a second in a large product, bytes a second in a large copy."""

    flops: float
    bytes: float


def work_of(path: Path) -> Work:
    """Counts the convolutions and matrix products of an ONNX file for a batch of one."""
    import onnx
    from onnx import shape_inference

    model = onnx.load(path)
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {w.name: tuple(w.dims) for w in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(d.dim_value or 1 for d in value.type.tensor_type.shape.dim)
    bytes_ = sum(
        np.prod(w.dims) * onnx.helper.tensor_dtype_to_np_dtype(w.data_type).itemsize for w in graph.initializer
    )
    return Work(float(sum(_operations(node, shapes) for node in graph.node)), float(bytes_))


def _operations(node: Any, shapes: Mapping[str, tuple[int, ...]]) -> float:
    """Two for each multiplication with its addition; other nodes count nothing."""
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    given, weight, made = (shapes.get(name, ()) for name in (node.input[0], node.input[1], node.output[0]))
    if node.op_type == "Conv":
        return 2 * float(np.prod(made)) * float(np.prod(weight[1:]))
    if node.op_type == "ConvTranspose":
        return 2 * float(np.prod(given)) * float(np.prod(weight[1:]))
    inner = next((a.i for a in node.attribute if a.name == "transA"), 0)
    return 2 * float(np.prod(made)) * given[0 if inner else -1]


def gpu_rates(device: str, dtype: str) -> Rates:
    """The rates of a GPU, measured with PyTorch; float32 without TF32, as the engines are built."""
    import torch

    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        side = SIDE[dtype]
        a = torch.rand(side, side, device=device, dtype=getattr(torch, dtype))
        product = torch.empty_like(a)
        seconds = fastest(lambda: torch.matmul(a, a, out=product), torch.cuda.synchronize)
        source = torch.empty(COPY, device=device, dtype=torch.uint8)
        target = torch.empty_like(source)
        copying = fastest(lambda: target.copy_(source), torch.cuda.synchronize)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return Rates(2 * side**3 / seconds, 2 * COPY / copying)  # a copy reads and writes


def fastest(call: Callable[[], object], wait: Callable[[], object]) -> float:
    """The fewest seconds of some calls, each waited for."""
    found = []
    for _ in range(REPEATS):
        wait()
        began = time.perf_counter()
        call()
        wait()
        found.append(time.perf_counter() - began)
    return min(found)
