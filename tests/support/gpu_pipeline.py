"""The pipeline as it runs on a GPU, on the fake one: its own code for TensorRT and CUDA, and a stand-in for TensorRT.

The detector and the landmark networks are the real ones. PyMAF-X's graphs are small ones with its inputs and outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from pymafx_live.core.types import Camera, Estimate, Frame, Scene, Track
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.imaging import Pictures, pictures
from pymafx_live.engines.pymafx.engine import PymafxEngine
from pymafx_live.engines.pymafx.estimator import Estimator
from pymafx_live.engines.pymafx.spec import GRAPHS
from pymafx_live.engines.pymafx.views import LandmarkViews
from pymafx_live.engines.runtime import Runner, RunnerOptions
from pymafx_live.engines.runtime.interface import TensorSpec
from pymafx_live.engines.runtime.tensorrt.flavour import STANDARD, Flavour
from pymafx_live.engines.runtime.tensorrt.gpu import Gpu
from pymafx_live.trackers.bytetrack import ByteTrack
from support.parts import create_detector, create_tracker

CARD = Gpu("NVIDIA L4", (8, 9), "580.65", 24 << 30)
FPS = 25.0


def clip_frames(people: int, count: int) -> list[NDArray[np.uint8]]:
    """Frames (720, W, 3) of the clip that ships with 1 person, or with 4: its two, twice beside each other."""
    first = {1: 0, 4: 72}[people]
    with av.open(str(files("pymafx_live.engines.data") / "demo.mp4")) as video:
        shown = islice(video.decode(video=0), first, first + count)
        images = [frame.to_ndarray(format="bgr24") for frame in shown]
    return images if people == 1 else [np.concatenate([image[:, :800]] * 2, 1) for image in images]


def small_graph(name: str, path: Path) -> Path:
    """A network with the inputs and outputs of one of PyMAF-X's graphs: people at rest, moved by what goes in."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph, rng = GRAPHS[name], np.random.default_rng(len(name))
    nodes, constants = [], {"row": np.array([0, -1], np.int64), "axis": np.array([1], np.int64)}
    means = []
    for key in graph.inputs:
        nodes += [
            helper.make_node("Cast", [key], [f"{key}/floats"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze" if key == "is_left" else "Reshape",
                             [f"{key}/floats", "axis" if key == "is_left" else "row"], [f"{key}/row"]),
            helper.make_node("ReduceMean", [f"{key}/row", "axis"], [f"{key}/mean"], keepdims=1),
        ]  # fmt: skip
        means.append(f"{key}/mean")
    nodes.append(helper.make_node("Sum", means, ["all"]))
    for key, spec in graph.outputs.items():
        shape = [n or 1 for n in spec.shape[1:]]
        base = np.broadcast_to(np.eye(3), shape) if "rotmat" in key else np.full(shape, 0.9)
        constants[f"{key}/base"] = base.astype(np.float32).reshape(1, -1)
        constants[f"{key}/gain"] = rng.normal(0, 1e-4, (1, base.size)).astype(np.float32)
        constants[f"{key}/shape"] = np.array([0, *shape], np.int64)
        nodes += [
            helper.make_node("MatMul", ["all", f"{key}/gain"], [f"{key}/moved"]),
            helper.make_node("Add", [f"{key}/moved", f"{key}/base"], [f"{key}/flat"]),
            helper.make_node("Reshape", [f"{key}/flat", f"{key}/shape"], [key]),
        ]
    kinds = {"uint8": TensorProto.UINT8, "bool": TensorProto.BOOL, "float32": TensorProto.FLOAT}

    def value(key: str, spec: TensorSpec) -> Any:
        return helper.make_tensor_value_info(key, kinds[spec.dtype], ["N", *spec.shape[1:]])

    model = helper.make_model(
        helper.make_graph(
            nodes, name,
            [value(k, s) for k, s in graph.inputs.items()], [value(k, s) for k, s in graph.outputs.items()],
            [numpy_helper.from_array(v, k) for k, v in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
    )  # fmt: skip
    model.ir_version = 10
    onnx.save(model, path / f"{name}.onnx")
    return path / f"{name}.onnx"


@dataclass
class GpuPipeline:
    """Detector, tracker and PyMAF-X's engine, which are given frame after frame."""

    detector: Any
    tracker: ByteTrack
    engine: PymafxEngine
    frames: int = 0

    def run(self, image: NDArray[np.uint8]) -> tuple[list[Track], Estimate]:
        """What is found in the next frame."""
        return self.estimate(image, self.detect(image))

    def detect(self, image: NDArray[np.uint8]) -> list[Track]:
        """The tracks in it."""
        boxes, scores = self.detector.detect([image])[0]
        return self.tracker.update(boxes, scores, self.frames / FPS)

    def estimate(self, image: NDArray[np.uint8], tracks: Sequence[Track]) -> tuple[list[Track], Estimate]:
        """The people of those tracks."""
        height, width = image.shape[:2]
        camera = Camera(width, height, width, width, width / 2, height / 2)
        frame = Frame(image, "clip", self.frames, self.frames / FPS, 0.0, camera)
        self.frames += 1
        return list(tracks), self.engine.estimate([Scene(frame, tracks)])

    def restart(self) -> None:
        """Forgets everybody."""
        self.engine.forget("clip")
        self.tracker = create_tracker()

    def close(self) -> None:
        """Frees the networks."""
        self.detector.close()
        self.engine.close()


def open_pipeline(folder: Path, trt: ModuleType | None, patch: pytest.MonkeyPatch) -> GpuPipeline:
    """All of it on the GPU where `trt` says what to run networks with, and on the processor without."""
    from pymafx_live.engines.detectors import yolo_onnx
    from pymafx_live.engines.landmarks import networks
    from pymafx_live.engines.landmarks.perception import Perception
    from pymafx_live.engines.runtime import open_runner
    from pymafx_live.engines.runtime.tensorrt.memory import CudaMemory
    from pymafx_live.engines.runtime.tensorrt.opening import Site, open_on

    def opened(path: Path, runtime: str, options: RunnerOptions) -> Runner:
        if trt is None:
            return open_runner(path, "onnxruntime", options)
        site = Site(Flavour(STANDARD, trt, trt.__version__), CARD, CudaMemory())
        return open_on(site, path, replace(options, cache=folder / "engines"))

    patch.setenv("XDG_CACHE_HOME", str(folder))
    for module in (networks, yolo_onnx):
        patch.setattr(module, "open_runner", opened)
    patch.setattr(yolo_onnx, "may_use_gpu", lambda runtime: trt is not None)
    patch.setattr(pictures, "_torch_has_cuda", lambda: trt is not None)
    shown = Pictures()
    detector = create_detector(threads=1, pictures=shown)
    views = LandmarkViews(Perception(1, "auto", shown))
    graphs = {name: opened(small_graph(name, folder), "auto", RunnerOptions()) for name in GRAPHS}
    body = BodyModel.embedded()
    engine = PymafxEngine(Estimator(graphs, 8), views, body, pictures=shown)
    return GpuPipeline(detector, create_tracker(), engine)
