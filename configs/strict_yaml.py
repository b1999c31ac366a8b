"""YAML that a person wrote by hand, and no more: a key once, no aliases, a few levels, a few kilobytes."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

LONGEST = 2**20
"""Bytes of a file."""
DEEPEST = 16
"""Levels of nesting."""


class StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses what grows beyond its file or hides a part of it; raises `yaml.YAMLError`."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._level = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """As the base does, but an alias or too deep a level is an error."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _fault("it has an alias, which is not used here", event.start_mark)
        self._level += 1
        if self._level > DEEPEST:
            raise _fault("it is nested too deeply", event.start_mark)
        node = super().compose_node(parent, index)
        self._level -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """As the base does, but a key that is there twice is an error."""
        if not isinstance(node, yaml.MappingNode):  # as a tag may say of what is a list
            raise _fault("it should have keys here", node.start_mark)
        seen: set[Any] = set()
        for key, _ in node.value:
            value = self.construct_object(key, deep=True)
            if isinstance(value, Hashable):
                if value in seen:
                    raise _fault(f"`{value}` is there twice", key.start_mark)
                seen.add(value)
        return super().construct_mapping(node, deep)


def _fault(problem: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where)


def read_yaml(file: Path, loader: type[StrictLoader] = StrictLoader, skipped: str = "") -> Any:
    """What the file holds, less a first line that begins with `skipped`.

    Raises `OSError` where it cannot be read, and `ValueError` with what is wrong with it, and in which line.
    """
    with file.open("rb") as stream:
        data = stream.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST} bytes")
    try:
        text = data.decode()
        if skipped and text.startswith(skipped):
            text = "\n" + text.partition("\n")[2]
        return yaml.load(text, loader)
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{where}{error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError("it is no YAML") from error
