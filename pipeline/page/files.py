"""The page's own files, read once: nothing else can be asked for."""

from collections.abc import Mapping
from functools import cache
from importlib import resources

import msgpack
import numpy as np
from pymafx_live.core.skeleton import PARENTS
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.body.skinning import STARTS, STOPS, STRETCHED

_KINDS = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@cache
def files() -> Mapping[str, tuple[str, bytes]]:
    """Content type and content by path."""
    folder = resources.files("pymafx_live.pipeline.page")
    found = {f"/{name}": (kind, (folder / name).read_bytes()) for name, kind in _KINDS.items()}
    return found | {"/": found["/index.html"], "/body.bin": ("application/octet-stream", body())}


def body() -> bytes:
    """The embedded body as a MessagePack map of little-endian arrays: what `BodyModel` and `flesh_maps` go by."""
    model = BodyModel.embedded()
    arrays = {
        "vertices": model.v_template.astype("<f4"), "faces": model.faces.astype("<u2"),
        "skinJoints": model.skin_joints, "skinWeights": np.round(65535 * model.skin_weights).astype("<u2"),
        "rest": model.rest_joints.astype("<f4"), "parents": np.array(PARENTS, "i1"),
        "stretched": STRETCHED.astype("u1"), "starts": STARTS.astype("u1"), "stops": STOPS.astype("u1"),
    }  # fmt: skip
    packed: bytes = msgpack.packb({name: values.tobytes() for name, values in arrays.items()})
    return packed
