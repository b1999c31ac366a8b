"""How far a set of graphs is from the network: rotations in degrees, camera, shape and expression in their own units.

The graphs are chained as they are used, hands and face before the body, so that what one loses the next one feels.
Where the network decides for itself whether a hand is seen, a decision that falls on the other side of its threshold
is judged by the number that was compared, not by the pose that followed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.pymafx.spec import DEVIATION, HAND_VISIBLE, MEAN, SIZE
from pymafx_live.engines.runtime.batches import run_batches
from pymafx_live.engines.runtime.interface import Runner

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Result = dict[str, NDArray[Any]]

GOLDEN_SEED, RANDOM_SEED = 100, 7


@dataclass(frozen=True, slots=True)
class People:
    """N people's crops (N, 224, 224, 3), BGR, and which of their hands are said to be seen (N, 2: left, right)."""

    body: Bytes
    left: Bytes
    right: Bytes
    face: Bytes
    visibility: Floats


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of the comparison: the mean and the worst difference, and what they may be."""

    name: str
    unit: str
    mean: float
    worst: float
    mean_limit: float
    worst_limit: float

    @property
    def passes(self) -> bool:
        """Whether both are within their limits; what is no number is not."""
        return bool(self.mean <= self.mean_limit and self.worst <= self.worst_limit)


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest mean and worst difference of rotations, in degrees, and of numbers."""

    degrees: tuple[float, float]
    numbers: tuple[float, float]


_HALVES = Limits((0.15, 1.0), (0.01, 0.05))
LIMITS = {"fp32": Limits((0.01, 0.01), (1e-4, 1e-3)), "mixed": _HALVES, "wide": _HALVES}
"""Of each precision. Numbers are the camera's, shape's and expression's units, which are of the order of one."""


def smooth_crops(n: int, seed: int) -> Bytes:
    """Seeded colour patterns (n, 224, 224, 3): those that the golden numbers of the network belong to, as bytes."""
    rng = np.random.Generator(np.random.PCG64(seed))
    y, x = np.meshgrid(np.linspace(-1, 1, SIZE), np.linspace(-1, 1, SIZE), indexing="ij")
    planes = np.zeros((n, 3, SIZE, SIZE))
    for plane in planes.reshape(-1, SIZE, SIZE):
        for _ in range(8):
            fx, fy = rng.uniform(-14, 14, 2)
            phase, gain = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0)
            plane += gain * np.sin(fx * x + fy * y + phase)
    rgb = planes.transpose(0, 2, 3, 1) / 1.6 * DEVIATION + MEAN
    return np.ascontiguousarray(np.clip(np.rint(255 * rgb), 0, 255).astype(np.uint8)[..., ::-1])


def noisy_crops(n: int, seed: int) -> Bytes:
    """Random blocks of colour (n, 224, 224, 3), half of them under noise."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (n, 8, 8, 3)).repeat(SIZE // 8, 1).repeat(SIZE // 8, 2)
    noise = rng.normal(0, 20, blocks.shape) * (np.arange(n) % 2)[:, None, None, None]
    return np.clip(np.rint(blocks + noise), 0, 255).astype(np.uint8)


def people(counts: Sequence[int] = (3, 1)) -> list[People]:
    """A batch of people for every count: the golden patterns first, then random ones.

    In turn, the network decides which hands are seen, both are, only the right one is.
    """
    seen = np.array([[-1, -1], [1, 1], [0, 1]], np.float32)
    batches = []
    for k, n in enumerate(counts):
        crops = smooth_crops(4 * n, GOLDEN_SEED) if k == 0 else noisy_crops(4 * n, RANDOM_SEED + k)
        visibility = seen[(np.arange(n) + k) % len(seen)]
        batches.append(People(crops[:n], crops[n : 2 * n], crops[2 * n : 3 * n], crops[3 * n :], visibility))
    return batches


def estimate(runners: Mapping[str, Runner], batch: People, largest: int = 8) -> Result:
    """The graphs' outputs for a batch of people, run no more than `largest` at once."""
    n = len(batch.body)
    crops = np.stack([batch.left, batch.right], 1).reshape(2 * n, SIZE, SIZE, 3)
    hands = run_batches(runners["hands"], {"crops": crops, "is_left": np.arange(2 * n) % 2 == 0}, largest)
    pairs = {key: value.reshape(n, 2, -1) for key, value in hands.items()}
    face = run_batches(runners["face"], {"crops": batch.face}, largest)
    body = {"crops": batch.body, "face_poses": face["face_poses"], "visibility": batch.visibility, **pairs}
    return {**run_batches(runners["body"], body, largest), "pred_exp": face["pred_exp"]}


