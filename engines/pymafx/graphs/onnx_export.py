"""The network's graphs as ONNX models, fit for every runtime: opset 18, any batch, no custom operation.

`fp32` is the network as it is. `mixed` carries its precision in the graph, as strongly typed runtimes want it:
encoders, attention and reduction half; cameras, projection, the coordinates and maps of sampling, 6D to matrices,
layer norms, wrists, regressors and skinning float32. `wide` has halves in the encoders alone.
"""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping

import onnx
import torch
from onnx import ModelProto
from pymafx_live.engines.pymafx.spec import GRAPHS
from pymafx_live.engines.runtime.interface import TensorSpec
from torch import Tensor, nn

OPSET = 18
"""A later one names GridSample's bilinear mode anew, and some TensorRT parsers read that as nearest."""
LARGEST_BATCH = 1024
"""What the exporter is told; runtimes set their own limits."""
INPUT = "crops: uint8 BGR (batch, 224, 224, 3), as the camera gives them; normalisation and mirror are inside"


def export_graph(name: str, module: nn.Module, metadata: Mapping[str, str]) -> ModelProto:
    """One of `graph_modules` as ONNX, its inputs and outputs named as in `GRAPHS`; `metadata` goes into the file."""
    spec = GRAPHS[name]
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    with torch.no_grad(), _quietly():
        program = torch.onnx.export(
            module.eval(),
            (),
            kwargs={key: _example(tensor) for key, tensor in spec.inputs.items()},
            input_names=list(spec.inputs),
            output_names=list(spec.outputs),
            dynamic_shapes={key: {0: batch} for key in spec.inputs},
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    model: ModelProto = program.model_proto
    _forget_its_making(model)
    onnx.helper.set_model_props(model, {"graph": name, "input": INPUT, **metadata})
    return model


def metadata(precision: str, version: str, sources: Mapping[str, str]) -> dict[str, str]:
    """What a file says of itself: its precision, the version that made it and the hashes of what it was made from."""
    return {"kind": "pymafx", "precision": precision, "version": version, "sources": json.dumps(sources, indent=1)}


def _example(spec: TensorSpec) -> Tensor:
    """A batch of two: an axis of one would be taken for a constant."""
    return torch.zeros(2, *(n or 1 for n in spec.shape[1:]), dtype=getattr(torch, spec.dtype))


def _forget_its_making(model: ModelProto) -> None:
    """Drops the exporter's notes on every node: they name this machine's paths, and double a small file's size."""
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's own talk: what fails raises."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
