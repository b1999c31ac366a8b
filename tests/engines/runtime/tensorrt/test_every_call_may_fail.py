"""Whatever call of the library fails, and however: the network runs and is right, or a sentence says why not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime import RunnerOptions
from pymafx_live.engines.runtime.ort import OnnxRuntimeRunner
from pymafx_live.engines.runtime.tensorrt.flavour import RTX, STANDARD, Flavour
from pymafx_live.engines.runtime.tensorrt.gpu import Gpu

pytest.importorskip("torch")
CARD = Gpu("NVIDIA GeForce RTX 4090", (8, 9), "580.65", 24 << 30)
NOT_CALLED_BY_US = ("ILogger", "IProgressMonitor")


@contextmanager
def failing(trt: ModuleType, at: int, how: str) -> Iterator[list[str]]:
    """The library's call number `at` raises or gives nothing; yields the calls so far."""
    calls: list[str] = []

    def wrapped(name: str, key: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(real)
        def call(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            if len(calls) - 1 != at:
                if None in args:
                    raise TypeError(f"{key}(): incompatible function arguments")
                return real(*args, **kwargs)
            if name.endswith("__init__"):  # so says the binding that the library gave none
                raise TypeError("pybind11::init(): factory function returned nullptr")
            if how == "raises":
                raise RuntimeError("an illegal memory access was encountered")
            real(*args, **kwargs)  # what gives nothing anyway shall do its work
            return {"infer_shapes": ["crops"], "add_optimization_profile": -1}.get(key)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for cls in [v for v in vars(trt).values() if isinstance(v, type) and v.__module__ == trt.__name__]:
            made_by_us = cls.__name__ in ("Builder", "OnnxParser", "Runtime")
            for key, value in list(vars(cls).items()):
                asked = callable(value) and (not key.startswith("_") or (key == "__init__" and made_by_us))
                if asked and not isinstance(value, type) and cls.__name__ not in NOT_CALLED_BY_US:
                    patch.setattr(cls, key, wrapped(f"{cls.__name__}.{key}", key, value))
        yield calls


@pytest.mark.slow
@pytest.mark.parametrize("how", ["raises", "gives nothing"])
@pytest.mark.parametrize("library", [RTX, STANDARD])
def test_it_is_survived(
    library: str, how: str, fake: ModuleType, make_network: Callable[..., Path], small_inputs: Any, tmp_path: Path
) -> None:
    from pymafx_live.engines.runtime.tensorrt.memory import HostMemory
    from pymafx_live.engines.runtime.tensorrt.opening import Site, open_on

    model, inputs = make_network(), small_inputs(2)
    expected = OnnxRuntimeRunner(model).run(inputs)
    site = Site(Flavour(library, fake, fake.__version__), CARD, HostMemory())

    def use(cache: Path) -> None:
        runner = open_on(site, model, RunnerOptions(max_batch=2, cache=cache))
        for _ in range(2):
            found = runner.run(inputs)
            for name, value in expected.items():
                np.testing.assert_allclose(np.asarray(found[name]), value, atol=1e-6)
        runner.close()

    with failing(fake, -1, how) as calls:
        use(tmp_path / "whole")
    assert len(calls) > 40
    survived = 0
    for k, call in enumerate(list(calls)):
        with failing(fake, k, how) as made:
            try:
                use(tmp_path / f"{k}")
            except NetworkError as error:
                assert str(error).endswith("."), call
            except Exception as error:
                raise AssertionError(f"call {k}, {call}: {error!r}") from error
            else:
                survived += 1
            assert made[k] == call
    assert 0 < survived < len(calls)
