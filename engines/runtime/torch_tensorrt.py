"""Torch-TensorRT: a PyTorch module compiled as it is, without ONNX, and kept as an exported program.

A program is compiled once, on the machine that runs it, and loaded without compiling again.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pymafx_live.core.errors import NetworkError, first_line
from pymafx_live.core.files import whole_files
from pymafx_live.engines.runtime.interface import DEFAULTS, Array, RunnerOptions, TensorSpec, made
from pymafx_live.engines.runtime.tensorrt.gpu import UnavailableError, find_gpu
from pymafx_live.engines.runtime.validation import check_inputs

SMALLEST = 2
"""Rows that are run at least: PyTorch takes an axis of one for a constant, so programs of any batch begin at two."""
SPECS = "tensors.json"
Specs = Mapping[str, TensorSpec]


def available(device: int = 0) -> str | None:
    """None where Torch-TensorRT can be used on this machine, else the reason, as half a sentence."""
    if not find_spec("torch_tensorrt"):
        return "`torch_tensorrt` cannot be imported"
    try:
        find_gpu(device)
        _library()
    except UnavailableError as error:
        return str(error)
    return None


def identity(device: int = 0) -> tuple[str, ...]:
    """What a compiled program is good for: the library's version, the GPU, its kind and driver.

    Raises `UnavailableError` where `available` gives a reason.
    """
    gpu = find_gpu(device)
    return str(_library().__version__), gpu.name, gpu.sm, gpu.driver


def open_torch_tensorrt(model: Path, options: RunnerOptions = DEFAULTS) -> "TorchTensorRTRunner":
    """The program `model`, which `compile_module` has saved. Raises `NetworkError` where it cannot be loaded."""
    if (reason := available(options.device)) is not None:
        raise NetworkError(f"Torch-TensorRT cannot be used on this machine: {reason}.")
    if model.suffix != ".pt2":
        raise NetworkError(
            f"{model} is no program of Torch-TensorRT, which runs modules, not ONNX: give another runtime."
        )
    extra = {SPECS: ""}
    try:
        module = _library().load(str(model), extra_files=extra).module()
        inputs, outputs = (_read_specs(specs) for specs in json.loads(extra[SPECS]))
    except Exception as error:  # the library's own classes share no other base
        raise NetworkError(f"{model} cannot be loaded by Torch-TensorRT ({first_line(error)}): delete it.") from error
    return TorchTensorRTRunner(module, inputs, outputs, f"cuda:{options.device}", options.max_batch)


def compile_module(module: Any, inputs: Specs, outputs: Specs, path: Path, options: RunnerOptions = DEFAULTS) -> None:
    """Compiles a module that takes `inputs` by name and returns a dict of `outputs`, and saves it as `path` (.pt2).

    The file appears whole or not at all. Raises `NetworkError` where the module is not wholly one engine, or for a
    machine without a GPU.
    """
    if (reason := available(options.device)) is not None:
        raise NetworkError(f"Torch-TensorRT cannot be used on this machine: {reason}.")
    options.progress(f"compiling {path.stem} with Torch-TensorRT")
    device = f"cuda:{options.device}"
    examples = example_inputs(inputs, options.max_batch, device)
    try:
        compiled = _compile(module.to(device), inputs, outputs, options, examples)
    except NetworkError:
        raise
    except Exception as error:  # the library's own classes share no other base
        raise NetworkError(f"{path.stem} cannot be compiled by Torch-TensorRT ({first_line(error)}).") from error
    engines = [name for name, _ in compiled.named_children() if "_run_on_acc" in name]
    if len(engines) != 1 or any("_run_on_gpu" in name for name, _ in compiled.named_children()):
        raise NetworkError(
            f"Torch-TensorRT cuts {path.stem} into pieces ({len(engines)} engines): use another runtime."
        )
    _save(compiled, path, examples, json.dumps([_written(inputs), _written(outputs)]))


def partition(module: Any, inputs: Specs, outputs: Specs, max_batch: int = 8) -> str:
    """What Torch-TensorRT's dry run says of a module: how many engines, of which operators. Needs no GPU."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.txt")
        examples = example_inputs(inputs, max_batch, "cpu")
        # what the library prints is in the report too
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            _compile(module, inputs, outputs, RunnerOptions(max_batch=max_batch), examples, dryrun=str(report))
        return report.read_text(encoding="utf-8")


