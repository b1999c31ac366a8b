"""Kinematic chains by the batch: poses, forward kinematics, and how landmarks move with every degree of freedom."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Indices, Mask, Reals
from pymafx_live.core.rotations import to_matrices

BALL, ANGLE = 1, 2


@dataclass(frozen=True, slots=True)
class Chain:
    """A skeleton of J joints with D degrees of freedom, K landmarks and S directions of shape.

    `bone` (J, 3) leads from each joint's parent to it in the rest pose, and `levels` groups the joints by how deep they
    are. A `BALL`'s three degrees of freedom are the components of a rotation vector, an `ANGLE` is one of a sequence of
    plain angles about `axis` (D, 3). A landmark is at the joint `base` (K,) plus `offset` (K, 3), turned by the joint
    `turned` (K,); `moves` (K, D) marks what moves it. `stretch` (J, S) is how much each bone grows with the shape,
    `swell` (K, S) how much each offset does.
    """

    bone: Reals
    parents: Indices
    levels: tuple[Indices, ...]
    joint: Indices
    kind: Indices
    axis: Reals
    mean: Reals
    sigma: Reals
    low: Reals
    high: Reals
    base: Indices
    turned: Indices
    offset: Reals
    moves: Mask
    stretch: Reals
    swell: Reals
    turns: Mask
    """(J, D): the degrees of freedom that turn each joint."""
    grown: Reals
    """(K, S, J): the bones of each direction of shape between the root and each landmark."""
    ball: Indices
    """(B, 3): the degrees of freedom of the ball joints."""
    hinge: Indices
    """(A,): those that are plain angles."""
    first: Indices
    """Of the hinges, those next to the bone before."""
    second: Indices
    """Of the hinges, those that come after another one of the same joint."""

    @property
    def freedoms(self) -> int:
        """D."""
        return len(self.joint)


@dataclass(slots=True)
class Pose:
    """P poses of a chain: the root's `place` (P, 3), `local` rotations (P, J, 3, 3), plain angles `angle` (P, D), of
    which those of ball joints mean nothing, and `shape` (P, S)."""

    place: Reals
    local: Reals
    angle: Reals
    shape: Reals

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, rows: NDArray[np.intp] | Mask) -> "Pose":
        return Pose(*(getattr(self, f.name)[rows] for f in fields(self)))

    def put(self, rows: NDArray[np.intp] | Mask, other: "Pose") -> None:
        """Overwrites some poses in place."""
        for f in fields(self):
            getattr(self, f.name)[rows] = getattr(other, f.name)


def joined(poses: list[Pose]) -> Pose:
    """All poses in one batch."""
    return Pose(*(np.concatenate([getattr(pose, f.name) for pose in poses]) for f in fields(Pose)))


@dataclass(frozen=True, slots=True)
class Placed:
    """Where P poses put a chain: global rotations `G` (P, J, 3, 3), joints `T` (P, J, 3), `landmarks` (P, K, 3);
    `along` (P, J, 3) the bones without their shape, `offset` (P, K, 3) the landmarks' offsets without theirs."""

    G: Reals
    T: Reals
    landmarks: Reals
    along: Reals
    offset: Reals


def set_hinges(chain: Chain, pose: Pose) -> None:
    """Rebuilds the local rotations of joints that are sequences of plain angles."""
    one = to_matrices(chain.axis[chain.first] * pose.angle[:, chain.first, None])
    pose.local[:, chain.joint[chain.first]] = one
    if len(chain.second):
        joints = chain.joint[chain.second]
        two = to_matrices(chain.axis[chain.second] * pose.angle[:, chain.second, None])
        pose.local[:, joints] = pose.local[:, joints] @ two


def by_row(rows: Reals, matrix: Reals) -> Reals:
    """The product of `rows` (N, A) and a matrix (A, B), one row at a time, so that none depends on how many there are.

    BLAS adds up in another order for one row than for several.
    """
    return np.asarray((rows[:, None] @ matrix)[:, 0])


def forward(chain: Chain, pose: Pose) -> Placed:
    """Forward kinematics, in the frame of the pose's `place`."""
    P, J = pose.local.shape[:2]
    G, T, along = np.empty((P, J, 3, 3)), np.empty((P, J, 3)), np.zeros((P, J, 3))
    G[:, 0], T[:, 0] = pose.local[:, 0], pose.place
    length = 1 + by_row(pose.shape, chain.stretch.T)
    for joints in chain.levels:
        carrier = G[:, chain.parents[joints]]
        G[:, joints] = carrier @ pose.local[:, joints]
        along[:, joints] = (carrier @ chain.bone[joints, :, None])[..., 0]
        T[:, joints] = T[:, chain.parents[joints]] + along[:, joints] * length[:, joints, None]
    offset = (G[:, chain.turned] @ chain.offset[:, :, None])[..., 0]
    landmarks = T[:, chain.base] + offset * (1 + by_row(pose.shape, chain.swell.T))[..., None]
    return Placed(G, T, landmarks, along, offset)


def axes(chain: Chain, G: Reals) -> Reals:
    """Each degree of freedom's axis (P, D, 3) in the frame of the global rotations `G` (P, J, 3, 3)."""
    out = np.empty((len(G), chain.freedoms, 3))
    out[:, chain.ball] = G[:, chain.joint[chain.ball[:, 0]]].swapaxes(2, 3)
    first, second = chain.first, chain.second
    # A joint's first angle turns about an axis that its parent carries; its last about one that it carries itself.
    out[:, first] = (G[:, chain.parents[chain.joint[first]]] @ chain.axis[first, :, None])[..., 0]
    out[:, second] = (G[:, chain.joint[second]] @ chain.axis[second, :, None])[..., 0]
    return out


def landmark_jacobian(chain: Chain, placed: Placed, turning: Reals) -> Reals:
    """How the landmarks move, (P, 3, K, D + 3 + S): with the degrees of freedom about the axes `turning` (P, D, 3),
    with the root's place and with the shape."""
    P, D, K, S = len(turning), chain.freedoms, len(chain.base), chain.stretch.shape[1]
    out = np.zeros((P, 3, K, D + 3 + S))
    w = turning[:, None]  # (P, 1, D, 3)
    r = placed.landmarks[:, :, None] - placed.T[:, None, chain.joint]  # (P, K, D, 3)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        np.multiply(w[..., j] * r[..., k] - w[..., k] * r[..., j], chain.moves, out=out[:, i, :, :D])
        out[:, i, :, D + i] = 1
    if S:
        # A product for each person, not one for all: see `by_row`.
        grown = placed.along.swapaxes(1, 2) @ chain.grown.reshape(K * S, -1).T
        out[..., D + 3 :] = grown.reshape(P, 3, K, S) + placed.offset.swapaxes(1, 2)[..., None] * chain.swell
    return out
