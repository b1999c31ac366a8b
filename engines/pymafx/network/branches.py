"""The three branches, body, hands and face: an encoder, and three rounds of looking and correcting.

A branch's state is one row of numbers per person. A round reads features where the state's mesh projects, and one
affine map of features and state gives the correction: everything from the features' reduction to the decoders
is linear in the original, and composed ahead (`compose`).
"""

from typing import NamedTuple

import torch
from pymafx_live.engines.pymafx.network.encoders import HRNet, Pyramid, ResNetPyramid
from pymafx_live.engines.pymafx.network.feedback import GRID, REDUCED, GridFeatures, MeshFeatures, part_camera, project
from pymafx_live.engines.pymafx.network.skinning import BodyMesh, FaceMesh, FeedbackMesh, HandMesh, MeshSizes
from torch import Tensor, nn

ITERATIONS = 3


class Regressor(nn.Module):
    """One round's correction: (features, state) -> a new state, and numbers that are read off beside it."""

    def __init__(self, features: int, state: int, beside: int) -> None:
        super().__init__()
        self.state = state
        self.affine = nn.Linear(features + state, state + beside)

    def forward(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, F), state (B, S) to the new state (B, S) and what is beside it (B, X)."""
        out = self.affine(torch.cat([features, state], 1))
        return state + out[:, : self.state], out[:, self.state :]


class Estimate(NamedTuple):
    """What a branch found: `states` (B, 4, S), the start and each iteration's, and `beside` (B, 4, X)."""

    states: Tensor
    beside: Tensor


class Branch(nn.Module):
    """What body, hands and face have in common. `STATE` names the state's numbers in order, `BESIDE` counts the others.

    A branch keeps float32 for its states and meshes whatever the precision of its encoder and attention.
    """

    STATE: dict[str, int]
    BESIDE: tuple[int, int, int]
    """How many numbers each round reads off beside the state."""
    start: Tensor
    mesh: FeedbackMesh

    def __init__(self, encoder: HRNet | ResNetPyramid, mesh: FeedbackMesh) -> None:
        super().__init__()
        self.encoder, self.mesh = encoder, mesh
        size, points = sum(self.STATE.values()), mesh.sizes.points
        self.register_buffer("start", torch.empty(size))
        coarse, middle, fine = encoder.CHANNELS
        self.features = nn.ModuleList([GridFeatures(coarse), MeshFeatures(middle, points), MeshFeatures(fine, points)])
        counts = [GRID * GRID, GRID * GRID + points, GRID * GRID + points]
        self.regressors = nn.ModuleList(
            Regressor(n * REDUCED, size, extra) for n, extra in zip(counts, self.BESIDE, strict=True)
        )

    def encode(self, crops: Tensor) -> Pyramid:
        """Crops (B, 3, 224, 224) to the maps of the three iterations."""
        dtype = self.encoder.conv1.weight.dtype
        maps: Pyramid = self.encoder(crops.to(dtype, memory_format=torch.channels_last))
        return maps

    def split(self, state: Tensor) -> tuple[Tensor, ...]:
        """The parts (..., n) of states (..., S), in the order of `STATE`."""
        parts: tuple[Tensor, ...] = state.split(list(self.STATE.values()), -1)
        return parts

    def iterate(self, maps: Pyramid, guide: Tensor | None = None) -> Estimate:
        """The maps to the estimate. `guide` (B, 4, G) is what another branch found, where the mesh needs it."""
        state = self.start.expand(maps[0].shape[0], -1)
        beside = state.new_zeros(state.shape[0], max(self.BESIDE))
        states, asides = [state], [beside]
        for i in range(ITERATIONS):
            points = None if i == 0 else self.look(state, beside, None if guide is None else guide[:, i])
            state, beside = self.regressors[i](self.features[i](maps[i], points), state)
            states.append(state)
            asides.append(nn.functional.pad(beside, (0, max(self.BESIDE) - self.BESIDE[i])))
        return Estimate(torch.stack(states, 1), torch.stack(asides, 1))

    def look(self, state: Tensor, beside: Tensor, guide: Tensor | None) -> Tensor:
        """Where the state's mesh projects: (B, N, 2) in [-1, 1] over the crop."""
        raise NotImplementedError


class BodyBranch(Branch):
    """SMPL-X's body. Its mesh takes jaw and eyes from the face's branch as `guide` (B, 4, 18)."""

    STATE = {"pose": 144, "shape": 10, "cam": 3}  # noqa: RUF012
    BESIDE = (0, 0, 2)
    """The body's share of the hands' visibility (left, right), in the last round."""
    mesh: BodyMesh

    def __init__(self, mesh: MeshSizes) -> None:
        super().__init__(HRNet(), BodyMesh(mesh))

    def look(self, state: Tensor, beside: Tensor, guide: Tensor | None) -> Tensor:
        """See `Branch.look`."""
        assert guide is not None
        pose, shape, camera = self.split(state)
        return project(self.mesh.points(pose, guide, shape), camera)


class HandBranch(Branch):
    """A right hand, or a left one in the mirror."""

    STATE = {"pose": 90, "shape": 10, "orient": 6, "cam": 3}  # noqa: RUF012
    BESIDE = (0, 0, 4)
    """A hand's share of the visibility (left, right) when it is the left one, then when it is the right one."""
    mesh: HandMesh

    def __init__(self, mesh: MeshSizes) -> None:
        super().__init__(ResNetPyramid(), HandMesh(mesh))

    def look(self, state: Tensor, beside: Tensor, guide: Tensor | None) -> Tensor:
        """See `Branch.look`."""
        pose, shape, orientation, camera = self.split(state)
        return project(self.mesh.points(pose, orientation, shape), part_camera(camera))


class FaceBranch(Branch):
    """Jaw, eyes and expression. The expression is not carried from round to round, so it stands beside the state."""

    STATE = {"pose": 18, "shape": 100, "orient": 6, "cam": 3}  # noqa: RUF012
    BESIDE = (50, 50, 50)
    mesh: FaceMesh

    def __init__(self, mesh: MeshSizes) -> None:
        super().__init__(ResNetPyramid(), FaceMesh(mesh))

    def look(self, state: Tensor, beside: Tensor, guide: Tensor | None) -> Tensor:
        """See `Branch.look`."""
        pose, shape, orientation, camera = self.split(state)
        return project(self.mesh.points(pose, orientation, shape, beside), part_camera(camera))
