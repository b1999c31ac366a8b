"""Open Sound Control 1.0 (https://opensoundcontrol.stanford.edu/spec-1_0.html): messages and bundles as bytes.

What `python-osc` builds costs forty times as much time: it reads each message again that it has built. It is the
judge of these bytes in the tests instead. All numbers are big-endian, all fields are padded to four bytes.
"""

import struct
from collections.abc import Iterable

LARGEST = 1472
"""Bytes of a datagram that leave an Ethernet frame of 1,500 whole (20 for IPv4 and 8 for UDP)."""
_BUNDLE = b"#bundle\0" + struct.pack(">Q", 1)  # the time tag that means: at once


def text(value: str) -> bytes:
    """A string, ended by a zero and padded."""
    data = value.encode() + b"\0"
    return data + b"\0" * (-len(data) % 4)


def head(address: str, kinds: str, *names: str) -> bytes:
    """A message up to where its numbers begin; `kinds` are its type tags, such as `sfff`, and `names` its strings."""
    return text(address) + text("," + kinds) + b"".join(map(text, names))


def message(address: str, *arguments: str | int | float) -> bytes:
    """A message of strings, 32-bit integers and 32-bit floats."""
    kinds = "".join("s" if isinstance(a, str) else "i" if isinstance(a, int) else "f" for a in arguments)
    packed = [text(a) if isinstance(a, str) else struct.pack(f">{k}", a) for a, k in zip(arguments, kinds, strict=True)]
    return head(address, kinds) + b"".join(packed)


def bundles(messages: Iterable[bytes], largest: int = LARGEST) -> list[bytes]:
    """The messages in their order, packed into as few datagrams of at most `largest` bytes as that takes.

    A message that is larger alone has a bundle of its own.
    """
    out, parts, size = [], [_BUNDLE], len(_BUNDLE)
    for content in messages:
        if size + 4 + len(content) > largest and len(parts) > 1:
            out.append(b"".join(parts))
            parts, size = [_BUNDLE], len(_BUNDLE)
        parts += (len(content).to_bytes(4, "big"), content)
        size += 4 + len(content)
    return [*out, b"".join(parts)] if len(parts) > 1 else out