class TorchTensorRTRunner:
    """Runs a compiled program on the GPU; its outputs are new tensors there."""

    runtime = "torch-tensorrt"

    def __init__(self, module: Any, inputs: Specs, outputs: Specs, device: str, max_batch: int) -> None:
        self._module, self._max_batch = module, max_batch
        self.about = f"Torch-TensorRT on {device}"
        self.inputs, self.outputs, self.device = inputs, outputs, device

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Runner.run`."""
        import torch

        batch = check_inputs(inputs, self.inputs, self._max_batch)
        try:
            with torch.inference_mode():
                given = [_padded(torch.as_tensor(made(inputs[name])).to(self.device), SMALLEST) for name in self.inputs]
                found: Sequence[Any] = self._module(*given)
        except RuntimeError as error:
            raise NetworkError(f"Torch-TensorRT cannot run this network: {first_line(error)}.") from error
        return {name: value[:batch] for name, value in zip(self.outputs, found, strict=True)}

    def close(self) -> None:
        """Lets the program go."""
        del self._module


def example_inputs(inputs: Specs, max_batch: int, device: str) -> list[Any]:
    """Zeros of the largest batch, from which a module is exported."""
    import torch

    shapes = {name: (max(max_batch, SMALLEST), *(n or 1 for n in spec.shape[1:])) for name, spec in inputs.items()}
    return [torch.zeros(shapes[k], dtype=getattr(torch, s.dtype), device=device) for k, s in inputs.items()]


def _compile(
    module: Any, inputs: Specs, outputs: Specs, options: RunnerOptions, examples: list[Any], dryrun: str | bool = False
) -> Any:
    """The module with its whole graph in one engine, for batches of two to `max_batch`."""
    import torch

    library = _library()
    largest = max(options.max_batch, SMALLEST)
    dynamic = largest > SMALLEST
    batch = torch.export.Dim("batch", min=1, max=largest) if dynamic else None
    ordered = _ordered(module, list(inputs), list(outputs))
    with torch.inference_mode(False), torch.no_grad():
        shapes = ({0: batch},) * len(inputs) if dynamic else None
        program = torch.export.export(ordered, tuple(examples), dynamic_shapes=(shapes,) if shapes else None)
    given = []
    for spec in inputs.values():
        rest = [n or 1 for n in spec.shape[1:]]
        dtype = getattr(torch, spec.dtype)
        given.append(
            library.Input(
                min_shape=[SMALLEST, *rest], opt_shape=[largest, *rest], max_shape=[largest, *rest], dtype=dtype
            )
            if dynamic
            else library.Input(shape=[largest, *rest], dtype=dtype)
        )
    return library.dynamo.compile(program, arg_inputs=given, disable_tf32=True, min_block_size=1, dryrun=dryrun)


def _ordered(module: Any, inputs: list[str], outputs: list[str]) -> Any:
    """The module with its inputs by position and its outputs as a tuple, the order of which is known."""
    from torch import nn

    class Ordered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, *tensors: Any) -> tuple[Any, ...]:
            found = self.inner(**dict(zip(inputs, tensors, strict=True)))
            return tuple(found[name] for name in outputs)

    return Ordered().eval()


def _save(compiled: Any, path: Path, examples: list[Any], specs: str) -> None:
    try:
        with whole_files(path.parent, path.name) as part:
            file = str(part / path.name)
            _library().save(compiled, file, arg_inputs=examples, retrace=False, extra_files={SPECS: specs})
    except OSError as error:
        raise NetworkError(f"{path} cannot be written ({error.strerror}): make room there.") from error


def _padded(tensor: Any, rows: int) -> Any:
    """The tensor with its last row repeated, where it has fewer rows than that."""
    missing = rows - tensor.shape[0]
    return tensor if missing <= 0 else tensor[[*range(tensor.shape[0]), *[-1] * missing]]


def _written(specs: Specs) -> dict[str, Any]:
    return {name: [list(spec.shape), spec.dtype] for name, spec in specs.items()}


def _read_specs(written: Mapping[str, Any]) -> dict[str, TensorSpec]:
    return {name: TensorSpec(tuple(shape), dtype) for name, (shape, dtype) in written.items()}


def _library() -> Any:
    try:
        return import_module("torch_tensorrt")
    except Exception as error:  # without a driver its import raises whatever CUDA raises
        raise UnavailableError(f"`torch_tensorrt` cannot be imported ({first_line(error)})") from error
