"""A plain transcription of the network's specification: slow, whole, and without a single shortcut.

It is what the fast network is measured against, so it shares no code with it: functions over the checkpoint's
own keys, batch norms and every linear layer as they are written, full body models, dense downsampling matrices.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

State = Mapping[str, Tensor]
FOCAL, CROP = 5000.0, 224
PARTS = ("body", "hand", "face")

# SMPL-X vertices: nose, right eye, left eye, right ear, left ear, six foot points, ten finger tips.
SMPLX_PICKS = [9120, 9929, 9448, 616, 6, 5770, 5780, 8846, 8463, 8474, 8635,
               5361, 4933, 5058, 5169, 5286, 8079, 7669, 7794, 7905, 8022]  # fmt: skip
SPIN = [24, 12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 8, 5, 45, 46,
        4, 7, 21, 19, 17, 16, 18, 20, 47, 48, 49, 50, 51, 52, 53, 24, 26, 25, 28, 27]  # fmt: skip
FLIP = torch.tensor([[1.0, -1, -1], [-1, 1, 1], [-1, 1, 1]])


# --- encoders ------------------------------------------------------------------------------------------------


def conv_bn(w: State, conv: str, bn: str, x: Tensor, stride: int = 1) -> Tensor:
    kernel = w[conv + ".weight"]
    x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
    return batch_norm(w, bn, x)


def batch_norm(w: State, bn: str, x: Tensor) -> Tensor:
    return F.batch_norm(
        x, w[bn + ".running_mean"], w[bn + ".running_var"], w[bn + ".weight"], w[bn + ".bias"], eps=1e-5
    )


def basic_block(w: State, key: str, x: Tensor) -> Tensor:
    y = conv_bn(w, f"{key}.conv1", f"{key}.bn1", x).relu()
    return (conv_bn(w, f"{key}.conv2", f"{key}.bn2", y) + x).relu()


def bottleneck(w: State, key: str, x: Tensor, stride: int) -> Tensor:
    y = conv_bn(w, f"{key}.conv1", f"{key}.bn1", x).relu()
    y = conv_bn(w, f"{key}.conv2", f"{key}.bn2", y, stride).relu()
    y = conv_bn(w, f"{key}.conv3", f"{key}.bn3", y)
    if f"{key}.downsample.0.weight" in w:
        x = conv_bn(w, f"{key}.downsample.0", f"{key}.downsample.1", x, stride)
    return (x + y).relu()


def fuse(w: State, key: str, branches: list[Tensor], to: int) -> Tensor:
    total: Tensor | float = 0.0
    for frm, x in enumerate(branches):
        if frm > to:
            y = conv_bn(w, f"{key}.{to}.{frm}.0", f"{key}.{to}.{frm}.1", x)
            x = F.interpolate(y, scale_factor=2.0 ** (frm - to), mode="nearest")
        for step in range(to - frm):
            x = conv_bn(w, f"{key}.{to}.{frm}.{step}.0", f"{key}.{to}.{frm}.{step}.1", x, 2)
            x = x if step == to - frm - 1 else x.relu()
        total = total + x
    return torch.relu(torch.as_tensor(total))


def hrnet(w: State, x: Tensor) -> list[Tensor]:
    """The maps for iterations 0, 1, 2: 192 x 14 x 14, 96 x 28 x 28, 48 x 56 x 56."""
    root = "encoders.body"
    for k in (1, 2):
        x = conv_bn(w, f"{root}.conv{k}", f"{root}.bn{k}", x, 2).relu()
    for k in range(4):
        x = bottleneck(w, f"{root}.layer1.{k}", x, 1)
    branches = [x]
    for stage, modules in ((2, 1), (3, 4), (4, 3)):
        grown = []
        for b in range(stage):
            key = f"{root}.transition{stage - 1}.{b}"
            if f"{key}.0.weight" in w:
                grown.append(conv_bn(w, f"{key}.0", f"{key}.1", branches[b]).relu())
            elif f"{key}.0.0.weight" in w:
                grown.append(conv_bn(w, f"{key}.0.0", f"{key}.0.1", branches[-1], 2).relu())
            else:
                grown.append(branches[b])
        branches = grown
        for m in range(modules):
            key = f"{root}.stage{stage}.{m}"
            for b in range(stage):
                for k in range(4):
                    branches[b] = basic_block(w, f"{key}.branches.{b}.{k}", branches[b])
            branches = [fuse(w, f"{key}.fuse_layers", branches, b) for b in range(stage)]
    return [branches[2], branches[1], branches[0]]


def resnet(w: State, root: str, x: Tensor) -> list[Tensor]:
    """The maps for iterations 0, 1, 2: 256 channels, 14, 28, 56 pixels square."""
    x = conv_bn(w, f"{root}.conv1", f"{root}.bn1", x, 2).relu()
    x = F.max_pool2d(x, 3, 2, 1)
    for layer, blocks in ((1, 3), (2, 4), (3, 6), (4, 3)):
        for k in range(blocks):
            x = bottleneck(w, f"{root}.layer{layer}.{k}", x, 2 if layer > 1 and k == 0 else 1)
    maps = []
    for k in (0, 3, 6):
        x = F.conv_transpose2d(x, w[f"{root}.deconv_layers.{k}.weight"], stride=2, padding=1)
        x = batch_norm(w, f"{root}.deconv_layers.{k + 1}", x).relu()
        maps.append(x)
    return maps


# --- sampled features ----------------------------------------------------------------------------------------


def grid_points() -> Tensor:
    """(441, 2): x is the slow index."""
    line = torch.linspace(-1, 1, 21)
    return torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).reshape(441, 2)


def sample(feature: Tensor, points: Tensor) -> Tensor:
    """Map (B, C, H, W) at points (B, N, 2) -> (B, C, N)."""
    return F.grid_sample(feature, points[:, :, None], align_corners=False)[..., 0]


def reduction(w: State, key: str, features: Tensor) -> Tensor:
    count = sum(f"{key}.conv{k}.weight" in w for k in range(3))
    x = features
    for k in range(count):
        x = F.conv1d(x if k == 0 else torch.cat([x, features], 1), w[f"{key}.conv{k}.weight"], w[f"{key}.conv{k}.bias"])
        x = x.relu() if k == count - 1 else F.leaky_relu(x, 0.01)
    return x


def linear(w: State, key: str, x: Tensor) -> Tensor:
    return F.linear(x, w[key + ".weight"], w[key + ".bias"])


def norm(w: State, key: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, (64,), w[key + ".weight"], w[key + ".bias"], eps=1e-12)


def attention(w: State, key: str, features: Tensor) -> Tensor:
    """(B, C, N) -> (B, 64, N)."""
    x = linear(w, f"{key}.img_embedding", features.transpose(1, 2))
    x = x + w[f"{key}.position_embeddings.weight"][: x.shape[1]]
    layer = f"{key}.encoder.layer.0"
    q, k, v = (linear(w, f"{layer}.attention.self.{name}", x) for name in ("query", "key", "value"))
    mixed = ((q @ k.transpose(1, 2)) / 8.0).softmax(-1) @ v
    x = norm(w, f"{layer}.attention.output.LayerNorm", linear(w, f"{layer}.attention.output.dense", mixed) + x)
    y = F.gelu(linear(w, f"{layer}.intermediate.dense", x))
    y = linear(w, f"{layer}.output.dense", y)
    return norm(w, f"{layer}.output.LayerNorm", y + x).transpose(1, 2)


# --- rotations, skinning, projection -------------------------------------------------------------------------


def matrices(six: Tensor) -> Tensor:
    """(B, 6 n) -> (B, n, 3, 3): Gram-Schmidt on the two columns of the row-major 3 x 2."""
    columns = six.reshape(len(six), -1, 3, 2)
    x = F.normalize(columns[..., 0], dim=-1, eps=1e-12)
    y = columns[..., 1]
    y = F.normalize(y - (x * y).sum(-1, keepdim=True) * x, dim=-1, eps=1e-12)
    return torch.stack([x, y, torch.linalg.cross(x, y)], -1)


def axis_angle(R: Tensor) -> Tensor:
    from scipy.spatial.transform import Rotation

    flat = Rotation.from_matrix(R.reshape(-1, 3, 3).double().numpy()).as_rotvec()
    return torch.from_numpy(flat).to(R.dtype).reshape(*R.shape[:-2], 3)


class Body:
    """One linearly skinned model from its official file, dense and whole."""

    def __init__(self, data: Mapping[str, Any], shape_columns: list[int]) -> None:
        def dense(name: str) -> Tensor:
            value = data[name]
            value = value.toarray() if hasattr(value, "toarray") else np.asarray(value)
            return torch.tensor(value.astype(np.float32))

        self.template, self.weights, self.regressor = dense("v_template"), dense("weights"), dense("J_regressor")
        self.shape_dirs = dense("shapedirs")[:, :, shape_columns]
        self.pose_dirs = dense("posedirs").reshape(len(self.template) * 3, -1)
        parents = np.asarray(data["kintree_table"])[0].astype(np.int64)
        self.parents = [-1, *parents[1:].tolist()]

    def rest(self, betas: Tensor) -> tuple[Tensor, Tensor]:
        verts = self.template + torch.einsum("vck,bk->bvc", self.shape_dirs, betas)
        return verts, self.regressor @ verts

    def __call__(self, R: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Rotations (B, J, 3, 3), shape (B, K) -> vertices (B, V, 3), joints (B, J, 3)."""
        verts, joints = self.rest(betas)
        feature = (R[:, 1:] - torch.eye(3)).reshape(len(R), -1)
        verts = verts + (feature @ self.pose_dirs.T).reshape(len(R), -1, 3)
        rotation, position = [R[:, 0]], [joints[:, 0]]
        for k in range(1, len(self.parents)):
            p = self.parents[k]
            rotation.append(rotation[p] @ R[:, k])
            position.append(position[p] + (rotation[p] @ (joints[:, k] - joints[:, p])[..., None])[..., 0])
        G, at = torch.stack(rotation, 1), torch.stack(position, 1)
        shift = at - (G @ joints[..., None])[..., 0]
        blend = torch.einsum("vj,bjrc->bvrc", self.weights, G)
        moved = (blend @ verts[..., None])[..., 0] + torch.einsum("vj,bjc->bvc", self.weights, shift)
        return moved, at


