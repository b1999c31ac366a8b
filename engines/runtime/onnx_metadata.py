"""Reads the metadata of an ONNX file without the `onnx` package, whose only use at run time this would be.

An ONNX file is a protobuf message, ModelProto; its field 14 holds pairs of a key (1) and a value (2).
"""

from collections.abc import Iterator
from pathlib import Path

from pymafx_live.core.errors import NetworkError

METADATA, KEY, VALUE = 14, 1, 2


def read_metadata(model: Path) -> dict[str, str]:
    """The metadata of the file `model`; raises `NetworkError` for one that cannot be read or is no ONNX."""
    try:
        blob = memoryview(model.read_bytes())
        pairs = [dict(_fields(value)) for number, value in _fields(blob) if number == METADATA]
        return {str(pair[KEY], "utf-8"): str(pair.get(VALUE, b""), "utf-8") for pair in pairs}
    except OSError as error:
        raise NetworkError(f"{model} cannot be read ({error.strerror}): check the path.") from error
    except (ValueError, IndexError, KeyError) as error:
        raise NetworkError(f"{model} is no ONNX file, or not whole: get it again.") from error


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The fields of a message that are bytes, by number."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        match tag & 7:
            case 0:  # a number
                _, at = _varint(message, at)
            case 1:  # 64 bits
                at += 8
            case 2:  # bytes
                size, at = _varint(message, at)
                if at + size > len(message):
                    raise ValueError("cut off")
                yield tag >> 3, message[at : at + size]
                at += size
            case 5:  # 32 bits
                at += 4
            case kind:
                raise ValueError(f"no field of kind {kind}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number at `at`, of 7 bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
