"""The oracle and the network against the numbers that the original network gave for the same weights and images."""

import fnmatch
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

GOLDEN = Path(__file__).parents[1] / "golden"
PREDICTED = GOLDEN / "full_body_seed0_images100.npz"
GIVEN = GOLDEN / "full_body_seed0_gain0.25_images200_visibility.npz"

Golden = Mapping[str, NDArray[Any]]


def given_visibility(golden: Golden) -> Any:
    return torch.from_numpy(np.stack([golden["input/vis_lhand"], golden["input/vis_rhand"]], 1))


def reduced(key: str, result: Mapping[str, Any]) -> NDArray[Any] | None:
    """The array that a golden key keeps of a result's tensors, None where the result has no such thing."""
    base, _, kept = key.rpartition("/")
    if kept in ("mean", "std", "corner") and base in result:
        pixels = result[base]
        values = {"mean": pixels.mean((2, 3)), "std": pixels.std((2, 3), correction=0), "corner": pixels[:, :, :2, :2]}
        return values[kept].numpy()
    if kept == "every37" and base in result:
        return result[base][:, ::37].numpy()
    return result[key].numpy() if key in result else None


def assert_agrees(golden: Golden, result: Mapping[str, Any]) -> set[str]:
    """Compares all that both have, within the specification's tolerance; returns the golden keys compared."""
    compared = set()
    for key in golden:
        got = reduced(key, result)
        if got is None:
            continue
        if key == "iter3/pred_vis_hands" and golden[key].ndim == 1:
            got = got.T.ravel()
        np.testing.assert_allclose(got, golden[key], rtol=1e-4, atol=1e-4, err_msg=key)
        compared.add(key)
    return compared


def outputs(golden: Golden) -> set[str]:
    return {key for key in golden if not key.startswith("input/")}


def test_oracle_is_the_original_with_predicted_visibility(
    oracle: ModuleType, learned: Any, assets_dir: Path, make_crops: Callable[[int, int], Any]
) -> None:
    golden = np.load(PREDICTED)
    result = oracle.Oracle(learned, assets_dir)(*make_crops(3, 100))
    assert assert_agrees(golden, result) == outputs(golden)


def test_oracle_is_the_original_with_given_visibility(
    oracle: ModuleType, gentle: Any, assets_dir: Path, make_crops: Callable[[int, int], Any]
) -> None:
    golden = np.load(GIVEN)
    result = oracle.Oracle(gentle, assets_dir)(*make_crops(2, 200), given_visibility(golden))
    assert assert_agrees(golden, result) == outputs(golden)


MESHES = ("kp_2d", "kp_3d", "kp2d", "kp3d", "every37")
"""Endings of what the network leaves out: it makes no final mesh."""


def without_meshes(golden: Golden) -> set[str]:
    return {key for key in outputs(golden) if not key.endswith(MESHES)}


@torch.no_grad()
def test_network_is_the_original_with_predicted_visibility(network: Any, make_crops: Callable[[int, int], Any]) -> None:
    golden = np.load(PREDICTED)
    crops = make_crops(3, 100)
    result = {**network(*crops, trace=True), **maps(network, *crops)}
    assert assert_agrees(golden, result) == without_meshes(golden)
    for key in network(*crops):
        np.testing.assert_array_equal(result[key], result[f"iter3/{key}"])


@torch.no_grad()
def test_network_is_the_original_with_given_visibility(
    gentle: Any, assets_dir: Path, make_crops: Callable[[int, int], Any]
) -> None:
    from pymafx_live.engines.pymafx.files.prepare import compose
    from pymafx_live.engines.pymafx.files.sources import read_sources
    from pymafx_live.engines.pymafx.network.model import Network

    golden = np.load(GIVEN)
    sizes, state = compose(read_sources(assets_dir, {}), gentle)
    network = Network(sizes)
    network.load_state_dict(state)
    crops = make_crops(2, 200)
    result = {**network(*crops, given_visibility(golden), trace=True), **maps(network, *crops)}
    assert assert_agrees(golden, result) == without_meshes(golden)


def maps(network: Any, body: Any, left: Any, right: Any, face: Any) -> dict[str, Any]:
    hands = torch.cat([right, left.flip(-1)])
    encoded = {"body": network.body.encode(body), "hand": network.hand.encode(hands), "face": network.face.encode(face)}
    return {f"feature/{part}/{i}": m for part, pyramid in encoded.items() for i, m in enumerate(pyramid)}


@torch.no_grad()
def test_final_mesh_is_the_original(network: Any, assets_dir: Path, make_crops: Callable[[int, int], Any]) -> None:
    from support.meshes import SmplxMesh

    golden = np.load(PREDICTED)
    vertices, joints = SmplxMesh.from_assets(assets_dir)(network(*make_crops(3, 100)))
    short = torch.cat([joints[:, :22], joints[:, [30, 45]]], 1)
    result = {"iter3/smplx_verts": vertices, "iter3/smpl_kp_3d": short}
    assert assert_agrees(golden, result) == {"iter3/smplx_verts/every37", "iter3/smpl_kp_3d"}


def test_part_meshes_are_the_original(assets_dir: Path) -> None:
    from pymafx_live.engines.body import licensed
    from pymafx_live.engines.pymafx.files import sources
    from pymafx_live.engines.pymafx.network.rotations import matrices_from_6d
    from support.meshes import full_skin

    golden = {k: torch.from_numpy(v) for k, v in np.load(PREDICTED).items() if k.startswith("iter3/")}
    mano = full_skin(licensed.read_mano(assets_dir / sources.MANO))
    result = {}
    for side, pose in (("lh", "lhand"), ("rh", "rhand")):
        six = torch.cat([golden[f"iter3/pred_orient_{side}"], golden[f"iter3/pred_{pose}"]], 1)
        result[f"iter3/verts_{side}_mano"], _ = mano(matrices_from_6d(six), golden[f"iter3/pred_shape_{side}"])
    flame = full_skin(licensed.read_flame(assets_dir / sources.FLAME))
    R = matrices_from_6d(torch.cat([golden["iter3/pred_orient_fa"], golden["iter3/pred_face"]], 1))
    R = torch.cat([R[:, :1], torch.eye(3).expand(len(R), 1, 3, 3), R[:, 1:]], 1)
    betas = torch.cat([golden["iter3/pred_shape_fa"], golden["iter3/pred_exp"]], 1)
    result["iter3/verts_fa_flame"], _ = flame(R, betas)
    compared = assert_agrees({k: v.numpy() for k, v in golden.items()}, result)
    assert compared == {f"iter3/verts_{p}/every37" for p in ("lh_mano", "rh_mano", "fa_flame")}


def test_learned_keys_are_the_published_ones() -> None:
    from pymafx_live.engines.pymafx.files.checkpoint import ASSET_KEYS, learned_shapes

    manifest = json.loads((GOLDEN / "checkpoint_manifest.json").read_text())
    learned = {k: tuple(e["shape"]) for k, e in manifest.items() if e["kind"] == "learned"}
    assert learned_shapes(face_points=431) == learned
    copies = {k for k in manifest if any(fnmatch.fnmatchcase(k, pattern) for pattern in ASSET_KEYS)}
    assert copies == manifest.keys() - learned.keys()
