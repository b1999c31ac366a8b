"""Names of classes that are imported when they are wanted."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

from pymafx_live.core.errors import UsageError


def load_class(target: str) -> Any:
    """The class that `package.module:Class` names."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def pick(registry: Mapping[str, str], name: str, role: str) -> Any:
    """The class of the first key that is `name`, in either case, or a pattern for it (`*.onnx`).

    Raises `UsageError` where there is none.
    """
    for pattern, target in registry.items():
        if fnmatchcase(name.lower(), pattern.lower()):
            return load_class(target)
    raise UsageError(f'there is no {role} "{name}": choose one of {", ".join(registry)}.')
