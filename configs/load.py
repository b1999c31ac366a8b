"""Reads settings: the defaults, overlaid by a YAML file, overlaid by command line flags."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pymafx_live.configs.schema import Section, keys
from pymafx_live.configs.strict_yaml import read_yaml

CONTRARY = {"fov", "focal", "calibration"}
"""Keys of which one section can have one only."""
MOST_SHOWN = 8
"""Faults of one file that are told."""
LONGEST_SHOWN = 80
"""Characters of a wrong value that a message repeats."""
Kind = TypeVar("Kind", bound=Section)
Overlay = Mapping[str, Mapping[str, object] | list[dict[str, object]]]


class ConfigError(ValueError):
    """A configuration that cannot be used, in one sentence."""


def load(file: Path | None, flags: Overlay, kind: type[Kind]) -> Kind:
    """The settings of a run, as a `kind` of settings; `flags` maps a section to the keys that the command line gave.

    Raises:
        ConfigError: an unreadable file, an unknown key, or a value that does not fit.
    """
    written = read_sections(file) if file else {}
    if written.get("sources") == []:
        raise ConfigError(f"{file}: `sources` names none: list one at least, or leave it out")
    checked(kind, written, str(file))  # first alone, so that a fault in the file is not blamed on a flag
    overlaid = {section: _over(written.get(section), flags.get(section)) for section in {**written, **flags}}
    return checked(kind, overlaid, "the command line")


def _over(written: Any, flags: Any) -> Any:
    """A section with the command line's keys over the file's; a list, such as `sources`, replaces another.

    They win, also over what would contradict them.
    """
    if isinstance(flags, list) or flags is None:
        return written if flags is None else flags
    silenced = CONTRARY if CONTRARY & set(flags) else set()
    return {key: value for key, value in (written or {}).items() if key not in silenced} | dict(flags)


def read_sections(file: Path) -> dict[str, Any]:
    """What a YAML file holds at its top level; a section without keys is an empty one. Raises `ConfigError`."""
    try:
        content = read_yaml(file.expanduser())
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(
            f"{file} is not YAML as it is written here ({error}): see docs/configuration.md for an example"
        ) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{file} must hold sections such as `detector:`, not a {type(content).__name__}")
    return {section: {} if keys is None else keys for section, keys in content.items()}


def checked(kind: type[Kind], values: Mapping[str, Any], where: str) -> Kind:
    """The values as a `kind` of settings. Raises `ConfigError`, with all that is wrong with them."""
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        faults = {details["loc"]: _sentence(kind, details) for details in reversed(error.errors())}
        told = list(reversed(faults.values()))
        more = [f"and {len(told) - MOST_SHOWN} more"] if len(told) > MOST_SHOWN else []
        raise ConfigError(f"{where}: {'; '.join([*told[:MOST_SHOWN], *more])}") from error


def _sentence(kind: type[Section], error: ErrorDetails) -> str:
    path = [str(step) for step in error["loc"]]
    key = ".".join(path)
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key `{key}`, {_remedy(kind, path)}"
        case "missing":
            return f"`{key}` is missing"
        case "value_error":
            return f"{key}: {error['ctx']['error']}" if key else str(error["ctx"]["error"])
        case "string_pattern_mismatch":
            return f"`{key}` cannot be {_shown(error['input'])}: {_meaning(kind, path)}"
        case "model_type" | "dict_type":
            return f"`{key}` must be a section with keys of its own{_example(kind, key)}, not {_shown(error['input'])}"
        case _:
            rule = error["msg"].replace("Input should", "it should")
            return f"`{key}` cannot be {_shown(error['input'])}: {rule}"


def _remedy(kind: type[Section], path: list[str]) -> str:
    """What to write instead of an unknown key: one of another section, one that a flag has another name for, or like
    it."""
    known, word = _known_beside(kind, path), path[-1].replace("-", "_")
    flags = [key for key in keys(kind) if key.flag.removeprefix("--").replace("-", "_") == word]
    named = [key for key in keys(kind) if key.name == word]
    for key in flags or (named if len(named) == 1 else []):
        return f"did you mean `{key.section}.{key.name}`" + (f" (the flag is {key.flag})?" if key.flag else "?")
    nearest = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
    return f"did you mean `{nearest[0]}`?" if nearest else f"the keys here are {', '.join(known)}"


def _example(kind: type[Section], section: str) -> str:
    """How a section that a flag is named after is written: `source: 0` means its `uri`."""
    return next(
        (f", such as `{section}: {{{key.name}: ...}}`" for key in keys(kind)
         if key.section == section and key.flag == f"--{section}"), "",
    )  # fmt: skip


def _meaning(kind: type[Section], path: list[str]) -> str:
    """What a key holds, in the words of its description."""
    section, name = ("source" if path[1:-1] else path[0]), path[-1]  # `sources` is a list of that section
    said = (key.description for key in (*keys(kind), *keys()) if (key.section, key.name) == (section, name))
    return f"give {next(said, 'another one')}"


def _shown(value: object) -> str:
    """A value as a message has it: short."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _known_beside(kind: type[Section], path: list[str]) -> list[str]:
    model: Any = kind
    for step in path[:-1]:
        if not step.isdecimal():  # of a list
            model = model.model_fields[step].annotation
            model = next((kind for kind in get_args(model) if kind is not type(None)), model)
    return list(model.model_fields)
