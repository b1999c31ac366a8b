"""The folder of files: every way in which one can be wrong, and the bundle that is made of those that are right."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.engines.pymafx.files import (
    assets,
    sources,
)
from pymafx_live.engines.pymafx.files import prepare as bundle
from pymafx_live.engines.pymafx.files.checkpoint import learned_shapes, load_checkpoint
from pymafx_live.engines.pymafx.files.prepare import load_network

NEEDED = [f.path for f in assets.FILES if f.without == assets.NOTHING]


def finding(folder: Path, path: str) -> assets.Finding:
    return assets.check_file(folder, next(f for f in assets.FILES if f.path == path))


def spoil(folder: Path, path: str, content: bytes) -> None:
    (folder / path).unlink()
    (folder / path).write_bytes(content)


def test_synthetic_folder_is_complete(assets_dir: Path) -> None:
    found = {f.path: f.state for f in assets.check(assets_dir)}
    assert {p for p, state in found.items() if state is assets.State.FOUND} == set(sources.READ)
    assert not any(f.is_fault for f in assets.check(assets_dir))


def test_check_does_without_torch(assets_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "find_spec", lambda name: None)
    assert finding(assets_dir, sources.CHECKPOINT).state is assets.State.FOUND
    with pytest.raises(UsageError, match=r"pymafx-live\[torch\]"):
        assets.prepare(assets_dir)


def test_missing_files_are_named_with_their_pages(own_assets: Path) -> None:
    for path in sources.READ:
        (own_assets / path).unlink()
    faults = [f for f in assets.check(own_assets) if f.is_fault]
    assert [f.path for f in faults] == NEEDED
    assert all("get it from" in f.message and "landmarks" in f.message for f in faults)
    assert "mano.is.tue.mpg.de" in finding(own_assets, sources.MANO).message
    assert "the copy inside" in finding(own_assets, sources.MEAN).message


@pytest.mark.parametrize("path", sources.READ)
def test_a_truncated_file_is_named(own_assets: Path, path: str) -> None:
    whole = (own_assets / path).read_bytes()
    spoil(own_assets, path, whole[: len(whole) // 2])
    damaged = finding(own_assets, path)
    assert damaged.state is assets.State.DAMAGED
    assert Path(path).name in damaged.message and str(len(whole) // 2) in damaged.message


@pytest.mark.parametrize("path", [sources.CHECKPOINT, sources.MANO])
def test_prepare_stops_at_a_damaged_file(own_assets: Path, path: str) -> None:
    spoil(own_assets, path, b"no file of that kind")
    with pytest.raises(AssetError, match=Path(path).name):
        assets.prepare(own_assets)
    assert not (own_assets / bundle.BUNDLE).exists()


@pytest.mark.parametrize(
    ("path", "other"),
    [
        (sources.MANO, sources.FLAME),
        (sources.FLAME, sources.SMPLX_TO_SMPL),
        (sources.SMPLX_TO_SMPL, sources.MANO),
        (sources.SMPL_DOWN, sources.MANO_DOWN),
        (sources.MEAN, sources.SMPL_DOWN),
        (sources.FLAME_DOWN, "J_regressor_extra.npy"),
    ],
)
def test_another_models_file_is_told(own_assets: Path, path: str, other: str) -> None:
    (own_assets / path).unlink()
    (own_assets / path).symlink_to((own_assets / other).resolve())
    wrong = finding(own_assets, path)
    assert wrong.state is assets.State.DAMAGED
    assert Path(path).name in wrong.message and "cut short" not in wrong.message


def fake_checkpoint(change: Callable[[dict[str, Any]], Any] = lambda state: state) -> Any:
    """A state with every key and shape of the real one, and a few bytes of numbers."""
    shapes = learned_shapes(face_points=431)
    return change({k: torch.zeros(()).expand(shape) for k, shape in shapes.items()})


def save(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def without(key: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: {k: v for k, v in state.items() if k != key}


def test_checkpoint_of_a_parallel_run_loads(tmp_path: Path) -> None:
    state = fake_checkpoint(lambda s: {f"module.{k}": v for k, v in s.items()})
    copies = {"module.mesh_sampler.Dmap": torch.zeros(431, 6890), "module.regressor.0.init_cam": torch.zeros(1, 3)}
    path = save(tmp_path / "c.pt", {"model": state | copies, "epoch": np.float64(3)})
    learned, found = load_checkpoint(path)
    assert learned.keys() == learned_shapes(431).keys()
    assert found.keys() == {"mesh_sampler.Dmap", "regressor.0.init_cam"}


class Surprise:
    pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: {"model": fake_checkpoint(without("regressor.1.fc2.bias"))}, "lacks `regressor.1.fc2.bias`"),
        (lambda: {"model": fake_checkpoint() | {"head.weight": torch.zeros(1)}}, "holds `head.weight`"),
        (lambda: {"model": fake_checkpoint() | {"regressor.0.fc2.bias": torch.zeros(3)}}, r"fc2.bias` is \(3,\)"),
        (lambda: {"model": {"conv1.weight": torch.zeros(1)}}, "no face branch"),
        (lambda: {"state": {}}, "no `model` state"),
        (lambda: {"model": {}, "args": Surprise()}, "objects other than tensors"),
    ],
)
def test_a_wrong_checkpoint_is_told(tmp_path: Path, content: Callable[[], Any], message: str) -> None:
    with pytest.raises(AssetError, match=message):
        load_checkpoint(save(tmp_path / "c.pt", content()))


def test_a_copy_in_the_checkpoint_wins_and_replaces_a_missing_file(own_assets: Path) -> None:
    own = sources.read_sources(own_assets, {})
    ids = np.load(own_assets / sources.FLAME_DOWN)
    copies = {
        "regressor.0.init_pose": np.zeros((1, 144), np.float32),
        "flame_sampler.sampling_idx": ids,
        "mano_sampler.Dmap": own.hand_points.toarray(),
    }
    (own_assets / sources.MANO_DOWN).unlink()
    got = sources.read_sources(own_assets, copies)
    assert len(got.warnings) == 1
    assert "smpl_mean_params.npz" in got.warnings[0] and "`pose`" in got.warnings[0]
    assert (got.starts["body"][:144] == 0).all() and (own.starts["body"][:144] != 0).any()
    np.testing.assert_array_equal(got.hand_points.toarray(), own.hand_points.toarray())


def test_bundle_alone_is_enough_and_follows_its_sources(
    prepared_dir: Path, own_assets: Path, network: Any, make_crops: Callable[[int, int], Any]
) -> None:
    """Links into the synthetic folder beside a bundle made from the same files."""
    shutil.copytree(prepared_dir / bundle.BUNDLE, own_assets / bundle.BUNDLE, copy_function=os.link)
    assert bundle.is_current(own_assets)
    mean = own_assets / sources.MEAN
    spoil(own_assets, sources.MEAN, mean.read_bytes())
    os.utime(mean, (1, 1))
    assert bundle.is_current(own_assets), "the same bytes at another time"
    pose = dict(np.load(mean))
    np.savez(mean, **{**pose, "pose": pose["pose"] + 1})
    assert not bundle.is_current(own_assets), "other bytes"
    for path in sources.READ:
        (own_assets / path).unlink()
    assert bundle.is_current(own_assets), "no sources any more"
    crops = make_crops(1, 5)
    with torch.no_grad():
        again = load_network(own_assets)(*crops)
        for key, value in network(*crops).items():
            torch.testing.assert_close(again[key], value, rtol=0, atol=0)


def test_half_the_precision_is_nearly_the_same(
    prepared_dir: Path, network: Any, make_crops: Callable[[int, int], Any]
) -> None:
    halved = load_network(prepared_dir, "float16")
    dtypes = {name: p.dtype for name, p in halved.state_dict().items()}
    assert dtypes["body.encoder.conv1.weight"] is torch.float16
    assert dtypes["body.mesh.skin.template"] is dtypes["hand.regressors.2.affine.weight"] is torch.float32
    for parameter in halved.parameters():
        parameter.data = parameter.data.float()  # a CPU is slow at halves: what rounding the weights does is asked here
    crops = make_crops(1, 5)
    with torch.no_grad():
        rounded = halved(*crops)
        for key, value in network(*crops).items():
            torch.testing.assert_close(rounded[key], value, rtol=0, atol=0.02)


def test_a_damaged_bundle_is_told(prepared_dir: Path, tmp_path: Path) -> None:
    copy = tmp_path / bundle.BUNDLE
    copy.mkdir()
    shutil.copy(prepared_dir / bundle.BUNDLE / "bundle.json", copy)
    whole = prepared_dir / bundle.BUNDLE / "float32.safetensors"
    with whole.open("rb") as file:
        (copy / whole.name).write_bytes(file.read(1 << 20))
    with pytest.raises(AssetError, match=r"float32\.safetensors is damaged"):
        load_network(tmp_path)


def test_bad_requests_are_told(assets_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not an empty folder"):
        assets.synthesize(assets_dir)
    with pytest.raises(AssetError, match="not a folder"):
        assets.check(tmp_path / "nowhere")
    with pytest.raises(AssetError, match="not a folder"):
        load_network(tmp_path / "nowhere")
    with pytest.raises(AssetError, match=r"v1\.1\.pt is missing"):
        load_network(tmp_path)
    with pytest.raises(UsageError, match="no precision `float8`"):
        load_network(tmp_path, "float8")
