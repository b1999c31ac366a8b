"""Trains the network that corrects the body's landmarks, and writes `engines/data/landmark_refiner.npz`.

    python -m pymafx_live.bench.landmark_refiner --observations DIR [--performances 100] [--render-only]

First people are rendered whose joints are known, and what the body network reports of them is kept in DIR, a file a
performance (a second run goes on where the first one stopped; `SEEDS` are none of those that `bench.mannequin` tunes
or reports on). Then the network is trained with PyTorch (extra `torch`) to say how far each landmark is from where its
joint has it, how much deeper one is than another, and how sure that is: the negative log likelihood of a Student's t
distribution, whose tails leave outliers alone. Each person is seen in a mirror too.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymafx_live.bench.mannequin.motions import MOTIONS
from pymafx_live.bench.mannequin.scene import render_clip
from pymafx_live.core.arrays import Mask, Reals
from pymafx_live.core.skeleton import JOINT
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.landmarks import refine, rig
from pymafx_live.engines.landmarks.perception import Gaze, Perception
from pymafx_live.engines.landmarks.refine import Reading
from pymafx_live.engines.landmarks.regions import ImageBatch, body_from_landmarks

SEEDS = range(200, 1000)
FRAMES, FPS = 24, 6.0
"""Frames of each performance: far apart, because neighbours teach the same."""
JITTER = 0.02
"""How far a detector's box is from the true one, as a part of its longer side."""
FIELDS = ("xy", "visibility", "world", "centre", "side", "camera", "pose", "transl", "bones")
HIDDEN, EPOCHS, BATCH, RATE, DECAY, DROPOUT = 128, 25, 512, 3e-3, 0.05, 0.1
NOISE = {"xy": 0.004, "world": 0.008, "visibility": 0.05, "view": 0.02}
"""Deviations of what is added to the features while training."""
TAIL = 2.0
"""Degrees of freedom of the Student's t distributions."""
SEEN, UNSEEN, OUTSIDE = (0.3, 0.8), 0.1, 0.02
"""Visibilities between which a landmark begins to count, and how much those count that are not seen, or not inside."""
LEFT_RIGHT = np.array([0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(k for a in range(11, 33, 2) for k in (a + 1, a))])
"""The landmarks of a person in a mirror."""


def observe(folder: Path, performances: int) -> None:
    """Renders so many performances of each motion that is not there, every second one by people of other builds."""
    perception = Perception()
    for seed in SEEDS[:performances]:
        for name in MOTIONS:
            path = folder / f"{name}-{seed}.npz"
            if not path.exists() and (rows := list(_performance(perception, name, seed))):
                arrays: dict[str, Any] = {field: np.array([row[field] for row in rows]) for field in FIELDS}
                np.savez_compressed(path, **arrays)
                print(f"{path.name}: {len(rows)} people", file=sys.stderr)


