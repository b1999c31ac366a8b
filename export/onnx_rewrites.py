"""Rewrites of a converted network that keep what it computes: for speed, for size, and for any batch."""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper


def drop_outputs(model: ModelProto, names: Collection[str]) -> None:
    """Forget the outputs `names`, and every node that only they needed."""
    outputs = [output for output in model.graph.output if output.name not in names]
    needed = {output.name for output in outputs}
    nodes: list[NodeProto] = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    _replace(model.graph.output, outputs)
    _replace(model.graph.node, nodes[::-1])
    drop_unused(model)


def split_prelu(model: ModelProto) -> None:
    """Replace PRelu(x) with slope * x + (1 - slope) * Relu(x), both products depthwise 1 x 1 convolutions.

    ONNX Runtime runs convolutions on blocks of channels (NCHWc), for which it has no PRelu: it would turn every
    activation back and forth. Convolutions and sums stay in blocks, which makes the face network three times as
    fast on a CPU. Rounding differs, in the sixth digit.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    one = numpy_helper.from_array(np.ones((), np.float32), "prelu/one")
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        (x, slope), (y,) = node.input, node.output
        depthwise = numpy_helper.to_array(constants[slope]).reshape(-1, 1, 1, 1)
        group = len(depthwise)
        falling, rising = f"{y}/slope", f"{y}/rest"
        model.graph.initializer.append(numpy_helper.from_array(depthwise, falling))
        nodes += [
            helper.make_node("Sub", [one.name, falling], [rising]),
            helper.make_node("Conv", [x, falling], [f"{y}/a"], group=group, kernel_shape=[1, 1]),
            helper.make_node("Relu", [x], [f"{y}/relu"]),
            helper.make_node("Conv", [f"{y}/relu", rising], [f"{y}/b"], group=group, kernel_shape=[1, 1]),
            helper.make_node("Add", [f"{y}/b", f"{y}/a"], [y]),
        ]
    _replace(model.graph.node, nodes)
    model.graph.initializer.append(one)
    drop_unused(model)


def store_half(model: ModelProto) -> None:
    """Store float32 weights as float16 plus a Cast, if float16 holds every one of them exactly."""
    weights = [w for w in model.graph.initializer if w.data_type == TensorProto.FLOAT]
    singles = [numpy_helper.to_array(w) for w in weights]
    halves = [w.astype(np.float16) for w in singles]
    if not all(np.array_equal(s, h) for s, h in zip(singles, halves, strict=True)):
        return
    casts = []
    for weight, half in zip(weights, halves, strict=True):
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(half, f"{name}/half"))
        casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    _replace(model.graph.node, [*casts, *model.graph.node])


def free_batch(model: ModelProto) -> None:
    """Make dimension 0 of every input and output `batch`; constants that fix it at 1 follow the input."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    _replace(graph.node, [new for node in graph.node for new in _for_any_batch(node, constants)])
    drop_unused(model)
    del graph.value_info[:]  # shapes of the fixed batch
    for value in (*graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        if len(dims) == 1:  # face_blendshapes squeezed the batch away
            dims.insert(0, onnx.TensorShapeProto.Dimension())
        dims[0].dim_param = "batch"


def drop_unused(model: ModelProto) -> None:
    """Forget constants that no node takes any more."""
    used = {name for node in model.graph.node for name in node.input}
    _replace(model.graph.initializer, [tensor for tensor in model.graph.initializer if tensor.name in used])


def _for_any_batch(node: NodeProto, constants: dict[str, TensorProto]) -> Iterator[NodeProto]:
    """What does the work of `node`, which was made for a batch of 1, for any batch; edits its constants."""
    given = {name: numpy_helper.to_array(constants[name]) for name in node.input if name in constants}
    match node.op_type:
        case "Reshape" if given[node.input[1]][0] == 1:
            shape = given[node.input[1]].copy()
            shape[0] = 0  # a 0 copies the input's dimension
            constants[node.input[1]].CopyFrom(numpy_helper.from_array(shape, node.input[1]))
        case "Slice" if 0 in given[node.input[3]]:
            ends = given[node.input[2]].copy()
            ends[given[node.input[3]] == 0] = np.iinfo(ends.dtype).max
            constants[node.input[2]].CopyFrom(numpy_helper.from_array(ends, node.input[2]))
        case "Squeeze" if given[node.input[1]].tolist() == [0]:
            node = helper.make_node("Identity", [node.input[0]], [node.output[0]], node.name)
        case "Concat" if given:  # a learned token that stands before the others
            (token,) = given
            yield from _repeat_token(node, constants[token])
    yield node


def _repeat_token(node: NodeProto, token: TensorProto) -> list[NodeProto]:
    """Nodes that repeat `token` (1, C, 1, 1) over the batch for the Concat `node`, which then takes them."""
    data = next(name for name in node.input if name != token.name)
    batch, shape, repeated = (f"{token.name}/{what}" for what in ("batch", "shape", "repeated"))
    ones = f"{token.name}/ones"
    nodes = [
        helper.make_node("Constant", [], [ones], value_ints=[1] * (len(token.dims) - 1)),
        helper.make_node("Shape", [data], [batch], start=0, end=1),
        helper.make_node("Concat", [batch, ones], [shape], axis=0),
        helper.make_node("Expand", [token.name, shape], [repeated]),
    ]
    inputs = [repeated if name == token.name else name for name in node.input]
    _replace(node.input, inputs)
    return nodes


def _replace(field: Any, values: list[Any]) -> None:
    """Set a repeated field of protobuf."""
    del field[:]
    field.extend(values)
