"""A stand-in for TensorRT's Python binding: the same classes, arguments and enums, computing with ONNX Runtime.

It reads and writes the memory at the addresses that it is given, keeps the library's rules (shapes must lie in a
profile, which contexts share; addresses and scratch memory must be set), and fails where `faults` asks it to. Each
test loads a module of its own. `test_fake_contract.py` holds it against the real binding.
"""

import ctypes
import enum
import json
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort

__version__ = "1.7.1"
faults = SimpleNamespace(
    build=None,  # the error that a build ends with
    deserialize=False,
    context=False,
    refuse=None,  # the method of a context that returns False
    missing=[],  # what infer_shapes names
    fail_after=None,  # executions that succeed before one fails
    warning=None,  # what is warned of at a context's second run, in which RTX would capture it
)
seen = SimpleNamespace(
    builds=0, executions=0, workspaces=[], cleared=[], timings=[], targets=[], configs=[], batches=[], replays=0
)


class ILogger:
    class Severity(enum.IntEnum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def __init__(self):
        pass


class IProgressMonitor:
    def __init__(self):
        pass


class DataType(enum.IntEnum):
    FLOAT, HALF, INT8, INT32, BOOL, UINT8 = range(6)
    BF16, INT64 = 7, 8


class TensorIOMode(enum.IntEnum):
    NONE, INPUT, OUTPUT = range(3)


class InterpolationMode(enum.IntEnum):
    NEAREST, LINEAR, CUBIC = range(3)


class LayerType(enum.IntEnum):
    CONVOLUTION = 0
    GRID_SAMPLE = 42


class BuilderFlag(enum.IntEnum):
    TF32 = 6


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 0


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 0


class ComputeCapability(enum.IntEnum):
    NONE, CURRENT = range(2)
    SM75, SM80, SM86, SM89, SM120, SM121 = 75, 80, 86, 89, 120, 121


class ExecutionContextAllocationStrategy(enum.IntEnum):
    STATIC, ON_PROFILE_CHANGE, USER_MANAGED = range(3)


class CudaGraphStrategy(enum.IntEnum):
    DISABLED, WHOLE_GRAPH_CAPTURE = range(2)


class DynamicShapesKernelSpecializationStrategy(enum.IntEnum):
    LAZY, EAGER, NONE = range(3)


class IHostMemory(bytes):
    @property
    def nbytes(self):
        return len(self)


def data_type(value):
    name = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name
    return DataType[{"float32": "FLOAT", "float16": "HALF"}.get(name, name.upper())]


class ITensor:
    def __init__(self, value):
        self.name = value.name
        self.shape = tuple(d.dim_value if d.HasField("dim_value") else -1 for d in value.type.tensor_type.shape.dim)
        self.dtype = data_type(value)


class ILayer:
    def __init__(self, node):
        self.name, self.node = node.name, node

    @property
    def type(self):
        return LayerType.GRID_SAMPLE if self.node.op_type == "GridSample" else LayerType.CONVOLUTION


class IGridSampleLayer(ILayer):
    @property
    def interpolation_mode(self):
        mode = next((a.s.decode() for a in self.node.attribute if a.name == "mode"), "bilinear")
        return InterpolationMode.LINEAR if mode == "bilinear" else InterpolationMode.NEAREST


class INetworkDefinition:
    model = None

    @property
    def num_inputs(self):
        return len(self.model.graph.input)

    @property
    def num_layers(self):
        return len(self.model.graph.node)

    @property
    def num_outputs(self):
        return len(self.model.graph.output)

    def get_output(self, index):
        return ITensor(self.model.graph.output[index])

    def get_input(self, index):
        return ITensor(self.model.graph.input[index])

    def get_layer(self, index):
        return ILayer(self.model.graph.node[index])


class ParserError:
    def __init__(self, node, text):
        self._node, self._text = node, text

    def desc(self):
        return self._text

    def node(self):
        return 0

    def node_name(self):
        return self._node.name if self._node else ""

    def node_operator(self):
        return self._node.op_type if self._node else ""


class OnnxParser:
    def __init__(self, network, logger):
        self._network, self._errors = network, []

    @property
    def num_errors(self):
        return len(self._errors)

    def get_error(self, index):
        return self._errors[index]

    def parse(self, model, path=None):
        try:
            self._network.model = onnx.load_from_string(model)
        except Exception:
            self._errors = [ParserError(None, "Failed to parse the ONNX model")]
            return False
        unknown = [node for node in self._network.model.graph.node if node.domain]
        self._errors = [
            ParserError(n, f"Invalid Node - {n.name}\nno importer (In x at /_src/y.cpp:1)") for n in unknown
        ]
        return not unknown


class IOptimizationProfile:
    def __init__(self):
        self.shapes = {}

    def set_shape(self, input, min, opt, max):  # noqa: A002
        self.shapes[input] = (tuple(min), tuple(opt), tuple(max))


class ITimingCache:
    def __init__(self, content):
        self.content = content

    def serialize(self):
        return IHostMemory(self.content + b"+")


class IBuilderConfig:
    def __init__(self):
        self.profiles, self.progress_monitor, self.num_compute_capabilities, self.timing = [], None, 0, None

    def clear_flag(self, flag):
        seen.cleared.append(flag)

    def set_memory_pool_limit(self, pool, pool_size):
        seen.workspaces.append(pool_size)

    def set_compute_capability(self, compute_capability, index):
        seen.targets.append(compute_capability)
        return index < self.num_compute_capabilities

    def add_optimization_profile(self, profile):
        self.profiles.append(profile.shapes)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache):
        return ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache, ignore_mismatch):
        foreign = cache.content.startswith(b"foreign") and not ignore_mismatch
        if not foreign:
            self.timing = cache
            seen.timings.append(cache.content)
        return not foreign


