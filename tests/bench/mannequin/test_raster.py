"""The compiled renderer against brute force."""

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.bench.mannequin import raster
from pymafx_live.bench.mannequin.compiled import compiled
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Camera
from support.triangles import assert_seen, soup

CAMERA = Camera(64, 48, 60.0, 58.0, 31.5, 23.5)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 2))
def test_each_pixel_sees_what_its_ray_meets_first(seed: int, count: int, scale: int) -> None:
    vertices, faces = soup(seed, count)
    seen = raster.view(vertices, faces, CAMERA, scale)
    finer = CAMERA.resized(CAMERA.width * scale, CAMERA.height * scale)
    depth = np.zeros((finer.height, finer.width), np.float32)
    (x, y), (h, w) = seen.corner, seen.depth.shape
    depth[y * scale : y * scale + h, x * scale : x * scale + w] = seen.depth
    np.testing.assert_array_equal(seen.index >= 0, seen.depth > 0)
    assert_seen(depth, vertices, faces, finer)


def test_without_numba_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pymafx_live.bench.mannequin.compiled.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pymafx-live\[bench\]"):
        compiled(find_spec)("numba")
