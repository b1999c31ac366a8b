"""The steps themselves, on the processor in a card's place."""

import json
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `torch` is not installed")
pytest.importorskip("onnx")

from pymafx_live.bench.gpu import __main__ as command
from pymafx_live.bench.gpu import calls, crowd, machine, scratch, small
from pymafx_live.bench.gpu import settings as bench_settings
from pymafx_live.bench.gpu.course import run_course
from pymafx_live.bench.gpu.decoding import try_decoding
from pymafx_live.bench.gpu.journal import FAILED, OK, Journal
from pymafx_live.bench.gpu.settings import Bench
from pymafx_live.bench.gpu.steps import OF_PYMAFX, SECONDS, STEPS
from pymafx_live.bench.gpu.table import report
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.imaging import nv12
from pymafx_live.engines.pymafx.spec import GRAPHS
from pymafx_live.engines.runtime.tensorrt.flavour import RTX, STANDARD, Flavour
from pymafx_live.engines.runtime.tensorrt.gpu import Gpu, UnavailableError, too_old
from pymafx_live.engines.runtime.tensorrt.memory import HostMemory
from pymafx_live.engines.runtime.tensorrt.opening import Site, open_on
from support.fakes import load_fake
from support.gpu_pipeline import small_graph
from support.steps import failing

LIMIT = 600.0
CHEAP = ("machine", "small network", "imaging", "clips", "decoding", "landmark networks", "detector")
"""Steps that need no file of PyMAF-X."""
PIPELINE = ("machine", "clips", "one person", "four people", "changes", "restart", "memory")
CARD = Gpu("NVIDIA GeForce RTX 4090", (8, 9), "580", 24 << 30)


class Kept:
    """Notes that a test looks at."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.said: list[str] = []

    def add(self, row: str, figures: Any) -> None:
        self.rows.setdefault(row, {}).update(figures)

    def say(self, text: str) -> None:
        self.said.append(text)

    def left(self) -> float:
        return LIMIT


@pytest.fixture
def fake() -> ModuleType:
    """A stand-in for TensorRT's binding, of its own."""
    return load_fake()


def bench(tmp_path: Path, assets: Path = Path("none"), **given: Any) -> Bench:
    sizes = {"frames": 14, "repeats": 2, "seconds": 1.0, **given}
    return Bench(assets, tmp_path / "clips", "onnxruntime", "auto", "cpu", **sizes)


def need_detector() -> None:
    from pymafx_live.core.errors import AssetError
    from pymafx_live.engines.detectors.demo_weights import demo_weights

    try:
        demo_weights()
    except AssetError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", [STANDARD, RTX])
def test_the_small_network_goes_through_tensorrts_stand_in(
    name: str, fake: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches, replays and two threads; both runners share one folder of engines, so that one is built."""

    def opened(self: Bench, model: Path, say: Any, max_batch: int | None = None) -> Any:
        site = Site(Flavour(name, fake, "1.7"), CARD, HostMemory())
        return open_on(site, model, self.options(say))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(Bench, "open", opened)
    notes = Kept()
    small.try_small_network(bench(tmp_path), notes)
    assert fake.seen.builds == 1 and set(fake.seen.batches) == {1, 2, 4, 8}
    assert {f"batch {n}" for n in range(1, 9)} | {"two threads", "built and loaded"} <= set(notes.rows)
    assert notes.rows["two threads"]["worst"] < small.NEAR


@pytest.mark.parametrize("name", [STANDARD, RTX])
def test_scratch_memory_is_compared_on_tensorrts_stand_in(
    name: str, fake: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(model: Path, runtime: str, options: Any) -> Any:
        return open_on(Site(Flavour(name, fake, "1.7"), CARD, HostMemory()), model, options)

    files = {graph: small_graph(graph, tmp_path) for graph in GRAPHS}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(bench_settings, "open_runner", opened)
    monkeypatch.setattr(scratch, "graph_files", lambda assets, precision, say: files)
    notes = Kept()
    scratch.compare_scratch(replace(bench(tmp_path), runtime="tensorrt"), notes)
    assert fake.seen.builds == 3 and len(fake.seen.configs) == 24
    assert {getattr(config, "strategy", config).name for config in fake.seen.configs} == {"USER_MANAGED", "STATIC"}
    for graph in GRAPHS:
        for batch in (1, 8):
            row = notes.rows[f"{graph}, batch {batch}"]
            assert set(row) == {"shared p50", "own p50"} and min(row.values()) > 0


def test_a_replay_of_old_inputs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a graph does that was captured with other addresses: from the third run on it gives the second's result."""
    original = Bench.open

    def opened(self: Bench, model: Path, say: Any, max_batch: int | None = None) -> Any:
        runner = original(self, model, say)
        run, kept = runner.run, []

        def stale(inputs: Any) -> Any:
            kept.append(run(inputs))
            return kept[1] if len(kept) > 2 else kept[-1]

        runner.run = stale  # type: ignore[method-assign]
        return runner

    monkeypatch.setattr(Bench, "open", opened)
    with pytest.raises(NetworkError, match=r"out is off by .*: batch 1, inputs 2\."):
        small.try_small_network(bench(tmp_path), Kept())


def test_what_does_not_run_on_the_card_is_said(tmp_path: Path) -> None:
    model = small.small_network(tmp_path / "small.onnx")
    on_card = Bench(Path("none"), tmp_path, "onnxruntime", device="cuda")
    with pytest.raises(NetworkError, match=r"runs on ONNX Runtime .* on the processor, not on the GPU"):
        on_card.open(model, print)


def test_crowds_are_found_by_the_detector(tmp_path: Path) -> None:
    need_detector()
    from pymafx_live.bench.gpu.networks import try_detector

    notes = Kept()
    try_detector(bench(tmp_path), notes)
    assert notes.rows["1 people"]["found"] == 1 and notes.rows["4 people"]["found"] == 4


def test_a_clip_has_its_people_and_frames(tmp_path: Path) -> None:
    import av

    path = crowd.write_clip(tmp_path / "clip.mp4", (1, 4), 5, (320, 180), 31)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(stream)]
        assert stream.average_rate == 31 and len(frames) == 10 and frames[0].shape == (180, 320, 3)
    wall = [np.abs(frame.astype(int) - frame[0, 0]).max(-1) < 20 for frame in (frames[0], frames[-1])]
    assert wall[0].mean() > 0.6 > wall[1].mean()


