"""The GPU of this machine, as an engine's cache needs to know it."""

import ctypes
import re
import sys
from dataclasses import dataclass
from pathlib import Path

OLDEST = (7, 5)
"""The lowest compute capability that TensorRT still builds for (Turing)."""
NONE = "no NVIDIA GPU with a working driver was found"
DRIVER_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
DRIVER_FILE = Path("/proc/driver/nvidia/version")


class UnavailableError(Exception):
    """Why a runtime cannot be used on this machine, as half a sentence."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A graphics card: its name, compute capability (8, 9), driver's version, and memory in bytes."""

    name: str
    capability: tuple[int, int]
    driver: str
    memory: int

    @property
    def sm(self) -> str:
        """The compute capability as NVIDIA's libraries write it, such as SM89."""
        return "SM{}{}".format(*self.capability)


def find_gpu(index: int = 0) -> Gpu:
    """The GPU of that number; raises `UnavailableError` where PyTorch finds none, or one that is too old.

    PyTorch takes seconds to import, so where there is no driver it is left alone.
    """
    if not has_driver():
        raise UnavailableError(NONE)
    try:
        import torch
    except ImportError as error:
        raise UnavailableError("PyTorch, which holds the GPU's memory, is not installed") from error
    if torch.version.cuda is None:
        raise UnavailableError("the installed PyTorch is built without CUDA")
    if not torch.cuda.is_available():
        raise UnavailableError(NONE)
    if index >= torch.cuda.device_count():
        raise UnavailableError(f"there is no GPU number {index}, only {torch.cuda.device_count()} of them")
    properties = torch.cuda.get_device_properties(index)
    gpu = Gpu(properties.name, (properties.major, properties.minor), driver_version(), properties.total_memory)
    return checked_age(gpu)


def has_driver() -> bool:
    """Whether NVIDIA's driver is there and sees a GPU."""
    try:
        driver = ctypes.CDLL(DRIVER_LIBRARY)
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def checked_age(gpu: Gpu) -> Gpu:
    """The same GPU; raises `UnavailableError` where TensorRT no longer builds for it."""
    if gpu.capability < OLDEST:
        needed, has = (".".join(map(str, c)) for c in (OLDEST, gpu.capability))
        raise UnavailableError(f"the {gpu.name} is too old (compute capability {has}, {needed} is needed)")
    return gpu


def driver_version() -> str:
    """The driver's version, or the highest CUDA version that it runs where the system does not tell."""
    try:
        found = re.search(r"\b\d+\.\d+(\.\d+)?\b", DRIVER_FILE.read_text(encoding="utf-8"))
    except OSError:
        found = None
    if found:
        return found[0]
    import torch

    return f"cuda-{torch._C._cuda_getDriverVersion()}"
