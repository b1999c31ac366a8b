"""Reads settings: the defaults, overlaid by a YAML file, overlaid by command line flags."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pymafx_live.configs.schema import Section, Settings

Kind = TypeVar("Kind", bound=Settings)
Overlay = Mapping[str, Mapping[str, object]]


class ConfigError(ValueError):
    """A configuration that cannot be used, in one sentence."""


def load(file: Path | None, flags: Overlay, kind: type[Kind]) -> Kind:
    """The settings of a run, as a `kind` of settings; `flags` maps a section to the keys that the command line gave.

    Raises:
        ConfigError: an unreadable file, an unknown key, or a value that does not fit.
    """
    written = _read(file) if file else {}
    _check(kind, written, str(file))  # first alone, so that a fault in the file is not blamed on a flag
    overlaid = {section: {**(written.get(section) or {}), **flags.get(section, {})} for section in {**written, **flags}}
    return _check(kind, overlaid, "the command line")


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{file}{where} is not YAML: see docs/configuration.md for an example") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{file} must hold sections such as `detector:`, not a {type(content).__name__}")
    return {section: {} if keys is None else keys for section, keys in content.items()}


def _check(kind: type[Kind], values: Mapping[str, Any], where: str) -> Kind:
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(f"{where}: {_sentence(kind, error.errors()[0])}") from error


def _sentence(kind: type[Settings], error: ErrorDetails) -> str:
    path = [str(step) for step in error["loc"]]
    key = ".".join(path)
    match error["type"]:
        case "extra_forbidden":
            known = _known_beside(kind, path)
            nearest = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
            remedy = f"did you mean `{nearest[0]}`?" if nearest else f"the keys here are {', '.join(known)}"
            return f"unknown key `{key}`; {remedy}"
        case "value_error":
            return f"{key}: {error['ctx']['error']}"
        case "model_type" | "dict_type":
            return f"`{key}` must be a section with keys of its own, not {error['input']!r}"
        case _:
            rule = error["msg"].replace("Input should", "it should")
            return f"`{key}` cannot be {error['input']!r}: {rule}"


def _known_beside(kind: type[Settings], path: list[str]) -> list[str]:
    model: type[Section] = kind
    for step in path[:-1]:
        model = model.model_fields[step].annotation  # type: ignore[assignment]
    return list(model.model_fields)
