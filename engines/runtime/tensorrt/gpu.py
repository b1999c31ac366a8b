"""The GPU of this machine, as an engine's cache needs to know it."""

import ctypes
import re
import sys
from dataclasses import dataclass
from pathlib import Path

OLDEST = (7, 5)
"""The lowest compute capability that TensorRT still builds for (Turing)."""
NONE = "no NVIDIA GPU with a working driver was found"
DRIVERS = {12: "525", 13: "580"}
"""The oldest driver that each CUDA runs on (CUDA's release notes, table 2: minor version compatibility)."""
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
        raise UnavailableError(too_old(driver_version(), driver_cuda(), torch.version.cuda) or NONE)
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


def driver_cuda() -> int:
    """The newest CUDA that the driver runs, as 1000 times the major and 10 times the minor version; 0: unknown."""
    version = ctypes.c_int(0)
    try:
        ctypes.CDLL(DRIVER_LIBRARY).cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return 0
    return version.value


def too_old(driver: str, cuda: int, built_for: str) -> str | None:
    """What to do where the driver, which runs up to `cuda` (see `driver_cuda`), is too old for a PyTorch that is
    `built_for` a newer one such as 13.0; None where it is not, or is unknown."""
    major = int(built_for.partition(".")[0])
    if not 0 < cuda // 1000 < major:
        return None
    older = f", or install 'pymafx-live[tensorrt-cu12]', which needs {DRIVERS[12]}" if cuda >= 12000 else ""
    return (
        f"the driver {driver} runs CUDA {cuda // 1000}.{cuda % 1000 // 10} and this PyTorch is built for CUDA "
        f"{built_for}: update the driver to {DRIVERS.get(major, 'a newer one')} or later{older}"
    )


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
    return f"cuda-{driver_cuda()}"