class Builder:
    def __init__(self, logger):
        self._logger = logger

    def create_network(self, flags=0):
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return INetworkDefinition()

    def create_builder_config(self):
        return IBuilderConfig()

    def create_optimization_profile(self):
        return IOptimizationProfile()

    def build_serialized_network(self, network, config):
        seen.builds += 1
        if config.progress_monitor is not None:
            config.progress_monitor.phase_start("Building Engine", None, 4)
            for step in range(4):
                if not config.progress_monitor.step_complete("Building Engine", step):
                    return None
            config.progress_monitor.phase_finish("Building Engine")
        if faults.build:
            self._logger.log(ILogger.Severity.ERROR, faults.build)
            return None
        header = json.dumps({"version": __version__, "profiles": config.profiles})
        return IHostMemory(header.encode() + b"\n" + network.model.SerializeToString())


class IRuntimeCache:
    content = b"kernels"

    def serialize(self):
        return IHostMemory(self.content)

    def deserialize(self, blob):
        self.content = bytes(blob)
        return True


class IRuntimeConfig:
    def __init__(self):
        self.cuda_graph_strategy = CudaGraphStrategy.DISABLED
        self.dynamic_shapes_kernel_specialization_strategy = DynamicShapesKernelSpecializationStrategy.LAZY
        self.strategy, self.cache = ExecutionContextAllocationStrategy.STATIC, None

    def set_execution_context_allocation_strategy(self, strategy=ExecutionContextAllocationStrategy.STATIC):
        self.strategy = strategy

    def create_runtime_cache(self):
        return IRuntimeCache()

    def set_runtime_cache(self, cache=None):
        self.cache = cache
        return True


class Runtime:
    def __init__(self, logger):
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine):
        try:
            header, model = bytes(serialized_engine).split(b"\n", 1)
            header = json.loads(header)
        except ValueError:
            header = {}
        if faults.deserialize or header.get("version") != __version__:
            self._logger.log(ILogger.Severity.ERROR, "Serialization assertion failed. Version tag does not match")
            return None
        return ICudaEngine(header["profiles"], model, self._logger)