def angles(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Degrees between rotations (..., 3, 3), exact for the tiniest: |A - B| = 2 sqrt(2) sin(angle / 2)."""
    distance = np.linalg.norm(np.asarray(a, np.float64) - np.asarray(b, np.float64), axis=(-2, -1))
    return np.asarray(np.degrees(2 * np.arcsin(np.minimum(distance / (2 * np.sqrt(2)), 1))))


def compare(expected: Sequence[Result], found: Sequence[Result], precision: str) -> list[Difference]:
    """What separates the results of the same people; see `LIMITS`."""
    a, b = (_joined(results) for results in (expected, found))
    same = ((a["pred_vis_hands"] > HAND_VISIBLE) == (b["pred_vis_hands"] > HAND_VISIBLE)).all(1)
    hands = ("pred_lhand_rotmat", "pred_rhand_rotmat")
    turned = {
        "body": angles(a["rotmat"], b["rotmat"])[same, :22],
        "hands": np.concatenate([angles(a[key], b[key])[same] for key in hands]),
        "jaw and eyes": angles(a["pred_face_rotmat"], b["pred_face_rotmat"]),
    }
    numbers = {"camera": "pred_cam", "shape": "pred_shape", "expression": "pred_exp", "visibility": "pred_vis_hands"}
    apart = {name: np.abs(a[key].astype(np.float64) - b[key]) for name, key in numbers.items()}
    limits = LIMITS[precision]
    return [
        *(_difference(name, "degrees", values, limits.degrees) for name, values in turned.items()),
        *(_difference(name, "", values, limits.numbers) for name, values in apart.items()),
    ]


def _joined(results: Sequence[Result]) -> Result:
    return {key: np.concatenate([result[key] for result in results]) for key in results[0]}


def _difference(name: str, unit: str, values: NDArray[np.float64], limits: tuple[float, float]) -> Difference:
    if not values.size:  # nobody is left to compare
        return Difference(name, unit, float("nan"), float("nan"), *limits)
    return Difference(name, unit, float(values.mean()), float(values.max()), *limits)


def check_names(name: str, runner: Runner, reference: Runner) -> None:
    """Raises `NetworkError` where the graph `name` does not take and give what the network's does."""
    for what, has, needs in (("takes", runner.inputs, reference.inputs), ("gives", runner.outputs, reference.outputs)):
        if dict(has) != dict(needs):
            raise NetworkError(
                f"this is not PyMAF-X's graph {name}: it {what} {_signature(has)}, not {_signature(needs)}; "
                "export it again with `pymafx-live export`."
            )


def _signature(tensors: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {spec.dtype}[{', '.join('batch' if n is None else str(n) for n in spec.shape)}]"
        for name, spec in tensors.items()
    )


def check(
    reference: Mapping[str, Runner],
    runners: Mapping[str, Runner],
    precision: str,
    counts: Sequence[int] = (3, 1),
    largest: int = 8,
) -> list[Difference]:
    """Compares `runners`, all three graphs or some, with `reference`, which stands in for those that are not given.

    Raises `NetworkError` for a graph with other names or one that does not run.
    """
    for name, runner in runners.items():
        check_names(name, runner, reference[name])
    given = people(counts)
    expected = [estimate(reference, batch, largest) for batch in given]
    found = [estimate({**reference, **runners}, batch, largest) for batch in given]
    return compare(expected, found, precision)
