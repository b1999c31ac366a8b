"""The five embedded networks, each a small class with preprocessing, inference and postprocessing.

They are MediaPipe's (Apache-2.0; `engines/data/README.md`). What goes in and out was read off the networks;
the heatmap refinement and the order of the blendshape points follow MediaPipe's published graphs.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Mask, Reals
from pymafx_live.core.errors import NetworkError
from pymafx_live.core.interfaces import log_progress
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks.regions import ImageBatch, Regions, crop, to_image, turn
from pymafx_live.engines.runtime import Fetch, RunnerOptions, for_onnx, open_runner
from pymafx_live.engines.runtime.interface import Array

Outputs = list[Reals]
Finish = Callable[[Outputs], Outputs]
Chain = Callable[[list[Array], slice], list[Array]]
MAX_BATCH = 8
"""Rows that a network is given at once."""
NOTHING = np.float32(-1e4)
"""An answer that nobody believes: as a score it is 0, as a place far out of every picture."""

logger = logging.getLogger(__name__)


class Network:
    """One of the networks that ship, on a runtime of `engines.runtime`, for any batch."""

    def __init__(
        self,
        name: str,
        threads: int = 0,
        runtime: str = "auto",
        pictures: Pictures | None = None,
        *,
        rows_alone: bool = False,
    ) -> None:
        """Loads `name` from the package's data; `threads` 0 lets the runtime choose. `pictures` brings it the frames.

        `rows_alone` runs one row at a time on a processor: what ONNX Runtime makes of a matrix product depends on
        whether there is one row or more, by a few units in the last place. Convolutions give the same either way.

        Raises `AssetError` when the file is missing or damaged, `NetworkError` where the runtime cannot load it,
        `UsageError` for a runtime that is unknown or not installed.
        """
        options = RunnerOptions(threads=threads, max_batch=MAX_BATCH, progress=log_progress)
        try:
            with as_file(files("pymafx_live.engines.data") / name) as path:
                self._runner = open_runner(path, for_onnx(runtime), options)
        except NetworkError as error:
            raise NetworkError(
                f"The network {name} that ships with pymafx-live cannot be used: {error} "
                "Install pymafx-live again, or give another --runtime."
            ) from error
        self._name, self._told = name, False
        (self._input,) = self._runner.inputs
        self._pictures = pictures or Pictures()
        self._largest = 1 if rows_alone and self.device == "cpu" else MAX_BATCH

    @property
    def device(self) -> str:
        """Where it runs, as `Runner.device` says."""
        return self._runner.device

    @property
    def about(self) -> str:
        """See `Runner.about`."""
        return self._runner.about

    @property
    def on_device(self) -> bool:
        """Whether what it gives lies in PyTorch's memory on a GPU."""
        return self.device != "cpu" and not self._pictures.stay_on_host(self.device)

    def look(
        self,
        images: ImageBatch,
        regions: Regions,
        size: int,
        finish: Finish = list,
        hidden: Mask | None = None,
        chain: Chain | None = None,
    ) -> Callable[[], Outputs]:
        """`begin` with the N `regions` of the images, which are cut out where the network runs.

        `hidden` is `regions.crop`'s.
        """
        shown = np.unique(images.index).tolist()
        pictures = {k: self._pictures.on(images.images[k], self.device) for k in shown}
        return self.begin(crop(pictures, images.index, regions, size, hidden), finish, chain)

    def run(self, batch: Array) -> Outputs:
        """All outputs for `batch` (N, ...), see `begin`."""
        return self.begin(batch)()

    def begin(self, batch: Array, finish: Finish = list, chain: Chain | None = None) -> Callable[[], Outputs]:
        """Begins with `batch` (N, ...); what is given back waits for the outputs, where the network runs on a GPU.

        These are each (N, -1), in the graph's order, on the processor, to keep. `finish` says what becomes of them.
        `chain` is given those of a slice of the rows where the network left them, and says what of them comes down.
        """
        starts = range(0, max(len(batch), 1), self._largest)
        pieces = [self._begin(batch, slice(i, i + self._largest), finish, chain) for i in starts]
        return lambda: [np.concatenate(parts) for parts in zip(*(piece() for piece in pieces), strict=True)]

    def run_there(self, batch: Array) -> Array:
        """The first output for `batch`, of `MAX_BATCH` rows at most, where the network leaves it."""
        return next(iter(self._runner.run({self._input: batch}).values()))

    def close(self) -> None:
        """Gives back what the runtime holds."""
        self._runner.close()

    def _begin(self, batch: Array, rows: slice, finish: Finish, chain: Chain | None) -> Callable[[], Outputs]:
        if not len(batch):
            return lambda: [np.empty((0, 0), np.float32) for _ in self._runner.outputs]
        batch = batch[rows]
        raw = list(self._runner.run({self._input: batch}).values())
        coming = Fetch(raw if chain is None else chain(raw, rows))

        def wait() -> Outputs:
            return self._sound([output.reshape(len(batch), -1) for output in finish(coming.wait())])

        if self.device != "cpu":
            return wait
        outputs = wait()  # before the runner's next call, which may write over them
        return lambda: outputs

    def _sound(self, outputs: Outputs) -> Outputs:
        """The outputs, `NOTHING` in each row of which a value is no number: that would stay in a track for good."""
        bad = ~np.all([np.isfinite(output).all(1) for output in outputs], axis=0)
        if not bad.any():
            return outputs
        if not self._told:
            logger.warning("the network %s gave what is no number; such answers count as nothing found", self._name)
            self._told = True
        return [np.where(bad[:, None], NOTHING, output) for output in outputs]


