"""Files in SMPL-X's format, made here, through our skinning, the paper's formula and, where installed, `smplx`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pymafx_live.core.errors import EXIT_ASSET, AssetError
from pymafx_live.core.skeleton import JOINT_NAMES, PARENTS
from pymafx_live.engines.body.licensed import load_smplx
from pymafx_live.engines.body.model import BodyModel
from scipy.spatial.transform import Rotation


def smplx_arrays(shapes: int, vertices: int = 600) -> dict[str, NDArray[Any]]:
    """An SMPL-X file's arrays: points of the embedded body with random blend shapes, 20 or 400 of them."""
    rng = np.random.default_rng(shapes)
    body = BodyModel.embedded()
    kept = rng.choice(len(body.v_template), vertices, replace=False)
    weights = np.zeros((vertices, 55))
    np.add.at(weights, (np.arange(vertices)[:, None], body.skin_joints[kept]), body.skin_weights[kept])
    regressor = np.zeros((55, vertices))
    for row in regressor:
        chosen = rng.choice(vertices, 12, replace=False)
        row[chosen] = rng.dirichlet(np.ones(12))
    return {
        "v_template": body.v_template[kept].astype(np.float64),
        "f": rng.integers(0, vertices, (1200, 3), np.uint32),
        "weights": weights,
        "J_regressor": regressor,
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(55)], np.uint32),
        "shapedirs": rng.normal(0, 0.01, (vertices, 3, shapes)),
        "posedirs": rng.normal(0, 0.002, (vertices, 3, 486)),
        "hands_componentsl": np.eye(45),
        "hands_componentsr": np.eye(45),
        "hands_meanl": rng.normal(0, 0.3, 45),
        "hands_meanr": rng.normal(0, 0.3, 45),
        "lmk_faces_idx": np.arange(51),
        "lmk_bary_coords": np.full((51, 3), 1 / 3),
        "dynamic_lmk_faces_idx": np.zeros((79, 17), np.int64),
        "dynamic_lmk_bary_coords": np.full((79, 17, 3), 1 / 3),
        "joint2num": np.array({name: i for i, name in enumerate(JOINT_NAMES)}, dtype=object),
    }


@pytest.fixture(scope="module", params=[20, 400])
def smplx_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("smplx") / f"SMPLX_NEUTRAL_{request.param}.npz"
    np.savez(path, **smplx_arrays(request.param))
    return path


def parameters(people: int) -> tuple[NDArray[np.float32], ...]:
    rng = np.random.default_rng(1)
    shapes = (0.4, (people, 55, 3)), (1.0, (people, 3)), (1.0, (people, 20))
    return tuple(rng.normal(0, scale, shape).astype(np.float32) for scale, shape in shapes)


def test_vertices_are_those_of_the_published_formula(smplx_file: Path) -> None:
    """Loper et al. 2015, equations 6 to 11, in double precision."""
    data = dict(np.load(smplx_file, allow_pickle=True))
    pose, transl, shape = parameters(1)
    first = 300 if data["shapedirs"].shape[2] == 400 else 10
    directions = data["shapedirs"][:, :, [*range(10), *range(first, first + 10)]]
    shaped = data["v_template"] + directions @ shape[0]
    joints = data["J_regressor"] @ shaped
    local = Rotation.from_rotvec(pose[0]).as_matrix()
    posed = shaped + data["posedirs"] @ (local[1:] - np.eye(3)).ravel()
    world = np.zeros((55, 4, 4))
    for j, parent in enumerate(PARENTS):
        step = np.eye(4)
        step[:3, :3], step[:3, 3] = local[j], joints[j] - (joints[parent] if j else 0)
        world[j] = world[parent] @ step if j else step
    lifted = world.copy()
    lifted[:, :3, 3] -= np.einsum("jab,jb->ja", world[:, :3, :3], joints)
    homogeneous = np.column_stack([posed, np.ones(len(posed))])
    expected = np.einsum("vj,jab,vb->va", data["weights"], lifted, homogeneous, optimize=True)[:, :3] + transl[0]

    body = load_smplx(smplx_file)
    np.testing.assert_allclose(body.vertices(pose, transl, shape)[0], expected, atol=2e-5)
    np.testing.assert_allclose(body.joints(pose, transl, shape)[0][0], world[:, :3, 3] + transl[0], atol=2e-5)


@pytest.mark.parametrize("shapes", [20, 400])
def test_it_agrees_with_the_smplx_package(tmp_path: Path, shapes: int) -> None:
    smplx = pytest.importorskip("smplx", reason="the smplx package (optional, not ours to ship) is not installed")
    torch = pytest.importorskip("torch")
    smplx_file = tmp_path / "SMPLX_NEUTRAL.npz"
    np.savez(smplx_file, **smplx_arrays(shapes, 10475))  # the package picks landmarks by fixed vertex numbers
    model = smplx.SMPLX(
        str(smplx_file), use_pca=False, flat_hand_mean=True, num_betas=10, num_expression_coeffs=10, ext="npz"
    )
    pose, transl, shape = parameters(3)

    def tensor(values: NDArray[np.float32]) -> Any:
        return torch.from_numpy(np.ascontiguousarray(values).reshape(3, -1))

    with torch.no_grad():
        theirs = model(
            global_orient=tensor(pose[:, 0]),
            body_pose=tensor(pose[:, 1:22]),
            jaw_pose=tensor(pose[:, 22]),
            leye_pose=tensor(pose[:, 23]),
            reye_pose=tensor(pose[:, 24]),
            left_hand_pose=tensor(pose[:, 25:40]),
            right_hand_pose=tensor(pose[:, 40:]),
            transl=tensor(transl),
            betas=tensor(shape[:, :10]),
            expression=tensor(shape[:, 10:]),
        )
    body = load_smplx(smplx_file)
    np.testing.assert_allclose(body.vertices(pose, transl, shape), theirs.vertices.numpy(), atol=2e-5)
    np.testing.assert_allclose(body.joints(pose, transl, shape)[0], theirs.joints[:, :55].numpy(), atol=2e-5)


def _without(key: str) -> dict[str, NDArray[Any]]:
    return {name: value for name, value in smplx_arrays(20).items() if name != key}


@pytest.mark.parametrize(
    ("arrays", "word"),
    [
        (_without("posedirs"), "posedirs"),
        (_without("kintree_table"), "kintree_table"),
        ({**smplx_arrays(20), "kintree_table": np.zeros((2, 55))}, "another tree"),
        ({**smplx_arrays(20), "weights": np.zeros((600, 24))}, "weights"),
        ({**smplx_arrays(20), "f": np.full((5, 3), 99999)}, "`f`"),
    ],
)
def test_another_body_is_refused_by_name(tmp_path: Path, arrays: dict[str, NDArray[Any]], word: str) -> None:
    path = tmp_path / "SMPL.npz"
    np.savez(path, **arrays)
    with pytest.raises(AssetError, match=word) as error:
        load_smplx(path)
    assert error.value.exit_code == EXIT_ASSET


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "SMPLX_NEUTRAL.npz"
    path.write_bytes(content)
    with pytest.raises(AssetError, match=r"SMPLX_NEUTRAL\.npz") as error:
        load_smplx(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"smpl-x\.is\.tue\.mpg\.de"):
        load_smplx(tmp_path / "none.npz")