def project(points: Tensor, camera: Tensor) -> Tensor:
    """Points (B, N, 3), camera (B, 3: s, tx, ty) -> (B, N, 2) in [-1, 1]."""
    s, tx, ty = camera.unbind(-1)
    moved = points + torch.stack([tx, ty, 2 * FOCAL / (CROP * s + 1e-9)], -1)[:, None]
    return FOCAL * moved[..., :2] / moved[..., 2:] / (CROP / 2)


def part_camera(camera: Tensor) -> Tensor:
    return camera * torch.tensor([10.0, 0.1, 0.1])


def chain(R: Tensor, parents: list[int]) -> Tensor:
    out = [R[:, 0]]
    for k in range(1, R.shape[1]):
        out.append(out[parents[k]] @ R[:, k])
    return torch.stack(out, 1)


def quaternion(R: Tensor) -> Tensor:
    """(B, 3, 3) -> (B, 4: w, x, y, z)."""
    from scipy.spatial.transform import Rotation

    xyzw = torch.from_numpy(Rotation.from_matrix(R.double().numpy()).as_quat()).to(R.dtype)
    return xyzw[:, [3, 0, 1, 2]]


def about_axis(axis: Tensor, angle: Tensor) -> Tensor:
    from scipy.spatial.transform import Rotation

    return torch.from_numpy(Rotation.from_rotvec((axis * angle[:, None]).double().numpy()).as_matrix()).to(axis.dtype)


