"""Linear blend skinning, batched over people, for a whole body or just the vertices that somebody looks at.

The model is SMPL's (Loper et al., 2015), which MANO, FLAME and SMPL-X share: vertices shift with the shape and
with the pose, then follow a weighted sum of their joints' transforms.
"""

from dataclasses import dataclass

import torch
from pymafx_live.engines.pymafx.network.rotations import matrices_from_6d
from torch import Tensor, nn


@dataclass(frozen=True)
class SkinSizes:
    """The sizes of a skinned model: V vertices, J joints, S shape and P pose features, L levels of `ancestors`."""

    vertices: int
    joints: int
    shape: int
    pose: int
    levels: int


class Skin(nn.Module):
    """Vertices and joints of a posed body. Its arrays are made in `files.meshes`."""

    template: Tensor
    directions: Tensor
    weights: Tensor
    joint_template: Tensor
    joint_directions: Tensor
    parents: Tensor
    ancestors: Tensor

    def __init__(self, sizes: SkinSizes) -> None:
        super().__init__()
        v, j = sizes.vertices, sizes.joints
        self.sizes = sizes
        self.register_buffer("template", torch.empty(3 * v))
        self.register_buffer("directions", torch.empty(sizes.shape + sizes.pose, 3 * v))
        self.register_buffer("weights", torch.empty(v, j))
        self.register_buffer("joint_template", torch.empty(3 * j))
        self.register_buffer("joint_directions", torch.empty(sizes.shape, 3 * j))
        self.register_buffer("parents", torch.empty(j - 1, dtype=torch.int64))
        self.register_buffer("ancestors", torch.empty(sizes.levels, j + 1, dtype=torch.int64))

    def rest_joints(self, betas: Tensor) -> Tensor:
        """Joints (B, J, 3) of the rest pose for shapes (B, S), in metres."""
        return torch.addmm(self.joint_template, betas, self.joint_directions).unflatten(1, (-1, 3))

    def forward(self, R: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Vertices (B, V, 3) and joints (B, J, 3) in metres for local rotations (B, J, 3, 3) and shapes (B, S).

        The first P / 9 joints after the root have pose directions; those of the others are constant and live in
        the template.
        """
        joints = self.rest_joints(betas)
        posed = self.transforms(R, joints)
        driven = R[:, 1 : 1 + self.sizes.pose // 9]
        pose = (driven - torch.eye(3, device=R.device, dtype=R.dtype)).flatten(1)
        shaped = torch.addmm(self.template, torch.cat([betas, pose], 1), self.directions).unflatten(1, (-1, 3))
        # x -> R (x - joint) + posed joint
        shift = posed[..., 3] - (posed[..., :3] @ joints[..., None])[..., 0]
        relative = torch.cat([posed[..., :3], shift[..., None]], -1)
        blended = (self.weights @ relative.flatten(2)).unflatten(2, (3, 4))
        vertices = (blended[..., :3] * shaped[..., None, :]).sum(-1) + blended[..., 3]
        return vertices, posed[..., 3]

    def transforms(self, R: Tensor, joints: Tensor) -> Tensor:
        """Global transforms (B, J, 3, 4) of local rotations (B, J, 3, 3) about rest joints (B, J, 3).

        Pointer jumping: each round multiplies every joint's transform with that of the ancestor that it has
        reached so far, and doubles the distance, so that the depth of the tree costs its logarithm. Index J is
        the identity above the root.
        """
        bone = torch.cat([joints[:, :1], joints[:, 1:] - joints.index_select(1, self.parents)], 1)
        local = torch.cat([R, bone[..., None]], -1)
        eye = torch.eye(4, device=R.device, dtype=R.dtype)
        bottom = eye[3].expand(*local.shape[:2], 1, 4)
        world = torch.cat([torch.cat([local, bottom], 2), eye.expand(R.shape[0], 1, 4, 4)], 1)
        for ancestor in self.ancestors.unbind(0):
            world = world.index_select(1, ancestor) @ world
        return world[:, :-1, :3]


@dataclass(frozen=True)
class MeshSizes:
    """A skin, and the points that are blends of up to `corners` of its vertices each."""

    skin: SkinSizes
    points: int
    corners: int


class FeedbackMesh(nn.Module):
    """The points of a posed mesh at which a part's feature map is read."""

    corners: Tensor
    blend: Tensor

    def __init__(self, sizes: MeshSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.skin = Skin(sizes.skin)
        self.register_buffer("corners", torch.empty(sizes.points * sizes.corners, dtype=torch.int64))
        self.register_buffer("blend", torch.empty(sizes.points, sizes.corners, 1))

    def forward(self, R: Tensor, betas: Tensor) -> Tensor:
        """Points (B, N, 3) in metres for local rotations (B, J, 3, 3) and shapes (B, S)."""
        vertices, _ = self.skin(R, betas)
        corners = vertices.index_select(1, self.corners).unflatten(1, (self.sizes.points, -1))
        return (corners * self.blend).sum(2)


class BodyMesh(FeedbackMesh):
    """SMPL-X between iterations: predicted body, jaw and eyes, the mean hands, no expression."""

    hands: Tensor

    def __init__(self, sizes: MeshSizes) -> None:
        super().__init__(sizes)
        self.register_buffer("hands", torch.empty(30, 3, 3))

    def points(self, pose: Tensor, face: Tensor, betas: Tensor) -> Tensor:
        """Points (B, N, 3) for a pose (B, 144), jaw and eyes (B, 18), all in 6D, and a shape (B, 10)."""
        R = matrices_from_6d(torch.cat([pose[:, : 22 * 6], face], 1))
        return self(torch.cat([R, self.hands.expand(R.shape[0], -1, -1, -1)], 1), betas)


class HandMesh(FeedbackMesh):
    """MANO's right hand; its root takes the hand's orientation and is not re-centred."""

    def points(self, pose: Tensor, orientation: Tensor, betas: Tensor) -> Tensor:
        """Points (B, N, 3) for a pose (B, 90) and an orientation (B, 6), both in 6D, and a shape (B, 10)."""
        return self(matrices_from_6d(torch.cat([orientation, pose], 1)), betas)


class FaceMesh(FeedbackMesh):
    """FLAME; its root takes the face's orientation, and its neck stays at rest."""

    def points(self, pose: Tensor, orientation: Tensor, betas: Tensor, expression: Tensor) -> Tensor:
        """Points (B, N, 3) for jaw and eyes (B, 18), orientation (B, 6), shape (B, 100) and expression (B, 50)."""
        R = matrices_from_6d(torch.cat([orientation, pose], 1))
        neck = torch.eye(3, device=R.device, dtype=R.dtype).expand(R.shape[0], 1, 3, 3)
        return self(torch.cat([R[:, :1], neck, R[:, 1:]], 1), torch.cat([betas, expression], 1))