def _performance(perception: Perception, name: str, seed: int) -> Iterator[dict[str, Reals]]:
    """What the body network reports of the people of one clip, and where they truly are."""
    rng, gazes = np.random.default_rng(seed), dict[int, Gaze]()
    for image, truth in render_clip(name, seed, FRAMES, FPS, proportions=seed % 2 == 1):
        people = [p for p in truth.people if p.visible > 0.3]
        if not people:
            continue
        boxes = np.array([p.box for p in people])
        boxes += rng.normal(0, JITTER, boxes.shape) * (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
        boxes = np.clip(boxes, 0, [*image.shape[1::-1]] * 2).astype(np.float32)
        known = [gazes.setdefault(p.id, Gaze()) for p in people]
        found, regions, good = perception.bodies(ImageBatch.single(image, len(boxes)), boxes, known)
        following = body_from_landmarks(found.xy)
        c = truth.camera
        for k, person in enumerate(people):
            known[k].body = following[k : k + 1] if good[k] else None
            if good[k]:
                yield {
                    "xy": found.xy[k, :33], "visibility": found.visibility[k, :33], "world": found.world[k, :33],
                    "centre": regions.centre[k], "side": regions.side[k],
                    "camera": np.array([c.fx, c.fy, c.cx, c.cy, c.width, c.height]),
                    "pose": person.pose, "transl": person.transl, "bones": person.bones,
                }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lessons:
    """N people: what the network reads, `features` (N, F), and what is true: the landmarks' `shift` (N, 33, 2) in
    region sides and the pairs' `deeper` (N, M) in metres, beyond what the body network says; and how much each counts.
    """

    features: Reals
    shift: Reals
    deeper: Reals
    shift_counts: Reals
    deeper_counts: Reals


def lessons(folder: Path) -> Lessons:
    """All people of `folder`, each as it is and in a mirror."""
    parts = [np.load(path) for path in sorted(folder.glob("*.npz"))]
    seen = {field: np.concatenate([part[field] for part in parts]) for field in FIELDS}
    true = _true_landmarks(seen)
    both = [_lessons(seen, true), _lessons(*_mirrored(seen, true))]
    return Lessons(*(np.concatenate([getattr(part, name) for part in both]) for name in Lessons.__slots__))


def _true_landmarks(seen: dict[str, Reals]) -> Reals:
    """Where the skeleton has the landmarks of N people, (N, 33, 3) in the camera's frame."""
    joints, turns = BodyModel.embedded().joints(seen["pose"], seen["transl"], None, seen["bones"])
    base, turned = (np.array([JOINT[pair[k]] for pair in rig.body_anchors()]) for k in (0, 1))
    offset = np.einsum("nkij,kj->nki", turns[:, turned], rig.calibrated_offsets()[:33])
    return np.asarray(joints[:, base] + offset * seen["bones"][:, :1, None])


def _mirrored(seen: dict[str, Reals], true: Reals) -> tuple[dict[str, Reals], Reals]:
    """The same people in a mirror that stands upright in the middle of the picture."""
    cx = seen["camera"][:, 2]
    out = dict(seen)
    out["xy"], out["centre"] = seen["xy"][:, LEFT_RIGHT].copy(), seen["centre"].copy()
    out["xy"][..., 0] = 2 * cx[:, None] - out["xy"][..., 0]
    out["centre"][:, 0] = 2 * cx - out["centre"][:, 0]
    out["world"] = seen["world"][:, LEFT_RIGHT] * [-1, 1, 1]
    out["visibility"] = seen["visibility"][:, LEFT_RIGHT]
    return out, true[:, LEFT_RIGHT] * [-1, 1, 1]


def _lessons(seen: dict[str, Reals], true: Reals) -> Lessons:
    fx, fy, cx, cy, width, height = seen["camera"].T[..., None]
    xy, side = seen["xy"], seen["side"]
    middle = np.column_stack([(seen["centre"][:, :1] - cx) / fx, (seen["centre"][:, 1:] - cy) / fy])
    view = np.column_stack([middle, side[:, None] / fx])
    reading = Reading(xy, seen["world"], seen["visibility"], seen["centre"], side, view)
    z = np.maximum(true[..., 2], 0.1)
    truly = np.stack([true[..., 0] / z * fx + cx, true[..., 1] / z * fy + cy], -1)
    ray = np.column_stack([middle, np.ones(len(xy))])
    depth = np.einsum("nkc,nc->nk", true, ray / np.linalg.norm(ray, axis=1, keepdims=True))
    a, b = rig.PAIRS[: rig.REFINED_PAIRS].T
    said = (seen["world"][:, a, 2] - seen["world"][:, b, 2]) * refine.BODY_SCALE
    inside: Mask = np.all((xy >= 0) & (xy < np.stack([width, height], -1)), -1)
    visible = np.clip((seen["visibility"] - SEEN[0]) / (SEEN[1] - SEEN[0]), 0, 1)
    counts = np.where(inside, UNSEEN + (1 - UNSEEN) * visible, OUTSIDE)
    return Lessons(
        reading.features(), (truly - xy) / side[:, None, None], depth[:, a] - depth[:, b] - said,
        counts, np.minimum(counts[:, a], counts[:, b]),
    )  # fmt: skip


def train(taught: Lessons, epochs: int = EPOCHS, seed: int = 0) -> dict[str, Reals]:
    """The trained weights, by the names that `engines/landmarks/refine.py` reads."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    X = torch.from_numpy(taught.features).float()
    targets = [torch.from_numpy(getattr(taught, name)).float() for name in Lessons.__slots__[1:]]
    pairs = targets[1].shape[1]
    mean, scale = X.mean(0), X.std(0) + 0.02
    trunk = nn.Sequential(
        nn.Linear(X.shape[1], HIDDEN), nn.SiLU(), nn.Dropout(DROPOUT),
        nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Dropout(DROPOUT),
    )  # fmt: skip
    change, spread = nn.Linear(HIDDEN, 66 + pairs), nn.Linear(HIDDEN, 33 + pairs)
    for head in (change, spread):
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    model = nn.ModuleList([trunk, change, spread])
    steps = epochs * -(-len(X) // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    noise = torch.cat(
        [torch.full((n,), NOISE[k]) for k, n in (("xy", 66), ("world", 99), ("visibility", 33), ("view", 3))]
    )
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(BATCH):
            noisy = X[rows] + torch.randn(len(rows), X.shape[1]) * noise
            hidden = trunk(((noisy - mean) / scale).clamp(-refine.WIDEST, refine.WIDEST))
            loss = _surprise(change(hidden), spread(hidden), *(target[rows] for target in targets))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    layers = {"first": trunk[0], "second": trunk[3], "change": change, "spread": spread}
    weights = {"mean": mean, "scale": scale}
    for name, layer in layers.items():
        weights |= {f"{name}_weight": layer.weight.T, f"{name}_bias": layer.bias}
    return {name: value.detach().numpy() for name, value in weights.items()}


def _surprise(change: Any, spread: Any, shift: Any, deeper: Any, shift_counts: Any, deeper_counts: Any) -> Any:
    """The negative log likelihood of what is true, but for constants."""
    import torch

    sigma = refine.XY_SIGMA * torch.exp(spread[:, :33])
    error = ((change[:, :66] * refine.XY_UNIT).view(-1, 33, 2) - shift).square().sum(-1)
    seen = (TAIL + 2) / 2 * torch.log1p(error / sigma.square() / TAIL) + 2 * torch.log(sigma)
    sigma = refine.DEPTH_SIGMA * torch.exp(spread[:, 33:])
    error = (change[:, 66:] * refine.DEPTH_UNIT - deeper).square()
    deep = (TAIL + 1) / 2 * torch.log1p(error / sigma.square() / TAIL) + torch.log(sigma)
    return (shift_counts * seen).mean() + (deeper_counts * deep).mean()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m pymafx_live.bench.landmark_refiner", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--observations", required=True, type=Path, help="folder of what was observed")
    parser.add_argument("--performances", type=int, default=100, help="of each motion (default 100)")
    parser.add_argument("--render-only", action="store_true", help="observe, and do not train")
    options = parser.parse_args(arguments)
    options.observations.mkdir(parents=True, exist_ok=True)
    observe(options.observations, options.performances)
    if not options.render_only:
        taught = lessons(options.observations)
        weights: dict[str, Any] = {name: value.astype(np.float32) for name, value in train(taught).items()}
        path = Path(__file__).resolve().parent.parent / "engines" / "data" / refine.FILE
        np.savez_compressed(path, **weights)
        print(f"{path.name}: trained on {len(taught.features)} people", file=sys.stderr)


if __name__ == "__main__":
    main()
