"""Opens an ONNX file on TensorRT: finds the library and the GPU, then the engine in the cache, or builds it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pymafx_live.core.errors import NetworkError
from pymafx_live.core.files import short_hash
from pymafx_live.engines.runtime.batches import batch_buckets
from pymafx_live.engines.runtime.interface import DEFAULTS, RunnerOptions
from pymafx_live.engines.runtime.tensorrt.builder import FLAGS, Plan, UnsizedError, build
from pymafx_live.engines.runtime.tensorrt.cache import EngineCache, EngineKey, default_folder, file_digest
from pymafx_live.engines.runtime.tensorrt.flavour import RTX, Flavour, find_flavour, load, require_library, target_name
from pymafx_live.engines.runtime.tensorrt.gpu import Gpu, UnavailableError, find_gpu
from pymafx_live.engines.runtime.tensorrt.loading import Loaded, load_engine
from pymafx_live.engines.runtime.tensorrt.messages import library_errors, make_logger, reason
from pymafx_live.engines.runtime.tensorrt.sizes import AnySizeRunner, Sizes

if TYPE_CHECKING:
    from pymafx_live.engines.runtime.tensorrt.memory import Memory
    from pymafx_live.engines.runtime.tensorrt.runner import TensorRTRunner


def available(device: int = 0) -> str | None:
    """None where TensorRT can be used on this machine, else the reason, as half a sentence."""
    try:
        _find(device)
    except UnavailableError as error:
        return str(error)
    return None


def identity(device: int = 0) -> tuple[str, ...]:
    """What an engine's results depend on beside the engine: library and version, the card and its driver.

    Raises `UnavailableError` where `available` gives a reason.
    """
    gpu, flavour = _find(device)
    return flavour.title, gpu.name, gpu.sm, gpu.driver


def _find(device: int) -> tuple[Gpu, Flavour]:
    require_library()
    gpu = find_gpu(device)
    return gpu, find_flavour(gpu)


def open_tensorrt(model: Path, options: RunnerOptions = DEFAULTS) -> TensorRTRunner | AnySizeRunner:
    """The ONNX file `model` on TensorRT, built at first use. Raises `NetworkError` where it cannot be."""
    try:
        gpu, flavour = _find(options.device)
    except UnavailableError as error:
        raise NetworkError(f"TensorRT cannot be used on this machine: {error}.") from error
    from pymafx_live.engines.runtime.tensorrt.memory import CudaMemory

    return open_on(Site(flavour, gpu, CudaMemory(options.device)), model, options)


@dataclass(frozen=True, slots=True)
class Site:
    """Where an engine is built for and runs."""

    flavour: Flavour
    gpu: Gpu
    memory: Memory

    @property
    def about(self) -> str:
        """See `Runner.about`."""
        return f"{self.flavour.title} on {self.gpu.name}, driver {self.gpu.driver}"


def open_on(site: Site, model: Path, options: RunnerOptions) -> TensorRTRunner | AnySizeRunner:
    """The ONNX file on that library, GPU and memory, warmed up. Raises `NetworkError`."""
    model = options.on_gpu(model)
    try:
        return _open_sized(site, model, options, {})
    except UnsizedError as error:
        largest, device = options.max_batch, site.memory.device
        return AnySizeRunner(site.about, error.tensors, device, largest, partial(_open_sized, site, model, options))


def _open_sized(site: Site, model: Path, options: RunnerOptions, sizes: Sizes) -> TensorRTRunner:
    """The runner of the engine for pictures of these sizes."""
    from pymafx_live.engines.runtime.tensorrt.runner import TensorRTRunner

    flavour = site.flavour
    key = _key(flavour, model, options, site.gpu, site.gpu.sm, sizes)
    cache = EngineCache(options.cache or default_folder(), model.stem, options.progress)
    kernels = f"{model.stem}-{_kernels_digest(key, site.gpu)}.kernels"
    with library_errors(flavour.title):
        with site.memory.ordered():
            loaded = _fetch(site, model, options, sizes, key, cache, cache.read_part(kernels) if flavour.rtx else b"")
            runner = TensorRTRunner(loaded, site.memory, site.about)
        runner.warm_up(options.progress)
    if flavour.rtx:
        cache.write_part(kernels, loaded.kernel_bytes())
    return runner


def is_built(model: Path, options: RunnerOptions = DEFAULTS) -> bool:
    """Whether `open_tensorrt` finds the engine of a network of fixed picture size. Raises `NetworkError`."""
    try:
        gpu, flavour = _find(options.device)
    except UnavailableError as error:
        raise NetworkError(f"TensorRT cannot be used on this machine: {error}.") from error
    cache = EngineCache(options.cache or default_folder(), model.stem, options.progress)
    return cache.holds(_key(flavour, model, options, gpu, gpu.sm, {}))


def build_engine(model: Path, options: RunnerOptions = DEFAULTS, target: str | None = None) -> Path:
    """Builds the engine ahead into `options.cache`, where `open_tensorrt` finds it, and returns its file.

    With `target`, a compute capability such as `8.9`, TensorRT-RTX needs no GPU; without, it is this machine's.
    Raises `NetworkError` where it cannot be built or written, and `UsageError` for a target it does not know.
    """
    flavour, gpu, target = _builder(options, target)
    key = _key(flavour, model, options, gpu, target, {})
    cache = EngineCache(options.cache or default_folder(), model.stem, options.progress)
    with library_errors(flavour.title):
        cache.fetch(key, lambda: _build(flavour, model, options, gpu, target, cache, {}), lambda data: data)
    path = cache.path(key)
    if not cache.holds(key):
        raise NetworkError(f"the engine cannot be written to {path}: name another folder, or make room there.")
    return path


def _builder(options: RunnerOptions, target: str | None) -> tuple[Flavour, Gpu, str]:
    """The library, the GPU (nameless where only its kind is known) and its compute capability as SM89."""
    if target is not None:
        flavour = load(RTX)
        if flavour is None:
            raise NetworkError(
                "only TensorRT-RTX builds engines for another GPU, and it is not installed: "
                "pip install 'pymafx-live[tensorrt-rtx]'."
            )
        return flavour, Gpu("", (0, 0), "", 0), target_name(flavour, target)
    try:
        gpu, flavour = _find(options.device)
    except UnavailableError as error:
        raise NetworkError(f"no engine can be built for this machine: {error}; name a target GPU instead.") from error
    return flavour, gpu, gpu.sm


def _fetch(
    site: Site,
    model: Path,
    options: RunnerOptions,
    sizes: Sizes,
    key: EngineKey,
    cache: EngineCache,
    kernels: bytes,
) -> Loaded:
    """The engine, from the cache or built."""
    flavour = site.flavour
    logger = make_logger(flavour.module)
    try:
        return cache.fetch(
            key,
            lambda: _build(flavour, model, options, site.gpu, site.gpu.sm, cache, sizes),
            lambda data: load_engine(flavour, data, logger, kernels, options.own_scratch),
        )
    except ValueError as error:
        raise NetworkError(
            f"{model} was built by {flavour.title}, but does not load on the {site.gpu.name}: {reason(logger.errors)}."
        ) from error


def run_plan(options: RunnerOptions, targets: tuple[str, ...], memory: int, sizes: Sizes) -> Plan:
    """What is built for a run with these options, see `Plan`."""
    return Plan(batch_buckets(options.max_batch), targets, memory, sizes)


def _build(
    flavour: Flavour,
    model: Path,
    options: RunnerOptions,
    gpu: Gpu,
    target: str,
    cache: EngineCache,
    sizes: Sizes,
) -> bytes:
    """An engine's bytes, built with the timings of builds before and leaving its own for later ones."""
    plan = run_plan(options, (target,), gpu.memory, sizes)
    if flavour.rtx:
        return build(flavour, model, plan, options.progress).engine
    name = f"{flavour.name}-{short_hash(flavour.version, gpu.name, gpu.sm)}.timings"
    built = build(flavour, model, plan, options.progress, cache.read_part(name))
    cache.write_part(name, built.timings)
    return built.engine


def _key(flavour: Flavour, model: Path, options: RunnerOptions, gpu: Gpu, target: str, sizes: Sizes) -> EngineKey:
    try:
        onnx = file_digest(model, options.cache or default_folder())
    except OSError as error:
        raise NetworkError(f"{model} cannot be read ({error.strerror}): give an ONNX file.") from error
    card = "" if flavour.rtx else gpu.name
    flags = (*FLAGS, *(f"{name}={'x'.join(map(str, size))}" for name, size in sizes.items()))
    return EngineKey(onnx, flavour.name, flavour.version, card, target, batch_buckets(options.max_batch), flags)


def _kernels_digest(key: EngineKey, gpu: Gpu) -> str:
    return short_hash(key.digest, gpu.name, gpu.driver)
