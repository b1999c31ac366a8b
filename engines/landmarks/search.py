"""Where the body of a new or a lost person may be: the regions to try, and how well what they show explains the box.

The body network fits a whole body into whatever square it is shown, so the first square decides. About the detector's
box of a portrait it draws a small body inside of the face, and a region that follows its landmarks stays there. It is
right where the square is as large as the whole body would be, also below the picture's edge or a table's; how large
that is, nobody knows beforehand. So several sizes are tried, and the one is kept whose skeleton covers the box and
asks for the very region that it was found in.
"""

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Indices, Mask, Reals
from pymafx_live.core.boxes import iou
from pymafx_live.engines.landmarks.networks import BodyLandmarks
from pymafx_live.engines.landmarks.regions import Regions, body_from_landmarks, from_box

MARGIN = 1.25
"""A region's side over the longer side of the body's box."""
HEIGHTS = (1.0, 1.5, 2.2, 3.2)
"""How many times as high as its box a body may be of which the lower part is out of sight."""
SLENDER, NARROW = 4.5, 2.6
"""A body is at most so many times as high as its box is broad; one whose box is cut at the side is at least so."""
SLIP = 2.0
"""How fast agreement falls as the region that a skeleton asks for differs from the one that it was found in."""
FOUND, SURE = 0.4, 0.55
"""How well a skeleton must agree to be somebody, and how well at once: a forearm that is taken for a body reaches 0.5,
and 0.2 where that leads."""
VISIBLE = 0.5
HEAD, HAND, FOOT, FLESH = 0.28, 0.08, 0.08, 0.12
"""How far the body reaches beyond its landmarks, in breadths of the shoulders."""

_REACH = np.full(33, FLESH, np.float32)
_REACH[:11], _REACH[15:23], _REACH[27:] = HEAD, HAND, FOOT


def candidates(boxes: Reals, sizes: Indices) -> tuple[Regions, NDArray[np.intp]]:
    """The regions to try for people in boxes (N, 4) of pictures of `sizes` (N, 2: width, height), and whose each is,
    (M,)."""
    whole, owner = [], []
    for n, (box, width) in enumerate(zip(boxes, sizes[:, 0].tolist(), strict=True)):
        x1, y1, x2, y2 = _widened(box, width)
        for times in HEIGHTS:
            height = times * (y2 - y1)
            if times == HEIGHTS[0] or height <= SLENDER * (x2 - x1):
                whole.append((x1, y1, x2, y1 + height))
                owner.append(n)
    return from_box(np.array(whole).reshape(-1, 4), MARGIN), np.array(owner, np.intp)


def leaving(boxes: Reals, sizes: Indices) -> Mask:
    """Who of N people in boxes (N, 4) is half out of a picture of `sizes` (N, 2) at its left or right, (N,)."""
    at_edge = (boxes[:, 0] <= 0.01 * sizes[:, 0]) | (boxes[:, 2] >= 0.99 * sizes[:, 0])
    return np.asarray(at_edge & (boxes[:, 2] - boxes[:, 0] < (boxes[:, 3] - boxes[:, 1]) / NARROW))


def _widened(box: Reals, width: int) -> tuple[float, float, float, float]:
    """A box that the picture's left or right edge cuts, as broad as the person may be beyond it."""
    x1, y1, x2, y2 = (float(v) for v in box)
    least = (y2 - y1) / NARROW
    if x2 - x1 < least and x1 <= 0.01 * width:
        x1 = x2 - least
    elif x2 - x1 < least and x2 >= 0.99 * width:
        x2 = x1 + least
    return x1, y1, x2, y2


def explained(xy: Reals, visibility: Reals, sizes: Indices) -> Reals:
    """The boxes (N, 4) that a detector would draw about skeletons (N, 33, 2) in pictures of `sizes` (N, 2).

    A landmark beyond the edge counts up to the edge: what leads to it is in the picture, if anything is.
    """
    shoulders = np.linalg.norm(xy[:, 11] - xy[:, 12], axis=1)
    trunk = np.linalg.norm(xy[:, 11] + xy[:, 12] - xy[:, 23] - xy[:, 24], axis=1) / 2
    ears = np.linalg.norm(xy[:, 7] - xy[:, 8], axis=1)
    breadth = np.maximum(shoulders, np.maximum(0.6 * trunk, 1.5 * ears))  # of those who turn their side, too
    reach = (breadth[:, None] * _REACH)[..., None]
    beyond = np.any((xy < 0) | (xy > sizes[:, None]), -1)
    shown = ((visibility >= VISIBLE) | beyond)[..., None]
    low = np.where(shown, xy - reach, np.inf).min(1)
    high = np.where(shown, xy + reach, -np.inf).max(1)
    low, high = np.clip(low, 0, sizes), np.clip(high, 0, sizes)
    return np.concatenate([low, np.maximum(high, low)], 1).astype(np.float32)


def agreement(found: BodyLandmarks, regions: Regions, boxes: Reals, sizes: Indices) -> Reals:
    """How well N skeletons agree with their boxes (N, 4) and with the `regions` that they were found in, 0..1, (N,).

    `sizes` (N, 2) are the widths and heights of their pictures.
    """
    following = body_from_landmarks(found.xy)
    growth = np.abs(np.log(np.maximum(following.side, 1e-3) / regions.side))
    shift = np.linalg.norm(following.centre - regions.centre, axis=1) / regions.side
    inside = np.clip(boxes, 0, np.tile(sizes, (1, 2)))
    covered = iou(explained(found.xy[:, :33], found.visibility[:, :33], sizes), inside)
    return np.asarray(found.score * covered * np.exp(-SLIP * (growth + shift)), np.float32)


def others(
    regions: Regions, boxes: Reals, owner: NDArray[np.intp], picture: NDArray[np.intp], cells: int
) -> Mask | None:
    """What of M regions belongs to other people, (M, cells, cells), or None where nothing does.

    Marked is what lies in the boxes (N, 4) of others and not in that of the region's `owner` (M,), of whom is in
    the same `picture` (N,).
    """
    corner = regions.centre - 0.75 * regions.side[:, None]  # of the upright square about a turned one
    reach = np.concatenate([corner, corner + 1.5 * regions.side[:, None]], 1)
    apart = np.any((reach[:, None, :2] >= boxes[:, 2:]) | (reach[:, None, 2:] <= boxes[:, :2]), -1)
    near = ~apart & (owner[:, None] != np.arange(len(boxes))) & (picture[owner][:, None] == picture)
    if not near.any():
        return None
    hidden = np.zeros((len(regions), cells, cells), bool)
    margin = OWN * (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
    grown = np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], 1)
    ticks = np.arange(cells) + 0.5
    for m in np.nonzero(near.any(1))[0]:
        (a, b, x0), (c, d, y0) = regions.affine(cells)[m]
        x = a * ticks + b * ticks[:, None] + x0
        y = c * ticks + d * ticks[:, None] + y0
        for n in np.nonzero(near[m])[0]:
            hidden[m] |= _within(x, y, boxes[n])
        hidden[m] &= ~_within(x, y, grown[owner[m]])
    return hidden


OWN = 0.04
"""How far beyond its box a person's own pixels are taken to reach, as a part of the box's longer side."""


def _within(x: Reals, y: Reals, box: Reals) -> Mask:
    return np.asarray((x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3]))
