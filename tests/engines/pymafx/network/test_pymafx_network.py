"""What must hold of the network whatever its weights are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

Crops = Callable[[int, int], Any]


@pytest.fixture(autouse=True)
def no_grad() -> Any:
    with torch.no_grad():
        yield


def close(a: Any, b: Any, tolerance: float = 2e-5) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_a_person_does_not_depend_on_the_others(network: Any, make_crops: Crops) -> None:
    crops = make_crops(3, 7)
    together = network(*crops)
    for k in range(3):
        alone = network(*(c[k : k + 1] for c in crops))
        for key, value in alone.items():
            close(together[key][k : k + 1], value)


def test_hands_are_symmetric(network: Any, make_crops: Crops) -> None:
    """The left hand's image in a mirror, shown as the right hand, gives the mirrored hand; and the other way round."""
    from pymafx_live.engines.pymafx.network.rotations import mirrored

    body, left, right, face = make_crops(2, 8)
    seen = torch.ones(2, 2)
    result = network(body, left, right, face, seen, trace=True)
    swapped = network(body, right.flip(-1), left.flip(-1), face, seen, trace=True)
    for a, b in (("l", "r"), ("r", "l")):
        close(mirrored(swapped[f"pred_{a}hand_rotmat"]), result[f"pred_{b}hand_rotmat"])
        close(swapped[f"iter3/pred_orient_{a}h"], result[f"iter3/pred_orient_{b}h"])


def test_results_are_rotations(network: Any, make_crops: Crops) -> None:
    for key, R in network(*make_crops(2, 9)).items():
        if key.endswith("rotmat"):
            close(R @ R.mT, torch.eye(3).expand_as(R), 1e-4)
            close(torch.linalg.det(R), torch.ones(R.shape[:-2]), 1e-4)


def test_a_hidden_hand_is_the_mean_hand_on_the_bodys_own_arm(network: Any, make_crops: Crops) -> None:
    crops = make_crops(1, 10)
    left_arm, right_arm = [18, 20], [19, 21]
    both = network(*crops, torch.tensor([[1.0, 1.0]]))
    left_only = network(*crops, torch.tensor([[1.0, 0.0]]))
    neither = network(*crops, torch.tensor([[0.1, 0.1]]), trace=True)
    mean_left, mean_right = network.body.mesh.hands.chunk(2)
    close(neither["pred_lhand_rotmat"][0], mean_left)
    close(neither["pred_rhand_rotmat"][0], mean_right)
    close(left_only["pred_rhand_rotmat"][0], mean_right)
    close(left_only["pred_lhand_rotmat"], both["pred_lhand_rotmat"])
    close(left_only["rotmat"][:, left_arm], both["rotmat"][:, left_arm])
    close(left_only["rotmat"][:, right_arm], neither["rotmat"][:, right_arm])
    assert (both["rotmat"][:, right_arm] - neither["rotmat"][:, right_arm]).abs().max() > 0.1
    others = [k for k in range(24) if k not in left_arm + right_arm]
    close(both["rotmat"][:, others], neither["rotmat"][:, others])


def test_branches_run_one_by_one_are_the_whole(network: Any, make_crops: Crops) -> None:
    body, left, right, face = make_crops(2, 11)
    hands, faces = network.estimate_hands(left, right), network.estimate_face(face)
    parts = network.join(network.estimate_body(body, faces), hands, faces)
    for key, value in network(body, left, right, face).items():
        close(parts[key], value, 0)


def test_it_exports_once_for_any_number_of_people(network: Any, make_crops: Crops) -> None:
    people = torch.export.Dim("people", min=1, max=32)
    names = ("body", "left_hand", "right_hand", "face", "visibility")
    given = (*make_crops(2, 12), torch.rand(2, 2))
    program = torch.export.export(network, given, dynamic_shapes={name: {0: people} for name in names})
    exported = program.module()
    for n in (1, 3):
        crops, visibility = make_crops(n, 13), torch.rand(n, 2)
        got = exported(*crops, visibility)
        for key, value in network(*crops, visibility).items():
            close(got[key], value)


def test_reduced_skin_is_the_smplx_packages_body(assets_dir: Path) -> None:
    """Our skinning of the file, all of it and just some vertices, against the package that users know."""
    smplx = pytest.importorskip("smplx")
    import scipy.sparse as sp
    from pymafx_live.engines.body.licensed import read_smplx
    from pymafx_live.engines.pymafx.files import sources
    from pymafx_live.engines.pymafx.files.meshes import mesh_arrays
    from pymafx_live.engines.pymafx.files.prepare import _mesh_sizes
    from pymafx_live.engines.pymafx.network.skinning import FeedbackMesh
    from scipy.spatial.transform import Rotation
    from support.meshes import full_skin

    path = assets_dir / sources.SMPLX
    rng = np.random.default_rng(0)
    pose, betas = rng.normal(0, 0.4, (2, 55, 3)).astype(np.float32), rng.normal(0, 1, (2, 10)).astype(np.float32)
    theirs = smplx.SMPLX(str(path), use_pca=False, flat_hand_mean=True, num_betas=10, num_expression_coeffs=10)
    t = torch.from_numpy(pose)
    expected = theirs(
        betas=torch.from_numpy(betas), global_orient=t[:, 0], body_pose=t[:, 1:22].flatten(1), jaw_pose=t[:, 22],
        leye_pose=t[:, 23], reye_pose=t[:, 24], left_hand_pose=t[:, 25:40].flatten(1),
        right_hand_pose=t[:, 40:].flatten(1), expression=torch.zeros(2, 10),
    )  # fmt: skip
    model = read_smplx(path)
    R = torch.from_numpy(Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(2, 55, 3, 3).astype(np.float32))
    vertices, joints = full_skin(model)(R, torch.from_numpy(betas))
    close(vertices, expected.vertices)
    close(joints, expected.joints[:, :55])

    picks = rng.choice(10475, (40, 2))
    points = sp.csr_matrix((np.full(80, 0.5), (np.repeat(np.arange(40), 2), picks.ravel())), shape=(40, 10475))
    R[:, 25:] = R[0, 25:]  # constant hands fold into the template
    arrays = mesh_arrays(model, points, constant=R[0, 25:].double().numpy())
    mesh = FeedbackMesh(_mesh_sizes(arrays))
    mesh.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()})
    whole, _ = full_skin(model)(R, torch.from_numpy(betas))
    close(mesh(R, torch.from_numpy(betas)), whole[:, picks].mean(2))
