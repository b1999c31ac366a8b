"""The hands' own orientations, integrated into the body: what a wrist cannot twist, the forearm does."""

import math

import torch
from pymafx_live.engines.pymafx.network.rotations import matrices_from_quaternions, quaternions, unit
from torch import Tensor

ARMS = ((0, 3, 6, 9, 13, 16, 18), (0, 3, 6, 9, 14, 17, 19))
"""The joints from the pelvis to the left and the right elbow."""
ELBOWS, WRISTS = slice(18, 20), slice(20, 22)
"""Joints of the left and the right arm; the wrists follow the elbows."""
TWIST_LIMIT = 0.4 * math.pi
"""Radians of twist about the forearm that a wrist keeps to itself."""


def excess_twist(R: Tensor, axis: Tensor) -> Tensor:
    """The part beyond `TWIST_LIMIT` of the twist of R (..., 3, 3) about unit `axis` (..., 3), as (..., 3, 3).

    With the twist's half angle phi as (cos, sin), subtracting half the limit is one rotation in the plane,
    so that no angle is ever computed.
    """
    q = quaternions(R)
    along = (q[..., 1:] * axis).sum(-1)
    length = (q[..., 0].square() + along.square()).sqrt().clamp_min(1e-12)
    cosine, sine = q[..., 0] / length, along / length
    c, s = math.cos(TWIST_LIMIT / 2), math.sin(TWIST_LIMIT / 2)
    over = cosine < c
    half_cosine = torch.where(over, cosine * c + sine.abs() * s, 1.0)
    half_sine = torch.where(over, sine * c - sine.sign() * cosine * s, 0.0)
    return matrices_from_quaternions(torch.cat([half_cosine[..., None], half_sine[..., None] * axis], -1))


def integrate_hands(R: Tensor, hands: Tensor, forearms: Tensor, visible: Tensor) -> Tensor:
    """Body rotations (B, 24, 3, 3) whose wrists follow the visible hands.

    `hands` (B, 2, 3, 3) are the global orientations of the left and right hand, `forearms` (B, 2, 3) the vectors
    from elbow to wrist of the rest body, `visible` (B, 2) says whose wrist and elbow change.
    """
    chain = R.index_select(1, torch.tensor(ARMS, device=R.device).flatten()).unflatten(1, (2, -1))
    elbow_global = chain[:, :, 0]
    for k in range(1, len(ARMS[0])):
        elbow_global = elbow_global @ chain[:, :, k]
    wrist = elbow_global.mT @ hands
    twist = excess_twist(wrist, unit(forearms))
    seen = visible[:, :, None, None]
    elbow = torch.where(seen, R[:, ELBOWS] @ twist, R[:, ELBOWS])
    wrist = torch.where(seen, twist.mT @ wrist, R[:, WRISTS])
    return torch.cat([R[:, : ELBOWS.start], elbow, wrist, R[:, WRISTS.stop :]], 1)