def test_frames_that_stay_on_the_device_are_compared_with_the_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, notes = bench(tmp_path), Kept()
    try_decoding(here, notes)
    assert notes.rows["processor"]["worst"] == 0 and 0 < notes.rows["processor, NV12"]["worst"] <= 3
    assert all(row["p50"] > 0 for row in notes.rows.values())
    monkeypatch.setattr(nv12, "BT601", (0.114, 0.299))  # red and blue in each other's place
    with pytest.raises(NetworkError, match=r"^processor, NV12: a frame is off by [\d.]+ of 255 on average\.$"):
        try_decoding(here, Kept())

    def refuse(frame: Any) -> Any:
        raise NotImplementedError("unsupported sw_format for DLPack export")

    monkeypatch.setattr(nv12, "planes_of", refuse)
    notes = Kept()
    with pytest.raises(NetworkError, match="processor, NV12: unsupported sw_format"):
        try_decoding(here, notes)
    assert notes.rows["processor"]["p50"] > 0 and "unsupported" in notes.rows["processor, NV12"]["failed"]


@pytest.mark.slow
def test_every_cheap_step_goes_well_and_survives_a_fault(tmp_path: Path) -> None:
    need_detector()
    journal = Journal(tmp_path / "gpu.json", {})
    cheap = [step.lasting(LIMIT) for step in STEPS if step.name in CHEAP]
    run_course([*cheap, *map(failing, cheap)], bench(tmp_path), journal, 2 * LIMIT)
    entries = json.loads((tmp_path / "gpu.json").read_text())["steps"]
    for entry in entries[: len(cheap)]:
        assert entry["state"] == OK and entry["figures"], entry
    for entry in entries[len(cheap) :]:
        assert entry["state"] == FAILED and "the test has put in" in entry["error"] and entry["figures"]


@pytest.mark.slow
def test_the_pipeline_is_played_in_every_way_and_survives_a_fault(tmp_path: Path) -> None:
    """With the embedded engine, which a processor runs in time."""
    need_detector()
    journal = Journal(tmp_path / "gpu.json", {})
    steps = [step.lasting(LIMIT) for step in STEPS if step.name in PIPELINE]
    course = [*steps, *map(failing, steps)]
    seconds = 2 * sum(step.seconds + step.kept for step in course)
    run_course(course, bench(tmp_path, engine="landmarks"), journal, seconds)
    entries = json.loads((tmp_path / "gpu.json").read_text())["steps"]
    told = {entry["name"]: entry for entry in entries[: len(steps)]}
    assert all(entry["state"] == OK for entry in told.values()), told
    ways = {f"{pace}, overlap {how}" for pace in ("paced", "unpaced") for how in ("on", "off")}
    assert ways < set(told["one person"]["figures"])
    assert told["one person"]["figures"]["unpaced, overlap on"]["found"] == 1
    assert told["four people"]["figures"]["unpaced, overlap off"]["found"] == 4
    assert told["changes"]["figures"]["1 to 4 to 1"]["found in part 2"] == 4
    assert told["changes"]["figures"]["another size"]["found"] == 1
    assert told["restart"]["figures"]["restart"]["built"] == 0
    assert told["memory"]["figures"]["memory"]["frames"] > 0
    assert "| four people, unpaced, overlap off |" in report(journal.document())
    for entry in entries[len(steps) :]:
        assert entry["state"] == FAILED and "the test has put in" in entry["error"]


