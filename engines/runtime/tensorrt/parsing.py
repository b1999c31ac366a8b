"""An ONNX file as a TensorRT network, checked for what a parser gets wrong without saying so."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime.tensorrt.flavour import Flavour
from pymafx_live.engines.runtime.tensorrt.messages import reason, shortened


@dataclass(slots=True)
class Parsed:
    """A network with everything that it points into, which must live as long as it does."""

    network: Any
    builder: Any
    parser: Any
    model: bytes

    @property
    def inputs(self) -> list[Any]:
        """The network's input tensors."""
        return [self.network.get_input(i) for i in range(self.network.num_inputs)]


def parse(flavour: Flavour, model: Path, logger: Any) -> Parsed:
    """The strongly typed network of an ONNX file; raises `NetworkError` that names the node at fault."""
    trt = flavour.module
    data = read(model)
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # so the binding says that the library gave none
        raise NetworkError(f"{flavour.title} cannot start a build: {reason(logger.errors)}.") from error
    network = builder.create_network(strongly_typed(trt))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(data, str(model)):
        raise NetworkError(f"{model} cannot be read by {flavour.title}: {_fault(parser, logger)}.")
    _check_sampling(trt, network, model)
    return Parsed(network, builder, parser, data)


def read(model: Path) -> bytes:
    """The file's bytes; raises `NetworkError` where there are none."""
    try:
        return model.read_bytes()
    except OSError as error:
        raise NetworkError(f"{model} cannot be read ({error.strerror}): give an ONNX file.") from error


def strongly_typed(trt: Any) -> int:
    """The flag that lets a network keep the precisions of its graph; libraries that know no other way lack it."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _fault(parser: Any, logger: Any) -> str:
    if not parser.num_errors:
        return reason(logger.errors)
    error = parser.get_error(0)
    lines = error.desc().splitlines()
    told = shortened("\n".join(lines[1:])) or shortened(lines[0] if lines else "") or "it gave no reason"
    if not error.node_operator():
        return told
    return f"it refuses the node {error.node_name() or error.node()} ({error.node_operator()}): {told}"


def _check_sampling(trt: Any, network: Any, model: Path) -> None:
    """Some parsers take the linear sampling of opset 20 for nearest, which would only show in the numbers."""
    for i in range(network.num_layers):
        layer = network.get_layer(i)
        if layer.type != trt.LayerType.GRID_SAMPLE:
            continue
        layer.__class__ = trt.IGridSampleLayer
        if layer.interpolation_mode != trt.InterpolationMode.LINEAR:
            raise NetworkError(
                f"{model} would be sampled with {layer.interpolation_mode.name.lower()} instead of linear "
                f"interpolation in the node {layer.name}: export it again with opset 18."
            )
