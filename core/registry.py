"""Names of classes that are imported when they are wanted."""

from importlib import import_module
from typing import Any


def load_class(target: str) -> Any:
    """The class that `package.module:Class` names."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
