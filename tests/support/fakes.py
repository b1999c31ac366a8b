"""Stand-ins for libraries that need a card."""

from importlib.util import find_spec, module_from_spec
from types import ModuleType


def load_fake() -> ModuleType:
    """A stand-in for TensorRT's binding of its own, which shares nothing with those of other tests."""
    spec = find_spec("support.fake_tensorrt")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
