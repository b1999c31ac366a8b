"""What was cut at once beforehand is what is cut when it is asked for, and is given for the same places only."""

import numpy as np
import pytest
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks.cutter import Cutter, Look
from pymafx_live.engines.landmarks.regions import ImageBatch, Regions

pytest.importorskip("torch", reason="the extra `torch` is not installed")

from pymafx_live.engines.imaging.device import DevicePicture


def regions(*places: float) -> Regions:
    x = np.array(places, np.float32)
    return Regions(np.stack([x, x + 9], 1), 20 + x / 3, x / 40)


def frames() -> ImageBatch:
    """Two people in the first of two frames, and one in the second."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (90, 120, 3), np.uint8) for _ in range(2)]
    return ImageBatch(images, np.array([0, 1, 0]))


def test_all_that_is_known_is_cut_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    warp, sizes = DevicePicture.warp, list[int]()

    def counted(self: DevicePicture, maps: np.ndarray, size: int, antialias: bool = False) -> object:
        sizes.append(len(maps))
        return warp(self, maps, size, antialias)

    monkeypatch.setattr(DevicePicture, "warp", counted)
    pictures, images = Pictures(2, torch_on_cpu=True), frames()
    ahead, alone = Cutter(pictures), Cutter(pictures)
    looks = [Look(images, regions(30, 60, 70), 24), Look(images[np.array([2])], regions(50), 32)]
    ahead.begin(looks, "cpu")
    assert sizes == [3, 1], "one sampling for each picture"
    for look in looks:
        again = Regions(look.regions.centre.copy(), look.regions.side.copy(), look.regions.angle.copy())
        found = ahead(ImageBatch(images.images, look.images.index.copy()), again, look.size, "cpu")
        assert sizes == [3, 1] and found.shape == (len(again), look.size, look.size, 3)
        np.testing.assert_array_equal(found.made(), alone(look.images, look.regions, look.size, "cpu").made())
        del sizes[2:]


def test_other_places_are_cut_anew() -> None:
    pictures, images = Pictures(4, torch_on_cpu=True), frames()
    cutter, look = Cutter(pictures), Look(images, regions(30, 60, 70), 24)
    cutter.begin([look], "cpu")
    same = cutter(images, look.regions, 24, "cpu")
    others = [
        (frames(), look.regions, 24), (images, regions(30, 60, 71), 24), (images, look.regions, 25),
        (images[np.array([0, 1])], regions(30, 60), 24), (images[np.array([2, 1, 1])], look.regions, 24),
    ]  # fmt: skip
    assert cutter(images, look.regions, 24, "cpu") is same
    for other in others:
        assert cutter(*other, "cpu") is not same
    cutter.begin([], "cpu")
    assert cutter(images, look.regions, 24, "cpu") is not same
