"""glTF 2.0 in one binary file (https://registry.khronos.org/glTF/specs/2.0): nodes, arrays and animations."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Entry = dict[str, Any]
_TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_COMPONENTS = {"uint8": 5121, "uint16": 5123, "float32": 5126}
VERTICES, INDICES = 34962, 34963
"""What a buffer view is for, where it is drawn."""


class Gltf:
    """A file in the making."""

    def __init__(self) -> None:
        self.nodes: list[Entry] = []
        self.content: Entry = {"asset": {"version": "2.0", "generator": "pymafx-live"}, "scene": 0}
        self._views: list[Entry] = []
        self._accessors: list[Entry] = []
        self._channels: list[Entry] = []
        self._samplers: list[Entry] = []
        self._binary = bytearray()

    def node(self, name: str, parent: int | None = None, **fields: Any) -> int:
        """Adds a node below another one, or a root; returns its number."""
        self.nodes.append({"name": name, **fields})
        if parent is not None:
            self.nodes[parent].setdefault("children", []).append(len(self.nodes) - 1)
        return len(self.nodes) - 1

    def add(self, kind: str, entry: Entry) -> int:
        """Adds a mesh, a skin, a material; returns its number among its kind."""
        self.content.setdefault(kind, []).append(entry)
        return len(self.content[kind]) - 1

    def array(self, values: NDArray[Any], target: int | None = None, bounds: bool = False) -> int:
        """Adds an accessor of values (N,) or (N, C) of the type that they have; returns its number."""
        values = np.ascontiguousarray(values)
        self._binary.extend(b"\0" * (-len(self._binary) % 4))
        view = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": values.nbytes}
        self._views.append(view | ({} if target is None else {"target": target}))
        self._binary.extend(values.tobytes())
        rows = values.reshape(len(values), -1)
        accessor: Entry = {
            "bufferView": len(self._views) - 1, "componentType": _COMPONENTS[values.dtype.name],
            "count": len(values), "type": _TYPES[rows.shape[1]],
        }  # fmt: skip
        if bounds:
            accessor |= {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        self._accessors.append(accessor)
        return len(self._accessors) - 1

    def animate(self, node: int, path: str, times: int, values: NDArray[Any], interpolation: str = "LINEAR") -> None:
        """Adds a channel: the `path` (rotation, translation, scale) of a node, at the times of an accessor."""
        output = self.array(np.asarray(values, np.float32))
        self._samplers.append({"input": times, "output": output, "interpolation": interpolation})
        target = {"node": node, "path": path}
        self._channels.append({"sampler": len(self._samplers) - 1, "target": target})

    def save(self, file: Path, animation: str) -> None:
        """Writes the file, with all channels as one animation of that name. Raises `OSError`."""
        below = {child for node in self.nodes for child in node.get("children", ())}
        content = self.content | {
            "scenes": [{"nodes": [k for k in range(len(self.nodes)) if k not in below]}],
            "nodes": self.nodes, "accessors": self._accessors, "bufferViews": self._views,
            "buffers": [{"byteLength": len(self._binary)}],
            "animations": [{"name": animation, "channels": self._channels, "samplers": self._samplers}],
        }  # fmt: skip
        text = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        binary = bytes(self._binary) + b"\0" * (-len(self._binary) % 4)
        with file.open("wb") as stream:
            stream.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(binary)))
            stream.write(struct.pack("<I4s", len(text), b"JSON") + text)
            stream.write(struct.pack("<I4s", len(binary), b"BIN\0") + binary)