@pytest.mark.slow
def test_pymafx_is_gated_and_timed_and_survives_a_fault(graphs: Any, prepared_dir: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "gpu.json", {})
    steps = [step.lasting(LIMIT) for step in STEPS if step.name in ("machine", *OF_PYMAFX)]
    run_course([*steps, *map(failing, steps)], bench(tmp_path, prepared_dir), journal, 10 * LIMIT)
    entries = json.loads((tmp_path / "gpu.json").read_text())["steps"]
    told = {entry["name"]: entry for entry in entries[: len(steps)]}
    assert all(entry["state"] == OK for entry in told.values()), told
    assert told["gate"]["figures"]["passed"] == {"precision": "fp32"}
    assert set(told["times"]["figures"]) == {f"{g}, batch {n}" for g in ("hands", "face", "body") for n in (1, 2, 4, 8)}
    assert "| all, 2 people | |" in report(journal.document())
    for entry in entries[len(steps) :]:
        assert entry["state"] == FAILED and "the test has put in" in entry["error"]


@pytest.mark.parametrize("missing", ["driver", "library"])
def test_the_first_step_ends_with_the_remedy(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remedy = too_old("535.10", 12020, "13.0")
    assert remedy is not None

    def found(index: int = 0) -> Gpu:
        if missing == "driver":
            raise UnavailableError(remedy)
        return CARD

    def flavour(gpu: Gpu) -> Flavour:
        raise UnavailableError("neither can be imported")

    monkeypatch.setattr(machine, "find_gpu", found)
    monkeypatch.setattr(machine, "find_flavour", flavour)
    monkeypatch.setattr(machine, "_rate_card", lambda notes: None)
    notes = Kept()
    said = r"update the driver to 580 or later, or install .*tensorrt-cu12" if missing == "driver" else "neither can"
    with pytest.raises(NetworkError, match=said):
        machine.look_at_machine(Bench(tmp_path, tmp_path), notes)
    assert ("card" in notes.rows) == (missing == "library") and notes.rows["packages"]["torch"]
    if missing == "library":
        machine.look_at_machine(Bench(tmp_path, tmp_path, "torch"), notes)
        assert notes.rows["card"] == {
            "name": CARD.name, "capability": "SM89", "driver": "580", "memory": CARD.memory, "CUDA": 0,
            "TensorRT": "no TensorRT",
        }  # fmt: skip


def test_the_pipeline_has_its_time_whatever_the_steps_before_take() -> None:
    names = [step.name for step in STEPS]
    assert names[0] == "machine" and names[-1] == "memory"
    for k, step in enumerate(STEPS):
        assert set(step.needs) <= set(names[:k])
    assert all(step.kept >= 20 for step in STEPS if step.name in PIPELINE[2:-1])
    first = [step.seconds for step in STEPS if step.name in CHEAP]
    assert sum(first) + 200 < SECONDS - sum(step.kept for step in STEPS)  # for the export and the builds


def test_calls_are_counted_by_frame() -> None:
    def event(key: str, count: int, micros: float) -> SimpleNamespace:
        return SimpleNamespace(key=key, count=count, self_cpu_time_total=micros)

    events = [
        event("cudaStreamSynchronize", 20, 8000), event("cudaEventSynchronize", 10, 2000), event("aten::add", 99, 1),
        event("cudaLaunchKernel", 500, 900), event("cudaGraphLaunch", 30, 50), event("cudaMemcpyAsync", 40, 60),
    ]  # fmt: skip
    assert calls.counts(events, 10) == {"waits": 3, "launches": 50, "graphs": 3, "copies": 4, "waiting": 1.0}


def test_a_card_is_chosen_for_all_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    command._choose_card("1")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    command._choose_card("1")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"


def test_without_a_gpu_the_remedy_is_said_and_the_rest_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    file = tmp_path / "gpu.json"
    assert command.main(["--assets", str(tmp_path), "--json", str(file)]) == 3
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == ("gpu: nothing can be measured: no NVIDIA GPU with a working driver was found.")
    first, *others = json.loads(file.read_text())["steps"]
    assert first["state"] == FAILED and first["figures"]["packages"] and len(others) == len(STEPS) - 1
    assert {entry["error"] for entry in others} <= {"it needs the step 'machine'"}


@pytest.mark.parametrize(
    ("given", "said"),
    [(["--only", "nothing"], "there is no step 'nothing'"), (["--device", "gpu"], "there is no device 'gpu'")],
)
def test_a_wrong_flag_is_said(given: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert command.main(["--assets", str(tmp_path), "--json", str(tmp_path / "gpu.json"), *given]) == 2
    assert said in capsys.readouterr().err
