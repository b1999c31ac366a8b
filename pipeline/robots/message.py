"""Messages of robots that have no protocol of their own: as the wire's, a topic, a NUL byte and a MessagePack map."""

import time
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np
from pymafx_live.pipeline.robots.pose import Pose
from pymafx_live.pipeline.robots.safety import Command

VERSION = 1


class Newest:
    """A robot that is sent the newest command only, and that once: on the topic of its `name`, with its `content`."""

    name = ""

    def __init__(self) -> None:
        self._command: Command | None = None

    def add(self, command: Command) -> None:
        """Takes the place of the one before."""
        self._command = command

    def message(self) -> bytes | None:
        """The newest command with its content; without any where nothing is commanded."""
        command, self._command = self._command, None
        if command is None:
            return None
        return encode(self.name, command, **({} if command.pose is None else self.content(command.pose)))

    def content(self, pose: Pose) -> Mapping[str, Any]:
        """What the message says of a pose."""
        raise NotImplementedError


def encode(robot: str, command: Command, **content: Any) -> bytes:
    """A message on the topic `robot/<name>`: the safety layer's state, whose pose it is, how old, and the `content`."""
    source, person = command.who or (None, None)
    head = {
        "version": VERSION,
        "robot": robot,
        "state": str(command.state),
        "source": source,
        "id": person,
        "sent_at": time.time(),
        "age": command.age if np.isfinite(command.age) else None,
    }
    packed: bytes = msgpack.packb(head | content)
    return f"robot/{robot}".encode() + b"\0" + packed
