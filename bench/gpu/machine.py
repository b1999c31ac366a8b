"""The first step: what this machine is, whether anything can run on it at all, and how fast it is at most."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from pymafx_live.bench.floor import fastest, gpu_rates
from pymafx_live.bench.gpu.course import Notes
from pymafx_live.bench.gpu.settings import Bench
from pymafx_live.bench.runtimes import matrix_rate
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime.selection import choices
from pymafx_live.engines.runtime.tensorrt.flavour import find_flavour
from pymafx_live.engines.runtime.tensorrt.gpu import Gpu, UnavailableError, driver_cuda, find_gpu

PACKAGES = (
    "pymafx-live", "torch", "tensorrt", "tensorrt-cu12", "tensorrt-rtx-cu13", "torch-tensorrt", "onnx", "onnxscript",
    "onnxruntime", "onnxruntime-gpu", "openvino", "numpy", "av", "nvidia-cudnn-cu13", "nvidia-cuda-runtime",
)  # fmt: skip
ASKED = (
    "name", "driver_version", "pstate", "power.limit", "power.draw", "clocks.sm", "clocks.max.sm", "clocks.max.mem",
    "temperature.gpu", "pcie.link.gen.current", "pcie.link.width.current", "memory.total", "memory.used",
    "utilization.gpu", "display_active",
)  # fmt: skip
"""What `nvidia-smi` is asked, where it is there."""
PRODUCTS = {"fp32": "float32", "mixed": "float16"}
"""What each precision multiplies."""
RATES = "rates"
COPIED = 1 << 26
"""Bytes that are copied up and down to time the bus."""


def look_at_machine(bench: Bench, notes: Notes) -> None:
    """Facts and rates. Raises `NetworkError` with the remedy where the card cannot be used."""
    notes.add("processor", {"cores": os.cpu_count(), "name": platform.processor() or platform.machine()})
    notes.add("packages", {name: found for name in PACKAGES if (found := _version(name))})
    if bench.on_gpu:
        _look_at_card(notes, bench.runtime)
        _rate_card(notes)
    else:
        rate = 1e9 * matrix_rate(os.cpu_count() or 1, size=1024)
        notes.add(RATES, {"fp32": rate, "mixed": rate, "bytes": _copying_here()})
    chosen = choices(modules=True)
    notes.add("choices", {str(i): f"{choice.runtime}: {choice.why}" for i, choice in enumerate(chosen)})


def _look_at_card(notes: Notes, runtime: str) -> None:
    notes.add("nvidia-smi", _smi())
    try:
        gpu = find_gpu()
        notes.add("card", card_facts(gpu))
        notes.add("card", {"TensorRT": _tensorrt(gpu, runtime)})
    except UnavailableError as error:
        raise NetworkError(f"nothing can be measured: {error}.") from error


def _tensorrt(gpu: Gpu, runtime: str) -> str:
    """The TensorRT for this card; that there is none is an error only where it is to run."""
    try:
        return find_flavour(gpu).title
    except UnavailableError:
        if runtime == "tensorrt":
            raise
        return "no TensorRT"


def card_facts(gpu: Gpu) -> dict[str, object]:
    """What the cache's keys and a reader want to know."""
    return {
        "name": gpu.name, "capability": gpu.sm, "driver": gpu.driver, "memory": gpu.memory, "CUDA": driver_cuda(),
    }  # fmt: skip


def _rate_card(notes: Notes) -> None:
    """Products, copies on the card, and copies to and from it."""
    import torch

    for precision, dtype in PRODUCTS.items():
        rates = gpu_rates("cuda:0", dtype)
        notes.add(RATES, {precision: rates.flops, "bytes": rates.bytes})
    here = torch.empty(COPIED, dtype=torch.uint8, pin_memory=True)
    there = torch.empty(COPIED, dtype=torch.uint8, device="cuda:0")
    notes.add(RATES, {"up": COPIED / fastest(lambda: there.copy_(here), torch.cuda.synchronize)})
    notes.add(RATES, {"down": COPIED / fastest(lambda: here.copy_(there), torch.cuda.synchronize)})


def _copying_here() -> float:
    source = np.zeros(COPIED, np.uint8)
    target = np.empty_like(source)
    return 2 * COPIED / fastest(lambda: np.copyto(target, source), lambda: None)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _smi() -> dict[str, str]:
    """What `nvidia-smi` says, by question; nothing where it is not there."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return {"missing": "nvidia-smi is not there"}
    command = [program, f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return {"failed": str(error)}
    return dict(zip(ASKED, (part.strip() for part in said.splitlines()[0].split(",")), strict=False))
