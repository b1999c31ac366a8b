"""Clips as files: whole, made once, read back as they were."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import av
import numpy as np
import pytest
from pymafx_live.bench.mannequin import clip as clips
from pymafx_live.bench.mannequin.scene import render_clip
from pymafx_live.core.errors import EXIT_ASSET, AssetError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pymafx-live"


def test_a_clip_is_rendered_once_with_its_truth_beside_it(cache: Path) -> None:
    told: list[tuple[int, int]] = []
    path = clips.cached_clip("wave", 1, 4, 10.0, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert {p.name for p in cache.iterdir()} == {path.name, clips.truth_path(path).name}
    made = path.stat().st_mtime_ns
    assert clips.cached_clip("wave", 1, 4, 10.0) == path
    assert path.stat().st_mtime_ns == made

    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 10
        pictures = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    truths = clips.load_truth(clips.truth_path(path))
    for picture, read, (image, truth) in zip(pictures, truths, render_clip("wave", 1, 4, 10.0), strict=True):
        assert np.abs(picture.astype(int) - image).mean() < 3
        assert (read.time, read.camera) == (truth.time, truth.camera)
        for mine, theirs in zip(read.people, truth.people, strict=True):
            for name in clips.FIELDS:
                np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
            assert (mine.id, mine.visible) == (theirs.id, theirs.visible)


@pytest.mark.slow
def test_a_webcam_clip_has_its_own_size_and_says_which_joints_are_seen(cache: Path) -> None:
    sizes = set()
    for seed in (0, 1):
        path = clips.cached_clip("typing", seed, 3, 10.0)
        truth = clips.load_truth(clips.truth_path(path))[0]
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            assert (video.width, video.height) == (truth.camera.width, truth.camera.height)
        sizes.add((truth.camera.width, truth.camera.height))
        seen = truth.people[0].seen
        assert seen.dtype == bool and seen.any() and not seen.all()
    assert (640, 480) in sizes


@pytest.mark.slow
def test_different_arguments_are_different_files(cache: Path) -> None:
    paths = {
        clips.cached_clip("hands", 1, 3, 10.0),
        clips.cached_clip("hands", 2, 3, 10.0),
        clips.cached_clip("hands", 1, 3, 10.0, proportions=True),
        clips.cached_clip("hands", 1, 3, 10.0, background="plain"),
        clips.cached_clip("hands", 1, 3, 10.0, fov=60),
    }
    assert len(paths) == 5


def test_an_interrupted_rendering_leaves_nothing(cache: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clips.cached_clip("hands", 1, 3, 10.0, progress=stop)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    video = clips.cached_clip("hands", 1, 3, 10.0)
    assert video.exists() and clips.truth_path(video).exists()
    assert [record.getMessage().count("set XDG_CACHE_HOME") for record in caplog.records] == [1]
    with pytest.raises(AssetError, match="XDG_CACHE_HOME") as error, monkeypatch.context() as patch:
        patch.setattr(clips, "user_cache", lambda: blocked)
        clips.cached_clip("hands", 1, 3, 10.0)
    assert error.value.exit_code == EXIT_ASSET
    assert "\n" not in str(error.value)


def test_the_demo_that_ships_is_the_one_that_is_rendered() -> None:
    demo = Path(str(resources.files("pymafx_live.engines.data"))) / "demo.mp4"
    with av.open(str(demo)) as container:
        video = container.streams.video[0]
        assert (video.frames, video.average_rate) == (clips.DEMO_FRAMES, clips.DEMO_FPS)
        shipped = next(container.decode(video=0)).to_ndarray(format="bgr24")
    image, _ = next(iter(clips.demo_scenes()))
    error = np.square(shipped.astype(float) - image).mean()
    assert 10 * np.log10(255**2 / error) > 36, "dB: run `python -m pymafx_live.bench.mannequin --bake-demo`"


def test_a_damaged_truth_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "walk.npz"
    path.write_bytes(b"PK not a zip")
    with pytest.raises(AssetError, match="delete it"):
        clips.load_truth(path)
