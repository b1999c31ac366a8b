"""Which landmarks are believed: a skeleton must fit its own person's box, and a hand has one owner."""

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Mask, Reals
from pymafx_live.core.boxes import iou

BODY_SCORE = 0.5
INSIDE = 0.7
MARGIN = 0.12
SAME = 0.12
OTHERS = 0.1
HAND_SCORE = 0.5
REACH, FARTHEST = 0.5, 0.85
"""How far a hand's root may be from the body's wrist, in forearms; and where the network is sure of the hand."""
TOUCHING = 0.4
"""How near both must be to their wrists for two hands of one person on the same pixels."""
FACE_SCORE = 0.5
SIDE = 0.15
"""A hand is the other side's where the network gives it no more for its own."""


def inside_fraction(xy: Reals, visibility: Reals, boxes: Reals, margin: float = MARGIN) -> Reals:
    """The part of each person's visibility (N, K) whose points (N, K, 2) lie in the box (N, 4) grown by `margin`."""
    grow = margin * (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
    low, high = boxes[:, None, :2] - grow[:, None], boxes[:, None, 2:] + grow[:, None]
    inside = np.all((xy >= low) & (xy <= high), -1)
    return np.asarray((visibility * inside).sum(1) / np.maximum(visibility.sum(1), 1e-6))


def box_of(xy: Reals, visibility: Reals, floor: float = 0.5) -> Reals:
    """The tight boxes (N, 4) about the landmarks (N, K, 2) of at least `floor` visibility; NaN without any."""
    shown = np.where((visibility >= floor)[..., None], xy, np.nan)
    with np.errstate(all="ignore"):
        empty = np.asarray(~(visibility >= floor).any(1))
        shown = np.where(empty[:, None, None], 0, shown)
        boxes = np.concatenate([np.nanmin(shown, 1), np.nanmax(shown, 1)], 1)
    boxes[empty] = np.nan
    return boxes.astype(np.float32)


def believable_bodies(score: Reals, xy: Reals, visibility: Reals, boxes: Reals) -> Mask:
    """Which of N skeletons (N, 33, 2) are found, lie in their own box (N, 4), and repeat no better one, (N,).

    A skeleton that fills somebody else's box better than its own is on that person. Of two skeletons on the same
    pixels the one stays that covers its own box better: the other has snapped onto its neighbour.
    """
    shown = box_of(xy, visibility)
    own = iou(shown, boxes)
    good = (score >= BODY_SCORE) & (inside_fraction(xy, visibility, boxes) >= INSIDE)
    for shift in range(1, len(boxes)):
        good &= iou(shown, np.roll(boxes, shift, axis=0)) <= own + OTHERS
    for i in np.argsort(own):
        for j in np.nonzero(good)[0]:
            if good[i] and j != i and _same(xy[i], xy[j], visibility[i], visibility[j]) and own[j] >= own[i]:
                good[i] = False
    return np.asarray(good)


def _same(a: Reals, b: Reals, visible_a: Reals, visible_b: Reals) -> bool:
    """Whether two skeletons (33, 2) are one: their visible joints are closer than `SAME` of their extent."""
    weight = np.minimum(visible_a, visible_b)[11:29]
    if weight.sum() < 1:
        return False
    extent = max(np.ptp(a[11:29], 0).max(), 1.0)
    distance = np.linalg.norm(a[11:29] - b[11:29], axis=1)
    return bool((weight * distance).sum() / weight.sum() < SAME * extent)


def believable_hands(
    score: Reals,
    side: Reals,
    hand_xy: Reals,
    elbow: Reals,
    wrist: Reals,
    wrist_visibility: Reals,
    person: NDArray[np.intp],
) -> Mask:
    """Which of M hands (M, 21, 2) are found, hang on their own arm's wrist, and are nobody else's, (M,).

    `elbow` and `wrist` (M, 2) are the body landmarks of the arm it was sought for, `person` (M,) whose arm it is and
    `side` (M,) how sure the network is that it is a hand of that side. A hand that two people claim goes to the nearer
    wrist; both hands of one person may touch, but not where one of the wrists is far away.
    """
    near = nearness(score, side, hand_xy, elbow, wrist)
    span = np.linalg.norm(hand_xy[:, 9] - hand_xy[:, 0], axis=1)
    good = (score >= HAND_SCORE) & (wrist_visibility >= 0.5) & (near > 0)
    distance = np.linalg.norm(hand_xy[:, 0] - wrist, axis=1)
    for i in np.argsort(-distance):
        for j in np.nonzero(good)[0]:
            if not good[i] or i == j or (person[i] == person[j] and near[i] > TOUCHING):
                continue
            apart = np.linalg.norm(hand_xy[i] - hand_xy[j], axis=1).mean()
            if apart < 0.5 * span[i] and distance[j] <= distance[i]:
                good[i] = False
    return np.asarray(good)


def nearness(score: Reals, side: Reals, hand_xy: Reals, elbow: Reals, wrist: Reals) -> Reals:
    """How near M hands (M, 21, 2) are to the wrists (M, 2) of their arms: 1 on them, 0 out of reach, (M,).

    A hand that the network is sure of, side included, may be farther off: where hands cross, the body's wrists go
    astray.
    """
    forearm = np.linalg.norm(wrist - elbow, axis=1)
    span = np.linalg.norm(hand_xy[:, 9] - hand_xy[:, 0], axis=1)
    sure = (score > 0.8) & (side > 0.8)
    reach = np.where(sure, FARTHEST, REACH) * np.maximum(forearm, 1.5 * span)
    distance = np.linalg.norm(hand_xy[:, 0] - wrist, axis=1)
    return np.asarray(np.clip(1 - distance / np.maximum(reach, 1e-6), 0, 1))


def own_side(right: Reals, is_right: Mask) -> Reals:
    """The probability that M hands are of the side of their arms (`is_right`), from that of a right hand, `right`."""
    return np.asarray(np.where(is_right, right, 1 - right))


def believable_faces(score: Reals, face_xy: Reals, body_xy: Reals) -> Mask:
    """Which of N faces (N, 478, 2) are found where the body's own eyes and nose are, (N,)."""
    centre = face_xy.mean(1)
    size = np.ptp(face_xy, 1).max(1)
    head = body_xy[:, :11].mean(1)
    return np.asarray((score >= FACE_SCORE) & (np.linalg.norm(centre - head, axis=1) < 0.8 * size))
