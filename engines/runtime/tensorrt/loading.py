"""From an engine's bytes to contexts, in the ways of the two libraries."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pymafx_live.engines.runtime.tensorrt.flavour import Flavour


@dataclass(slots=True)
class Loaded:
    """An engine and what must live as long: the runtime, its logger, and on RTX the kernels' cache."""

    flavour: Flavour
    runtime: Any
    logger: Any
    engine: Any
    make_context: Callable[[], Any]
    kernels: Any = None
    own_scratch: bool = False

    def kernel_bytes(self) -> bytes:
        """The kernels that were compiled so far; empty but on RTX, and where it does not give them."""
        try:
            return b"" if self.kernels is None else bytes(self.kernels.serialize())
        except (RuntimeError, TypeError):
            return b""


def load_engine(
    flavour: Flavour, data: bytes | memoryview, logger: Any, kernels: bytes, own_scratch: bool = False
) -> Loaded | None:
    """The engine in `data`; None where the library refuses it. `kernels` are what RTX compiled in an earlier run.

    With `own_scratch` each context allocates its scratch memory itself, else it must be given some.
    """
    trt = flavour.module
    try:
        runtime = trt.Runtime(logger)
    except TypeError:  # so the binding says that the library gave none
        return None
    engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        return None
    strategies = trt.ExecutionContextAllocationStrategy
    strategy = strategies.STATIC if own_scratch else strategies.USER_MANAGED
    if not flavour.rtx:
        make_context = partial(engine.create_execution_context, strategy)
        return Loaded(flavour, runtime, logger, engine, make_context, own_scratch=own_scratch)
    config = engine.create_runtime_config()
    config.set_execution_context_allocation_strategy(strategy)
    # The library captures CUDA graphs itself, once the kernels of a shape are compiled: at the warm-up, so eagerly.
    config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
    config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
    cache = config.create_runtime_cache()
    if kernels:
        cache.deserialize(kernels)  # False for those of another card, driver or version: then they are compiled
    config.set_runtime_cache(cache)
    return Loaded(
        flavour, runtime, logger, engine, partial(engine.create_execution_context, config), cache, own_scratch
    )
