"""Messages of robots that have no protocol of their own: as the wire's, a topic, a NUL byte and a MessagePack map."""

import time
from typing import Any

import msgpack
import numpy as np
from pymafx_live.pipeline.robots.safety import Command

VERSION = 1


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
