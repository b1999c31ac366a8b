"""The PyMAF-X network (arXiv 2207.06400): four crops of each person in, SMPL-X parameters out.

`Network` is one traceable module with a dynamic batch: nothing in it branches on data. Its three branches can
also run one by one (`estimate_hands`, `estimate_face`, `estimate_body`, then `join`), for a live engine that does
not look at every hand in every frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pymafx_live.engines.pymafx.network.branches import BodyBranch, Branch, Estimate, FaceBranch, HandBranch
from pymafx_live.engines.pymafx.network.rotations import axis_angles, matrices_from_6d, mirrored
from pymafx_live.engines.pymafx.network.skinning import MeshSizes, SkinSizes
from pymafx_live.engines.pymafx.network.wrists import ELBOWS, WRISTS, integrate_hands
from pymafx_live.engines.pymafx.spec import HAND_VISIBLE
from torch import Tensor, nn


@dataclass(frozen=True)
class NetworkSizes:
    """The sizes that follow from the asset files."""

    body: MeshSizes
    hand: MeshSizes
    face: MeshSizes

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> NetworkSizes:
        """The inverse of `dataclasses.asdict`."""
        return cls(**{part: MeshSizes(**{**m, "skin": SkinSizes(**m["skin"])}) for part, m in data.items()})


class Network(nn.Module):
    """Crops to SMPL-X parameters. Make one with `files.prepare.load_network`."""

    def __init__(self, sizes: NetworkSizes) -> None:
        super().__init__()
        self.body = BodyBranch(sizes.body)
        self.hand = HandBranch(sizes.hand)
        self.face = FaceBranch(sizes.face)

    def forward(
        self,
        body: Tensor,
        left_hand: Tensor,
        right_hand: Tensor,
        face: Tensor,
        visibility: Tensor | None = None,
        trace: bool = False,
    ) -> dict[str, Tensor]:
        """Crops (B, 3, 224, 224) each, RGB, ImageNet-normalised, to parameters; see `join` for them.

        `visibility` (B, 2: left, right) in 0..1 says which hands are seen; without it the network decides.
        `trace` adds what every iteration held, as `iter0/...` (the start) to `iter3/...` (the last).
        """
        hands = self.estimate_hands(left_hand, right_hand)
        face_estimate = self.estimate_face(face)
        body_estimate = self.estimate_body(body, face_estimate)
        out = self.join(body_estimate, hands, face_estimate, visibility)
        if trace:
            out |= self.trace(body_estimate, hands, face_estimate, out)
        return out

    def estimate_hands(self, left: Tensor, right: Tensor) -> Estimate:
        """Crops (B, 3, 224, 224) to an estimate of 2 B hands: the rights, then the lefts as rights in the mirror."""
        return self.hand.iterate(self.hand.encode(torch.cat([right, left.flip(-1)])))

    def estimate_face(self, crops: Tensor) -> Estimate:
        """Crops (B, 3, 224, 224) to an estimate of B faces."""
        return self.face.iterate(self.face.encode(crops))

    def estimate_body(self, crops: Tensor, face: Estimate) -> Estimate:
        """Crops (B, 3, 224, 224), and the faces' estimate, to an estimate of B bodies."""
        guide = self.face.split(face.states)[0]
        return self.body.iterate(self.body.encode(crops), guide)

    def join(
        self, body: Estimate, hands: Estimate, face: Estimate, visibility: Tensor | None = None
    ) -> dict[str, Tensor]:
        """One person from its parts, the forearms turned so that the wrists follow the visible hands.

        Returns `pred_cam` (B, 3: s, tx, ty), `pred_shape` (B, 10), `rotmat` (B, 24, 3, 3: the first 22 are SMPL-X's),
        `pred_lhand_rotmat` and `pred_rhand_rotmat` (B, 15, 3, 3: absolute, not relative to the mean hand),
        `pred_face_rotmat` (B, 3, 3, 3: jaw, left eye, right eye), `pred_exp` (B, 50) and `pred_vis_hands` (B, 2).
        """
        decided = visibility if visibility is not None else body.states.new_full((body.states.shape[0], 2), -1.0)
        out = self.join_poses(body, hands, self.face.split(face.states[:, -1])[0], decided)
        return out | {"pred_exp": face.beside[:, -1]}

    def join_poses(self, body: Estimate, hands: Estimate, face_pose: Tensor, visibility: Tensor) -> dict[str, Tensor]:
        """What `join` does, without the expression; of hands only the last iteration is looked at.

        `face_pose` (B, 18) is jaw and eyes in 6D; `visibility` (B, 2: left, right) below 0 leaves the decision to
        the network.
        """
        pose, shape, camera = self.body.split(body.states[:, -1])
        right, left = _halves(hands.states[:, -1])
        right_pose, _, right_orientation, _ = self.hand.split(right)
        left_pose, _, left_orientation, _ = self.hand.split(left)
        of_right, of_left = _halves(hands.beside[:, -1])
        predicted = body.beside[:, -1] + of_left[:, :2] + of_right[:, 2:]
        visibility = torch.where(visibility < 0, predicted, visibility)
        visible = visibility > HAND_VISIBLE

        orientations = matrices_from_6d(torch.cat([left_orientation, right_orientation], 1))
        orientations = torch.cat([mirrored(orientations[:, :1]), orientations[:, 1:]], 1)
        rest = self.body.mesh.skin.rest_joints(shape)
        forearms = rest[:, WRISTS] - rest[:, ELBOWS]
        rotmat = integrate_hands(matrices_from_6d(pose), orientations, forearms, visible)

        mean_left, mean_right = self.body.mesh.hands.chunk(2)
        seen = visible[:, :, None, None, None]
        return {
            "pred_cam": camera,
            "pred_shape": shape,
            "rotmat": rotmat,
            "pred_lhand_rotmat": torch.where(seen[:, 0], mirrored(matrices_from_6d(left_pose)), mean_left),
            "pred_rhand_rotmat": torch.where(seen[:, 1], matrices_from_6d(right_pose), mean_right),
            "pred_face_rotmat": matrices_from_6d(face_pose),
            "pred_vis_hands": visibility,
        }

    def trace(self, body: Estimate, hands: Estimate, face: Estimate, result: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Every state of every iteration, named as in the golden files; `result` is what `join` made of the last."""
        out: dict[str, Tensor] = {}
        rights, lefts = _halves(hands.states)
        last = body.states.shape[1] - 1
        for i in range(last + 1):
            state = {f"pred_{k}": v for k, v in _named(self.body, body.states[:, i]).items()}
            for suffix, branch, states in (
                ("lh", self.hand, lefts),
                ("rh", self.hand, rights),
                ("fa", self.face, face.states),
            ):
                state |= {f"pred_{k}_{suffix}": v for k, v in _named(branch, states[:, i]).items()}
            for name, suffix in (("lhand", "lh"), ("rhand", "rh"), ("face", "fa")):
                state[f"pred_{name}"] = state.pop(f"pred_pose_{suffix}")
            state["pred_exp"] = face.beside[:, i]
            state["rotmat"] = matrices_from_6d(state["pred_pose"])
            state["pred_lhand_rotmat"] = mirrored(matrices_from_6d(state["pred_lhand"]))
            state["pred_rhand_rotmat"] = matrices_from_6d(state["pred_rhand"])
            state["pred_face_rotmat"] = matrices_from_6d(state["pred_face"])
            if i == last:
                state |= result
            state["theta"] = torch.cat(
                [state["pred_cam"], state["pred_shape"], axis_angles(state["rotmat"]).flatten(1)], 1
            )
            out |= {f"iter{i}/{k}": v for k, v in state.items()}
        return out


def _halves(hands: Tensor) -> tuple[Tensor, ...]:
    """(2 B, ...) to the rights and the lefts, (B, ...) each; unlike `chunk`, traceable with any B."""
    return hands.unflatten(0, (2, -1)).unbind(0)  # type: ignore[no-any-return]


def _named(branch: Branch, state: Tensor) -> dict[str, Tensor]:
    return dict(zip(branch.STATE, branch.split(state), strict=True))