@dataclass(frozen=True, slots=True)
class BodyLandmarks:
    """`N` people: `score` (N,); `xy` (N, 39, 2) pixels; `visibility` (N, 39); `world` (N, 39, 3) metres.

    World landmarks are relative to the middle of the hips, x right, y down, z away from the camera. Points
    33 and 34 are the auxiliary ones that frame the person for the next frame.
    """

    score: Reals
    xy: Reals
    visibility: Reals
    world: Reals

    def __getitem__(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> "BodyLandmarks":
        return BodyLandmarks(self.score[index], self.xy[index], self.visibility[index], self.world[index])


@dataclass(frozen=True, slots=True)
class HandLandmarks:
    """`N` hands: `score` (N,), `right` (N,) the probability of a right hand; `xy` (N, 21, 2); `world` (N, 21, 3)."""

    score: Reals
    right: Reals
    xy: Reals
    world: Reals

    def __getitem__(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> "HandLandmarks":
        return HandLandmarks(self.score[index], self.right[index], self.xy[index], self.world[index])


@dataclass(frozen=True, slots=True)
class FaceLandmarks:
    """`N` faces: `score` (N,); `xyz` (N, 478, 3) in pixels, z towards the scene; `blendshapes` (N, 52)."""

    score: Reals
    xyz: Reals
    blendshapes: Reals


def sigmoid(x: Reals) -> Reals:
    """The logistic function."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


class BodyNetwork:
    """A person's region -> 33 body landmarks in the image and in metres."""

    SIZE = 256

    def __init__(self, threads: int = 0, runtime: str = "auto", pictures: Pictures | None = None) -> None:
        self._network = Network("pose_landmark_full.onnx", threads, runtime, pictures)
        self.networks = (self._network,)

    def __call__(self, images: ImageBatch, regions: Regions, hidden: Mask | None = None) -> BodyLandmarks:
        """Landmarks in each of the N `regions` of the images, of which something may be `hidden`."""
        raw, flag, xy, world = self._network.look(images, regions, self.SIZE, self._refined, hidden)()
        n = len(regions)
        return BodyLandmarks(
            score=flag.reshape(n),
            xy=to_image(xy.reshape(n, 39, 2), regions, self.SIZE),
            visibility=sigmoid(raw.reshape(n, 39, 5)[..., 3]),
            world=turn(world.reshape(n, 39, 3), regions),
        )

    def _refined(self, outputs: Outputs) -> Outputs:
        """The outputs, the refined landmarks in place of the heatmaps."""
        raw, flag, heat, world = outputs
        raw = raw.reshape(-1, 39, 5)
        return [raw, flag, refine(raw[..., :2], heat.reshape(-1, 64, 64, 39), self.SIZE), world]


def refine(xy: Reals, heat: Reals, size: int, window: int = 7, floor: float = 0.5) -> Reals:
    """Moves landmarks (N, K, 2) to the centroid of their heatmaps (N, h, w, K; logits) in a window about them.

    As in MediaPipe's refine_landmarks_from_heatmap: only where the window's peak exceeds `floor`.
    """
    n, height, width, count = heat.shape
    step = size / width
    half = window // 2
    cell = np.clip(np.nan_to_num(xy / step, posinf=0, neginf=0), -1e6, 1e6).astype(np.intp)
    offsets = np.arange(-half, half + 1)
    u = cell[..., 0, None] + offsets  # (N, K, window)
    v = cell[..., 1, None] + offsets
    inside = ((v >= 0) & (v < height))[..., :, None] & ((u >= 0) & (u < width))[..., None, :]
    people = np.arange(n)[:, None, None, None]
    points = np.arange(count)[None, :, None, None]
    rows = np.clip(v, 0, height - 1)[..., :, None]
    columns = np.clip(u, 0, width - 1)[..., None, :]
    values = np.where(inside, sigmoid(heat[people, rows, columns, points]), 0)
    total = values.sum((-2, -1))
    centred = np.all((cell >= 0) & (cell < (width, height)), -1)
    accept = centred & (values.max((-2, -1)) >= floor)
    safe = np.maximum(total, 1e-9)
    x = (values * columns).sum((-2, -1)) / safe * step
    y = (values * rows).sum((-2, -1)) / safe * step
    return np.where(accept[..., None], np.stack([x, y], -1), xy).astype(np.float32)


class HandNetwork:
    """A hand's region -> 21 landmarks, a score and the side; a rough region is framed by a smaller network first."""

    SIZE = 224
    CROP_SIZE = 256

    def __init__(self, threads: int = 0, runtime: str = "auto", pictures: Pictures | None = None) -> None:
        self._recrop = Network("hand_recrop.onnx", threads, runtime, pictures)
        self._network = Network("hand_landmark_full.onnx", threads, runtime, pictures)
        self.networks = (self._recrop, self._network)

    def frame(self, images: ImageBatch, regions: Regions) -> Regions:
        """The tight regions inside rough ones that were guessed from the body's wrist and knuckles."""
        points = self._recrop.look(images, regions, self.CROP_SIZE)()[0].reshape(len(regions), 2, 2)
        q = to_image(points, regions, self.CROP_SIZE)
        up = q[:, 1] - q[:, 0]
        side = 2 * np.hypot(up[:, 0], up[:, 1])
        angle = np.arctan2(up[:, 1], up[:, 0]) + np.pi / 2
        return Regions(q[:, 0], side, angle).shifted(0, -0.1)

    def __call__(self, images: ImageBatch, regions: Regions) -> HandLandmarks:
        """Landmarks in each of the N `regions` of the images."""
        return self.begin(images, regions)()

    def begin(self, images: ImageBatch, regions: Regions) -> Callable[[], HandLandmarks]:
        """What waits for them, where the network runs on a GPU."""
        coming = self._network.look(images, regions, self.SIZE)
        return lambda: self._landmarks(coming(), regions)

    def _landmarks(self, outputs: Outputs, regions: Regions) -> HandLandmarks:
        raw, flag, right, world = outputs
        n = len(regions)
        return HandLandmarks(
            score=flag.reshape(n),
            right=right.reshape(n),
            xy=to_image(raw.reshape(n, 21, 3)[..., :2], regions, self.SIZE),
            world=turn(world.reshape(n, 21, 3), regions),
        )


def few(threads: int) -> int:
    """Threads for a network of many small layers, which on two is slower than on one: a quarter of `threads`."""
    return max((threads or len(os.sched_getaffinity(0))) // 4, 1)


class FaceNetwork:
    """A face's region -> 478 landmarks and from them 52 blendshape coefficients."""

    SIZE = 256

    def __init__(self, threads: int = 0, runtime: str = "auto", pictures: Pictures | None = None) -> None:
        threads = few(threads)
        self._network = Network("face_landmarks_detector.onnx", threads, runtime, pictures)
        self._blendshapes = Network("face_blendshapes.onnx", threads, runtime, pictures, rows_alone=True)
        self.networks = (self._network, self._blendshapes)
        self._points: Array | None = None

    def __call__(self, images: ImageBatch, regions: Regions) -> FaceLandmarks:
        """Landmarks in each of the N `regions` of the images."""
        return self.begin(images, regions)()

    def begin(self, images: ImageBatch, regions: Regions) -> Callable[[], FaceLandmarks]:
        """What waits for them, where the networks run on a GPU."""
        beside = self._network.on_device and self._blendshapes.device == self._network.device

        def with_blendshapes(outputs: list[Array], rows: slice) -> list[Array]:
            maps = regions[rows].affine(self.SIZE)
            return [*outputs[:2], self._blendshapes.run_there(self._points_there(outputs[0], maps))]

        coming = self._network.look(images, regions, self.SIZE, chain=with_blendshapes if beside else None)
        return lambda: self._landmarks(coming(), regions, beside)

    def _points_there(self, raw: Array, maps: Reals) -> Array:
        """The points (N, 146, 2) that the blendshapes are read from, in the image's pixels, on the GPU."""
        from pymafx_live.engines.imaging.device import moved, sent

        if self._points is None:
            self._points = sent(BLENDSHAPE_POINTS, raw.device)
        return moved(raw.reshape(-1, 478, 3).index_select(1, self._points)[..., :2], maps)

    def _landmarks(self, outputs: Outputs, regions: Regions, beside: bool) -> FaceLandmarks:
        """The landmarks; the blendshapes are the third output where they were found `beside` them."""
        n = len(regions)
        points = outputs[0].reshape(n, 478, 3)
        xy = to_image(points[..., :2], regions, self.SIZE)
        depth = points[..., 2:] * (regions.side / self.SIZE)[:, None, None]
        found = outputs[2] if beside else self._blendshapes.run(xy[:, BLENDSHAPE_POINTS])[0]
        flag, blendshapes = outputs[1], found.reshape(n, 52)
        whole = (blendshapes != NOTHING).all(1)  # a face without its expression is none
        return FaceLandmarks(
            score=np.where(whole, sigmoid(flag.reshape(n)), np.float32(0)),
            xyz=np.concatenate([xy, depth], -1),
            blendshapes=blendshapes,
        )


# The 146 of the 478 face landmarks that the blendshape network reads (MediaPipe's face_blendshapes_graph).
BLENDSHAPE_POINTS = np.array([
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70,
    78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149,
    150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195,
    197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300,
    308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375,
    377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454,
    466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
])  # fmt: skip
