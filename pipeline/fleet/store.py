"""What a fleet has to remember, in the store of its cluster (Ray's GCS): it lives as long as the head node does."""

from typing import Any

import msgpack
from pymafx_live.pipeline.fleet.engine import ray

_SPACE = b"pymafx-live"


class Store:
    """Values of plain types, bytes too, by their names: also cameras' passwords, in the memory of the head node."""

    def __init__(self) -> None:
        ray()
        from ray.experimental import internal_kv

        self._kv = internal_kv

    def load(self, name: str, default: Any = None) -> Any:
        """What was saved by that name, else `default`."""
        kept = self._kv._internal_kv_get(name.encode(), namespace=_SPACE)
        return default if kept is None else msgpack.unpackb(kept)

    def save(self, name: str, value: Any) -> None:
        """Replaces what was saved by that name."""
        self._kv._internal_kv_put(name.encode(), msgpack.packb(value), overwrite=True, namespace=_SPACE)

    def clear(self) -> None:
        """Forgets everything."""
        for key in self._kv._internal_kv_list(b"", namespace=_SPACE):
            self._kv._internal_kv_del(key, namespace=_SPACE)
