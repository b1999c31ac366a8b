"""The five embedded networks, each a small class with preprocessing, inference and postprocessing.

They are MediaPipe's (Apache-2.0; `engines/data/README.md`). What goes in and out was read off the networks;
the heatmap refinement and the order of the blendshape points follow MediaPipe's published graphs.
"""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Mask, Reals
from pymafx_live.core.errors import NetworkError
from pymafx_live.core.interfaces import log_progress
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks.cutter import Cutter
from pymafx_live.engines.landmarks.gpu_graphs import BLENDSHAPE_POINTS, CELLS, CROPS, MAPS, SEEN, for_gpu
from pymafx_live.engines.landmarks.regions import ImageBatch, Regions, crop, to_image, turn
from pymafx_live.engines.runtime import Fetch, RunnerOptions, for_onnx, open_runner
from pymafx_live.engines.runtime.interface import Array

Outputs = list[Reals]
Finish = Callable[[Outputs], Outputs]
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
        cutter: Cutter | None = None,
        *,
        rows_alone: bool = False,
    ) -> None:
        """Loads `name` from the package's data; `threads` 0 lets the runtime choose. `cutter` shows it the frames.

        `rows_alone` runs one row at a time on a processor: what ONNX Runtime makes of a matrix product depends on
        whether there is one row or more, by a few units in the last place. Convolutions give the same either way.

        Raises `AssetError` when the file is missing or damaged, `NetworkError` where the runtime cannot load it,
        `UsageError` for a runtime that is unknown or not installed.
        """
        self._cutter = cutter or Cutter(Pictures())
        options = RunnerOptions(threads=threads, max_batch=MAX_BATCH, progress=log_progress, on_gpu=for_gpu)
        try:
            with as_file(files("pymafx_live.engines.data") / name) as path:
                if not self._cutter.pictures.stay_on_host("cpu"):  # which is treated as a GPU is
                    path = for_gpu(path)
                self._runner = open_runner(path, for_onnx(runtime), options)
        except NetworkError as error:
            raise NetworkError(
                f"The network {name} that ships with pymafx-live cannot be used: {error} "
                "Install pymafx-live again, or give another --runtime."
            ) from error
        self._name, self._told = name, False
        self._input = next(iter(self._runner.inputs))
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
    def takes_bytes(self) -> bool:
        """Whether it is what `gpu_graphs` made of the file that ships."""
        return CROPS in self._runner.inputs

    def look(
        self,
        images: ImageBatch,
        regions: Regions,
        size: int,
        finish: Finish = list,
        hidden: Mask | None = None,
    ) -> Callable[[], Outputs]:
        """Begins with the N `regions` of the images, which are cut out where the network runs.

        What is given back waits for the outputs, where that is a GPU. These are each (N, -1), in the graph's order, on
        the processor, to keep. `finish` says what becomes of them. `hidden` is `regions.crop`'s.
        """
        if not self.takes_bytes:
            return self._begin({self._input: crop(images, regions, size, hidden)}, finish)
        given = {CROPS: self._cutter(images, regions, size, self.device)}
        if MAPS in self._runner.inputs:
            given[MAPS] = regions.affine(size).transpose(0, 2, 1)
        if SEEN in self._runner.inputs:
            all_of_it = np.ones((len(regions), CELLS, CELLS), np.float32)
            given[SEEN] = all_of_it if hidden is None else (~hidden).astype(np.float32)
        return self._begin(given, finish)

    def run(self, batch: Array) -> Outputs:
        """All outputs for `batch` (N, ...) of its only input, see `look`."""
        return self._begin({self._input: batch}, list)()

    def close(self) -> None:
        """Gives back what the runtime holds."""
        self._runner.close()

    def _begin(self, given: Mapping[str, Array], finish: Finish) -> Callable[[], Outputs]:
        count = len(given[self._input])
        starts = range(0, max(count, 1), self._largest)
        pieces = [
            self._begin_piece({name: values[i : i + self._largest] for name, values in given.items()}, finish)
            for i in starts
        ]
        return lambda: [np.concatenate(parts) for parts in zip(*(piece() for piece in pieces), strict=True)]

    def _begin_piece(self, given: Mapping[str, Array], finish: Finish) -> Callable[[], Outputs]:
        count = len(given[self._input])
        if not count:
            return lambda: [np.empty((0, 0), np.float32) for _ in self._runner.outputs]
        coming = Fetch(list(self._runner.run(given).values()))

        def wait() -> Outputs:
            return self._sound([output.reshape(count, -1) for output in finish(coming.wait())])

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

    def __init__(self, threads: int = 0, runtime: str = "auto", cutter: Cutter | None = None) -> None:
        self._network = Network("pose_landmark_full.onnx", threads, runtime, cutter)
        self.networks = (self._network,)

    def __call__(self, images: ImageBatch, regions: Regions, hidden: Mask | None = None) -> BodyLandmarks:
        """Landmarks in each of the N `regions` of the images, of which something may be `hidden`."""
        finish = list if self._network.takes_bytes else self._refined
        raw, flag, xy, world = self._network.look(images, regions, self.SIZE, finish, hidden)()
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

    def __init__(self, threads: int = 0, runtime: str = "auto", cutter: Cutter | None = None) -> None:
        self._recrop = Network("hand_recrop.onnx", threads, runtime, cutter)
        self._network = Network("hand_landmark_full.onnx", threads, runtime, cutter)
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

    def __init__(self, threads: int = 0, runtime: str = "auto", cutter: Cutter | None = None) -> None:
        threads = few(threads)
        self._network = Network("face_landmarks_detector.onnx", threads, runtime, cutter)
        self.networks: tuple[Network, ...] = (self._network,)
        if not self._network.takes_bytes:  # else its graph gives the blendshapes
            self._blendshapes = Network("face_blendshapes.onnx", threads, runtime, cutter, rows_alone=True)
            self.networks = (self._network, self._blendshapes)

    def __call__(self, images: ImageBatch, regions: Regions) -> FaceLandmarks:
        """Landmarks in each of the N `regions` of the images."""
        return self.begin(images, regions)()

    def begin(self, images: ImageBatch, regions: Regions) -> Callable[[], FaceLandmarks]:
        """What waits for them, where the networks run on a GPU."""
        coming = self._network.look(images, regions, self.SIZE)
        return lambda: self._landmarks(coming(), regions)

    def _landmarks(self, outputs: Outputs, regions: Regions) -> FaceLandmarks:
        n = len(regions)
        points = outputs[0].reshape(n, 478, 3)
        xy = to_image(points[..., :2], regions, self.SIZE)
        depth = points[..., 2:] * (regions.side / self.SIZE)[:, None, None]
        beside = self._network.takes_bytes
        found = outputs[2] if beside else self._blendshapes.run(xy[:, BLENDSHAPE_POINTS])[0]
        flag, blendshapes = outputs[1], found.reshape(n, 52)
        whole = (blendshapes != NOTHING).all(1)  # a face without its expression is none
        return FaceLandmarks(
            score=np.where(whole, sigmoid(flag.reshape(n)), np.float32(0)),
            xyz=np.concatenate([xy, depth], -1),
            blendshapes=blendshapes,
        )
