"""From an ONNX file to the bytes of an engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymafx_live.core.errors import NetworkError
from pymafx_live.core.interfaces import Progress
from pymafx_live.engines.runtime.tensorrt.flavour import Flavour
from pymafx_live.engines.runtime.tensorrt.messages import is_out_of_memory, make_logger, reason
from pymafx_live.engines.runtime.tensorrt.monitor import make_monitor
from pymafx_live.engines.runtime.tensorrt.parsing import Parsed, parse
from pymafx_live.engines.runtime.tensorrt.tensors import Tensors, spec

WORKSPACE = 4 << 30
"""Bytes of GPU memory that one layer may take while it runs, at most half of the card's."""
FLAGS = ("no-tf32", "one-profile")
"""What is changed in a build's settings, for the cache's key.

TF32 rounds the products of float32 networks to ten bits: as coarse as float16, which a graph asks for itself.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build: batch sizes, for RTX the compute capabilities, and the card's memory in bytes (0: unknown).

    `sizes` has the shape, without the batch, of each input whose picture size varies in the ONNX file.
    """

    buckets: tuple[int, ...]
    targets: tuple[str, ...] = ()
    memory: int = 0
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Built:
    """An engine's bytes, and the timings that a next build may use."""

    engine: bytes
    timings: bytes = b""


class UnsizedError(NetworkError):
    """The network takes pictures of any size, of which an engine takes one; `tensors` are its inputs and outputs."""

    def __init__(self, message: str, tensors: Tensors) -> None:
        super().__init__(f"an engine is for one picture size, and {message}: export the network with one size.")
        self.tensors = tensors


def tensors(network: Any) -> Tensors:
    """The inputs and outputs of a parsed network."""
    inputs = {t.name: spec(t) for t in (network.get_input(i) for i in range(network.num_inputs))}
    outputs = {t.name: spec(t) for t in (network.get_output(i) for i in range(network.num_outputs))}
    return Tensors(inputs, outputs, (), ())


def build(flavour: Flavour, model: Path, plan: Plan, progress: Progress, timings: bytes = b"") -> Built:
    """Builds an engine; raises `NetworkError` where the file or the machine does not allow it."""
    trt = flavour.module
    logger = make_logger(trt)
    what = f"building {model.name} for {flavour.title}"
    progress(what)
    parsed = parse(flavour, model, logger)
    config = parsed.builder.create_builder_config()
    _configure(flavour, config, plan)
    _add_profiles(parsed, config, plan)
    cache = None if flavour.rtx else _use_timings(config, timings)
    monitor = make_monitor(trt, what, progress)
    if monitor is not None:
        config.progress_monitor = monitor
    logger.errors.clear()
    try:
        engine = parsed.builder.build_serialized_network(parsed.network, config)
    except (RuntimeError, MemoryError) as error:
        logger.errors.append(str(error))
        engine = None
    if monitor is not None and monitor.error:
        raise monitor.error
    if engine is None:
        raise NetworkError(_failure(flavour, model, plan, logger.errors))
    return Built(bytes(engine), b"" if cache is None else bytes(cache.serialize()))


def _configure(flavour: Flavour, config: Any, plan: Plan) -> None:
    trt = flavour.module
    config.clear_flag(trt.BuilderFlag.TF32)
    limit = min(WORKSPACE, plan.memory // 2) if plan.memory else WORKSPACE
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, limit)
    if flavour.rtx:
        config.num_compute_capabilities = len(plan.targets)
        for i, target in enumerate(plan.targets):
            if not config.set_compute_capability(flavour.targets()[target], i):
                raise NetworkError(f"{flavour.title} cannot build for {target}.")


def _add_profiles(parsed: Parsed, config: Any, plan: Plan) -> None:
    """One profile for all batch sizes; a network of fixed shape needs none.

    Contexts share it (TensorRT from 10 on). RTX compiles the kernels of a shape when that comes: four profiles make the
    body's engine 675 MB in 113 s, one makes it 292 MB in 39 s. The standard library takes minutes to time kernels for
    each profile, and so times them once, for the size in the middle, to which all others are near.
    """
    varying = [tensor for tensor in parsed.inputs if -1 in tuple(tensor.shape)]
    for tensor in varying:
        if -1 in tuple(tensor.shape)[1:] and tensor.name not in plan.sizes:
            raise UnsizedError(f"its input {tensor.name!r} is of any size", tensors(parsed.network))
    if not varying:
        return
    profile = parsed.builder.create_optimization_profile()
    batches = 1, plan.buckets[len(plan.buckets) // 2], plan.buckets[-1]
    for tensor in varying:
        picture = plan.sizes.get(tensor.name, tuple(tensor.shape)[1:])
        profile.set_shape(tensor.name, *((batch, *picture) for batch in batches))
    if config.add_optimization_profile(profile) < 0:
        raise NetworkError(f"TensorRT refuses batches of 1 to {batches[-1]}.")


def _use_timings(config: Any, timings: bytes) -> Any:
    """Attaches the timing cache; timings of another card are not taken, and measured again."""
    cache = config.create_timing_cache(timings)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def _failure(flavour: Flavour, model: Path, plan: Plan, errors: list[str]) -> str:
    if is_out_of_memory(errors):
        return (
            f"{model} cannot be built by {flavour.title}: the memory ran out; end other programs that use the GPU, "
            f"or ask for fewer people at once than {plan.buckets[-1]}."
        )
    return f"{model} cannot be built by {flavour.title}: {reason(errors)}."