# --- the network ---------------------------------------------------------------------------------------------


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file, encoding="latin1")


class Oracle:
    """The whole network on a checkpoint's learned state and the folder of asset files (synthetic ones only)."""

    def __init__(self, learned: State, assets: Path) -> None:
        self.w = learned
        smpl = assets / "smpl"
        smplx = dict(np.load(smpl / "SMPLX_NEUTRAL_2020.npz", allow_pickle=True))
        self.smplx = Body(smplx, list(range(10)))
        self.mano = Body(_load(smpl / "MANO_RIGHT.pkl"), list(range(10)))
        self.flame = Body(_load(smpl / "FLAME2020/FLAME_NEUTRAL.pkl"), [*range(100), *range(300, 350)])
        self.to_smpl = torch.tensor(_load(smpl / "model_transfer/smplx_to_smpl.pkl")["matrix"])
        down = np.load(assets / "smpl_downsampling.npz", allow_pickle=True, encoding="latin1")["D"]
        self.mesh_down = torch.tensor((down[1] @ down[0]).toarray().astype(np.float32))
        down = np.load(assets / "mano_downsampling.npz", allow_pickle=True, encoding="latin1")["D"]
        self.mano_down = torch.tensor(down[0].toarray().astype(np.float32))
        self.flame_ids = torch.tensor(np.load(assets / "flame_downsampling.npy"))
        self.extra = torch.tensor(np.load(assets / "J_regressor_extra.npy").astype(np.float32))
        self.faces = torch.tensor(smplx["f"].astype(np.int64))
        self.landmarks = {
            name: torch.tensor(np.asarray(smplx[name])).to(dtype)
            for name, dtype in (
                ("lmk_faces_idx", torch.int64),
                ("lmk_bary_coords", torch.float32),
                ("dynamic_lmk_faces_idx", torch.int64),
                ("dynamic_lmk_bary_coords", torch.float32),
            )
        }
        mean = np.load(assets / "smpl_mean_params.npz")
        self.init = {k: torch.tensor(mean[k])[None] for k in ("pose", "shape", "cam")}
        from scipy.spatial.transform import Rotation

        hand = Rotation.from_rotvec(np.asarray(smplx["hands_meanr"]).reshape(15, 3)).as_matrix()
        self.mean_hand = torch.tensor(hand.astype(np.float32))[None]
        self.init["rhand"] = self.mean_hand[..., :2].reshape(1, 90)

    def encode(self, body: Tensor, lhand: Tensor, rhand: Tensor, face: Tensor) -> dict[str, list[Tensor]]:
        return {
            "body": hrnet(self.w, body),
            "hand": resnet(self.w, "encoders.hand", torch.cat([rhand, lhand.flip(-1)])),
            "face": resnet(self.w, "encoders.face", face),
        }

    def start(self, n: int) -> dict[str, Tensor]:
        init = self.init
        state = {
            "pred_pose": init["pose"], "pred_shape": init["shape"], "pred_cam": init["cam"],
            "pred_lhand": init["rhand"], "pred_rhand": init["rhand"],
            "pred_face": torch.eye(3)[None, :, :2].repeat(3, 1, 1).reshape(1, 18), "pred_exp": torch.zeros(1, 50),
        }  # fmt: skip
        for part, betas in (("lh", 10), ("rh", 10), ("fa", 100)):
            state[f"pred_shape_{part}"] = torch.zeros(1, betas)
            state[f"pred_orient_{part}"] = init["pose"][:, :6]
            state[f"pred_cam_{part}"] = init["cam"]
        return {k: v.expand(n, -1) for k, v in state.items()}

    def part_meshes(self, s: Mapping[str, Tensor]) -> dict[str, Tensor]:
        out = {}
        for side, pose in (("lh", s["pred_lhand"]), ("rh", s["pred_rhand"])):
            R = matrices(torch.cat([s[f"pred_orient_{side}"], pose], 1))
            out[f"verts_{side}_mano"] = self.mano(R, s[f"pred_shape_{side}"])[0]
        R = matrices(torch.cat([s["pred_orient_fa"], s["pred_face"]], 1))
        R = torch.cat([R[:, :1], torch.eye(3).expand(len(R), 1, 3, 3), R[:, 1:]], 1)
        out["verts_fa_flame"] = self.flame(R, torch.cat([s["pred_shape_fa"], s["pred_exp"]], 1))[0]
        return out

    def features(self, i: int, maps: dict[str, list[Tensor]], s: Mapping[str, Tensor], meshes: Mapping[str, Tensor]
                 ) -> dict[str, Tensor]:  # fmt: skip
        """The regressor's input features per part of iteration `i`; hands are rights, then lefts."""
        w, n = self.w, len(s["pred_cam"])
        points = {} if i == 0 else {
            "body": project(self.mesh_down @ meshes["verts"], s["pred_cam"]),
            "hand": torch.cat([
                project(self.mano_down @ meshes[f"verts_{side}_mano"], part_camera(s[f"pred_cam_{side}"]))
                for side in ("rh", "lh")]),
            "face": project(meshes["verts_fa_flame"][:, self.flame_ids], part_camera(s["pred_cam_fa"])),
        }  # fmt: skip
        out = {}
        for part in PARTS:
            grid = grid_points().expand(n * (2 if part == "hand" else 1), -1, -1)
            key = f"maf_extractor.{part}.{i}"
            if i == 0:
                out[part] = reduction(w, key, sample(maps[part][0], grid)).flatten(1)
            else:
                x = sample(maps[part][i], torch.cat([grid, points[part]], 1))
                x = reduction(w, key, attention(w, f"align_attention.{part}.{i - 1}", x)).flatten(1)
                out[part] = linear(w, f"att_feat_reduce.{part}.{i - 1}", x)
        return out

    def regress(self, i: int, f: Mapping[str, Tensor], s: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        """One iteration's new raw state, and the hand visibility (B, 2: left, right)."""
        n = len(s["pred_cam"])

        def layer(name: str, *x: Tensor) -> Tensor:
            return linear(self.w, f"regressor.{i}.{name}", torch.cat(x, 1))

        constant = torch.tensor([0.8, 0.3, 0.5, 0.5]).expand(n, -1)
        x = layer("fc2", layer("fc1", f["body"], s["pred_pose"], s["pred_shape"], s["pred_cam"], constant))
        new = {f"pred_{k}": s[f"pred_{k}"] + layer(f"dec{k}", x) for k in ("cam", "pose", "shape")}
        hidden = {}
        hand_features = dict(zip(("rh", "lh"), f["hand"].split(n), strict=True))
        for side, pose in (("lh", "pred_lhand"), ("rh", "pred_rhand")):
            y = layer("fc2_hand", layer("fc1_hand", hand_features[side], s[pose]))
            own = [f"pred_{k}_{side}" for k in ("shape", "orient", "cam")]
            z = hidden[side] = layer("fc3_hand", y, *(s[k] for k in own))
            new[pose] = s[pose] + layer("decrhand", y)
            new |= {k: s[k] + layer(f"dec{k.split('_')[1]}_rhand", z) for k in own}
        start = torch.zeros(n, 50)
        y = layer("fc2_face", layer("fc1_face", f["face"], s["pred_face"], start))
        new["pred_face"] = s["pred_face"] + layer("dechead", y)
        new["pred_exp"] = start + layer("decexp", y)
        own = [f"pred_{k}_fa" for k in ("shape", "orient", "cam")]
        z = layer("fc3_face", y, *(s[k] for k in own))
        new |= {k: s[k] + layer(f"dec{k.split('_')[1]}_face", z) for k in own}
        visible = layer("decvis", layer("fc2_vis", layer("fc1_vis", x, hidden["lh"], hidden["rh"])))
        return new, visible

    def integrate_wrists(self, R: Tensor, betas: Tensor, hands: Mapping[str, Tensor], visible: Tensor) -> Tensor:
        R = R.clone()
        G = chain(R, [*self.smplx.parents[:22], 20, 21])
        _, rest = self.smplx.rest(betas)
        for k, (elbow, wrist) in enumerate(((18, 20), (19, 21))):
            local = G[:, elbow].mT @ hands["left" if k == 0 else "right"]
            axis = F.normalize(rest[:, wrist] - rest[:, elbow], dim=-1)
            q = quaternion(local)
            q = torch.where(q[:, :1] < 0, -q, q)
            along = (q[:, 1:] * axis).sum(-1)
            angle = 2 * torch.atan2(along, q[:, 0])
            limit = 0.4 * torch.pi
            twist = about_axis(axis, angle - angle.clamp(-limit, limit))
            seen = visible[:, k, None, None]
            R[:, wrist] = torch.where(seen, twist.mT @ local, R[:, wrist])
            R[:, elbow] = torch.where(seen, R[:, elbow] @ twist, R[:, elbow])
        return R

    def describe(self, s: dict[str, Tensor], vis: Tensor | None, keypoints: bool, meshes: bool) -> dict[str, Tensor]:
        """Everything that the golden files hold about one state; `vis` on the last iteration only."""
        n = len(s["pred_cam"])
        out = dict(s)
        R = matrices(s["pred_pose"])
        left, right = matrices(s["pred_lhand"]) * FLIP, matrices(s["pred_rhand"])
        mean = self.mean_hand.expand(n, -1, -1, -1)
        face = matrices(s["pred_face"])
        if vis is not None:
            seen = vis > 0.1
            own = {"left": matrices(s["pred_orient_lh"])[:, 0] * FLIP, "right": matrices(s["pred_orient_rh"])[:, 0]}
            R = self.integrate_wrists(R, s["pred_shape"], own, seen)
            left = torch.where(seen[:, 0, None, None, None], left, mean * FLIP)
            right = torch.where(seen[:, 1, None, None, None], right, mean)
        posed = (left, right) if vis is not None else (mean * FLIP, mean)
        out |= {"rotmat": R, "pred_lhand_rotmat": left, "pred_rhand_rotmat": right, "pred_face_rotmat": face}
        full = torch.cat([R[:, :22], face, *posed], 1)
        if meshes:
            out["smplx_verts"], joints = self.smplx(full, s["pred_shape"])
            out["verts"] = self.to_smpl @ out["smplx_verts"]
            out |= self.part_meshes(s)
        if keypoints:
            out["theta"] = torch.cat([s["pred_cam"], s["pred_shape"], axis_angle(R).flatten(1)], 1)
            out |= self.keypoints(full, out["smplx_verts"], out["verts"], joints, s["pred_cam"])
        return out

    def keypoints(self, full: Tensor, verts: Tensor, smpl: Tensor, joints: Tensor, camera: Tensor) -> dict[str, Tensor]:
        short = torch.cat([joints[:, :22], joints[:, 30:31], joints[:, 45:46]], 1)
        every = torch.cat([short, verts[:, SMPLX_PICKS], self.extra @ smpl], 1)
        out = {"smpl_kp_3d": short, "kp_3d": every[:, SPIN], **self.part_keypoints(full, verts, joints)}
        out["kp_2d"] = project(out["kp_3d"], camera)
        for part in ("lhand", "rhand", "face"):
            out[f"pred_{part}_kp2d"] = project(out[f"pred_{part}_kp3d"], camera)
        return out

    def part_keypoints(self, full: Tensor, verts: Tensor, joints: Tensor) -> dict[str, Tensor]:
        def hand(wrist: int, first: int, tips: list[int]) -> Tensor:
            fingers = [torch.cat([joints[:, first + 3 * k : first + 3 * k + 3], verts[:, [tip]]], 1)
                       for k, tip in zip((4, 0, 1, 3, 2), tips, strict=True)]  # fmt: skip
            return torch.cat([joints[:, [wrist]], *fingers], 1)

        lmk = self.landmarks
        angles = [_contour_row(R) for R in chain(full, self.smplx.parents)[:, 12]]
        faces, bary = lmk["dynamic_lmk_faces_idx"], lmk["dynamic_lmk_bary_coords"]
        contour = [
            torch.einsum("pkc,pk->pc", v[self.faces[faces[a]]], bary[a]) for v, a in zip(verts, angles, strict=True)
        ]
        static = torch.einsum("bpkc,pk->bpc", verts[:, self.faces[lmk["lmk_faces_idx"]]], lmk["lmk_bary_coords"])
        return {
            "pred_lhand_kp3d": hand(20, 25, SMPLX_PICKS[11:16]),
            "pred_rhand_kp3d": hand(21, 40, SMPLX_PICKS[16:]),
            "pred_face_kp3d": torch.cat([static, torch.stack(contour)], 1),
        }

    @torch.no_grad()
    def __call__(
        self, body: Tensor, lhand: Tensor, rhand: Tensor, face: Tensor, vis: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Crops (B, 3, 224, 224), visibilities (B, 2) or None -> every array by the golden files' names."""
        maps: dict[str, list[Tensor]] = self.encode(body, lhand, rhand, face)
        out = {f"feature/{part}/{i}": m for part in PARTS for i, m in enumerate(maps[part])}
        out |= self.iterate(maps, vis)
        return out

    @torch.no_grad()
    def iterate(
        self, maps: dict[str, list[Tensor]], vis: Tensor | None = None, keypoints: bool = True
    ) -> dict[str, Tensor]:
        """The encoders' maps to everything else; without `keypoints`, what the parameters need and no more."""
        out: dict[str, Tensor] = {}
        state = self.start(len(maps["body"][0]))
        for i in range(3):
            described = self.describe(state, None, keypoints, meshes=keypoints or i > 0)
            out |= {f"iter{i}/{k}": v for k, v in described.items()}
            state, predicted = self.regress(i, self.features(i, maps, state, described), state)
        final = self.describe(state, predicted if vis is None else vis, keypoints, meshes=keypoints)
        out |= {f"iter3/{k}": v for k, v in final.items()}
        out["iter3/pred_vis_hands"] = predicted if vis is None else vis
        return out


def _contour_row(neck: Tensor) -> int:
    """The row of the dynamic landmark table for a neck's global rotation (3, 3): 0..39 one way, 40..78 the other."""
    yaw = torch.atan2(-neck[2, 0], torch.hypot(neck[0, 0], neck[1, 0]))
    degrees = int(torch.round(-torch.rad2deg(yaw)).clamp(max=39))
    if degrees >= 0:
        return degrees
    return 78 if degrees < -39 else 39 - degrees
