"""OpenVINO: the fastest on the processors of Intel and AMD (the extra `openvino`).

Networks are compiled for fixed shapes, which run up to a third faster than a dynamic batch: for one row, and for two
where that pays. A larger batch is run as such pieces: on a processor its time grows with its rows anyhow.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pymafx_live.core.errors import NetworkError
from pymafx_live.core.files import drop_unsealed, network_folder, seal
from pymafx_live.engines.runtime import telemetry
from pymafx_live.engines.runtime.interface import DEFAULTS, Array, RunnerOptions, TensorSpec
from pymafx_live.engines.runtime.validation import check_inputs

SMALL = 2**20
"""Bytes of a file below which compiling takes no longer than looking for what was compiled before."""
LARGE = 32 * 2**20
"""Bytes of a file from which on only single rows are compiled: a second copy of its weights would gain nothing."""
FIXED_SIZES = 8
"""Of a network that takes any picture size, so many shapes are compiled; the next ones share a dynamic one."""
_BLOBS = "*.blob"
Shapes = tuple[tuple[int, ...], ...]


def available() -> str | None:
    """None where OpenVINO can be used, or else the reason why not."""
    return None if find_spec("openvino") else "OpenVINO is not installed"


class OpenVinoRunner:
    """Runs an ONNX file on OpenVINO's plugin for processors, in float32."""

    runtime = "openvino"
    device = "cpu"

    def __init__(self, model: Path, options: RunnerOptions = DEFAULTS) -> None:
        """Compiles the network. Raises `NetworkError` when the file cannot be loaded or compiled."""
        telemetry.switch_off()
        import openvino

        self.about = f"OpenVINO {openvino.__version__.partition('-')[0]} on the processor"
        self._core, self._path, self._max_batch = openvino.Core(), model, options.max_batch
        self._compiled: dict[Shapes | None, Any] = {}
        self._cache: Path | None = None
        try:
            self._network: Any = _read(model)
            self.inputs: Mapping[str, TensorSpec] = {port.any_name: _spec(port) for port in self._network.inputs}
            self.outputs: Mapping[str, TensorSpec] = {port.any_name: _spec(port) for port in self._network.outputs}
            if not self.inputs or not self.outputs:
                raise ValueError("it holds no network")
            self._settings = self._compile_settings(options)
            self._sizes = self._piece_sizes()
            for shapes in self._shapes_known():
                self._compile(shapes)
            if None not in self._compiled:
                self._network = None  # no other shapes can come
        except Exception as error:  # OpenVINO raises RuntimeErrors of several kinds
            raise NetworkError(f"{model} cannot be loaded by OpenVINO ({last_line(error)}).") from error

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Runner.run`."""
        batch = check_inputs(inputs, self.inputs, self._max_batch)
        arrays = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        try:
            if batch in self._sizes or not self._sizes:
                return self._run_piece(arrays)
            pieces = [
                {name: value.copy() for name, value in self._run_piece(part).items()}
                for part in _pieces(arrays, batch, self._sizes)
            ]
        except Exception as error:
            raise NetworkError(f"OpenVINO cannot run this network: {last_line(error)}.") from error
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in self.outputs}

    def close(self) -> None:
        """Lets the compiled networks go."""
        self._compiled.clear()
        self._network = None

    def _run_piece(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Runs inputs of these shapes; the outputs lie in OpenVINO's memory until it runs such shapes again."""
        shapes = tuple(arrays[name].shape for name in self.inputs)
        request = self._compiled.get(shapes)
        if request is None and len(self._compiled) <= FIXED_SIZES:
            request = self._compile(shapes)
        elif request is None:
            request = self._compiled[None]
        results = request.infer([arrays[name] for name in self.inputs], share_inputs=True, share_outputs=True)
        return dict(zip(self.outputs, results.to_tuple(), strict=True))

    def _piece_sizes(self) -> tuple[int, ...]:
        """The batches to compile, largest first; none where rows are not apart, as the shapes tell."""
        specs = (*self.inputs.values(), *self.outputs.values())
        if not all(spec.shape and spec.shape[0] is None for spec in specs):
            return ()
        return (1,) if self._path.stat().st_size >= LARGE or self._max_batch == 1 else (2, 1)

    def _shapes_known(self) -> Iterator[Shapes | None]:
        """What can be compiled ahead: the pieces, or None, a dynamic one, where more than the batch is dynamic."""
        rows = [spec.shape[1:] for spec in self.inputs.values()]
        fixed = [tuple(n for n in row if n is not None) for row in rows]
        if self._sizes and fixed == rows:
            for size in self._sizes:
                yield tuple((size, *row) for row in fixed)
        else:
            yield None

    def _compile(self, shapes: Shapes | None) -> Any:
        network = self._network.clone()
        if shapes is not None:
            network.reshape(dict(zip(network.inputs, (list(shape) for shape in shapes), strict=True)))
        request = self._core.compile_model(network, "CPU", self._settings).create_infer_request()
        if self._cache is not None:
            with suppress(OSError):  # what is not noted is compiled anew at the next start
                seal(self._cache, _BLOBS)
        self._compiled[shapes] = request
        return request

    def _compile_settings(self, options: RunnerOptions) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            # By default OpenVINO computes in bfloat16 where the processor can, 3 digits instead of 7.
            "INFERENCE_PRECISION_HINT": "f32",
            # Pinned threads of several networks would share the same cores while others idle.
            "ENABLE_CPU_PINNING": False,
        }
        if options.threads:
            settings["INFERENCE_NUM_THREADS"] = options.threads
        if self._path.stat().st_size < SMALL:
            return settings
        machine = self._core.get_property("CPU", "FULL_DEVICE_NAME")
        folder = network_folder(options.cache, self.runtime, self._path, version("openvino"), machine, options.threads)
        if folder is not None:
            # OpenVINO takes what it finds: of a damaged network other answers would come.
            drop_unsealed(folder, _BLOBS)
            settings["CACHE_DIR"] = str(folder)
        self._cache = folder
        if folder is None or not any(folder.glob(_BLOBS)):
            options.progress(f"compiling {self._path.name} for OpenVINO")
        return settings


def _read(model: Path) -> Any:
    """The network, by the ONNX reader alone: others would print what they cannot make of a damaged file."""
    from openvino.frontend import FrontEndManager

    reader = FrontEndManager().load_by_framework("onnx")
    return reader.convert(reader.load(str(model)))


def _pieces(arrays: Mapping[str, Array], batch: int, sizes: tuple[int, ...]) -> Iterator[dict[str, Array]]:
    """The rows of `arrays` in pieces of the largest of `sizes` that still fits."""
    start = 0
    while start < batch:
        size = next(size for size in sizes if size <= batch - start)
        yield {name: value[start : start + size] for name, value in arrays.items()}
        start += size


def _spec(port: Any) -> TensorSpec:
    shape = tuple(None if dim.is_dynamic else dim.get_length() for dim in port.get_partial_shape())
    return TensorSpec(shape, str(np.dtype(port.get_element_type().to_dtype())))


def last_line(error: Exception) -> str:
    """The last line of OpenVINO's message, which is what went wrong; those before say where in its code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