class ICudaEngine:
    device_memory_size_v2 = 1000

    def __init__(self, profiles, model, logger):
        self.profiles, self.logger = profiles, logger
        graph = onnx.load_from_string(model).graph
        self.values = {v.name: v for v in (*graph.input, *graph.output)}
        self.inputs = {v.name for v in graph.input}
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    @property
    def num_io_tensors(self):
        return len(self.values)

    @property
    def num_optimization_profiles(self):
        return max(len(self.profiles), 1)

    def get_tensor_name(self, index):
        return list(self.values)[index]

    def get_tensor_shape(self, name):
        return ITensor(self.values[name]).shape

    def get_tensor_dtype(self, name):
        return data_type(self.values[name])

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_profile_shape(self, name, profile_index):
        return self.profiles[profile_index][name]

    def create_runtime_config(self):
        return IRuntimeConfig()

    def create_execution_context(self, strategy=ExecutionContextAllocationStrategy.STATIC):
        seen.configs.append(strategy)
        rtx = hasattr(strategy, "cuda_graph_strategy")
        allocation = strategy.strategy if rtx else strategy
        return None if faults.context else IExecutionContext(self, rtx, allocation)


class IExecutionContext:
    def __init__(self, engine, rtx, allocation):
        self._engine, self._profile, self._scratch = engine, 0, 0
        self._allocation = allocation
        self._shapes, self._addresses = {}, {}
        self._rtx, self._runs = rtx, 0

    def set_device_memory(self, memory, size):
        assert size >= self._engine.device_memory_size_v2
        assert self._allocation == ExecutionContextAllocationStrategy.USER_MANAGED
        self._scratch = memory

    def set_optimization_profile_async(self, profile_index, stream_handle):
        self._profile = profile_index
        return self._allowed("set_optimization_profile_async")

    def set_input_shape(self, name, shape):
        if self._engine.profiles and name in self._engine.profiles[self._profile]:
            low, _, high = self._engine.profiles[self._profile][name]
            if not all(a <= n <= b for a, n, b in zip(low, shape, high, strict=True)):
                return self._refuse(f"{name}: {shape} is outside of profile {self._profile}")
        self._shapes[name] = tuple(shape)
        return self._allowed("set_input_shape")

    def infer_shapes(self):
        return [*faults.missing, *(name for name in self._engine.inputs if name not in self._shapes)]

    def get_tensor_shape(self, name):
        shape = self._engine.get_tensor_shape(name)
        if any(n < 0 for n in shape[1:]):  # follows from the picture's size
            zeros = {k: np.zeros(self._shapes[k], self._dtype(k)) for k in self._engine.inputs}
            return self._engine.session.run([name], zeros)[0].shape
        batch = next(iter(self._shapes.values()))[0]
        return tuple(batch if n < 0 else n for n in shape)

    def set_tensor_address(self, name, memory):
        self._addresses[name] = memory
        return self._allowed("set_tensor_address")

    def execute_async_v3(self, stream_handle):
        seen.executions += 1
        lacking = self._scratch == 0 and self._allocation == ExecutionContextAllocationStrategy.USER_MANAGED
        if lacking or set(self._addresses) != set(self._engine.values):
            return self._refuse("an address is not set")
        if faults.fail_after is not None and seen.executions > faults.fail_after:
            return self._refuse("an illegal memory access was encountered")
        self._runs += 1
        if self._rtx and self._runs == 2 and faults.warning:
            self._engine.logger.log(ILogger.Severity.WARNING, faults.warning)
        seen.replays += self._rtx and self._runs > 2  # it captures at the second run by itself
        seen.batches.append(next(iter(self._shapes.values()))[0])
        given = {name: self._view(name).copy() for name in self._engine.inputs}
        names = [name for name in self._engine.values if name not in self._engine.inputs]
        for name, value in zip(names, self._engine.session.run(names, given), strict=True):
            self._view(name)[...] = value
        return self._allowed("execute_async_v3")

    def _view(self, name):
        """The memory at the tensor's address, as an array."""
        shape = self._shapes.get(name) or self.get_tensor_shape(name)
        dtype = self._dtype(name)
        raw = (ctypes.c_uint8 * (int(np.prod(shape)) * dtype.itemsize)).from_address(self._addresses[name])
        return np.frombuffer(raw, dtype).reshape(shape)

    def _dtype(self, name):
        elem = self._engine.values[name].type.tensor_type.elem_type
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(elem))

    def _allowed(self, method):
        return faults.refuse != method or self._refuse(f"{method} was refused")

    def _refuse(self, why):
        self._engine.logger.log(ILogger.Severity.ERROR, why)
        return False
