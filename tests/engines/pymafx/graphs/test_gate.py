"""What a runtime has built is used only once it gave what the network gives, in every batch size and every run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `torch` is not installed")

from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.pymafx.graphs import gate as gates
from pymafx_live.engines.pymafx.graphs.gate import Gate, StrayedError
from pymafx_live.engines.pymafx.graphs.open import open_graphs
from pymafx_live.engines.pymafx.spec import GRAPHS
from pymafx_live.engines.runtime import RunnerOptions
from support.fakes import load_fake

Arrays = dict[str, Any]
Spoil = Callable[[str, int, int, Arrays], Arrays]
"""Graph, run of this size, size, outputs -> outputs."""


class Plain:
    """A graph whose outputs follow from all its inputs by numpy, and which counts its runs by batch size."""

    runtime, device, about = "stand-in", "cpu", "Stand-in 1.0 on NVIDIA Nothing"

    def __init__(self, name: str, spoil: Spoil) -> None:
        self.inputs, self.outputs = GRAPHS[name].inputs, GRAPHS[name].outputs
        self.runs: dict[int, int] = {}
        self._name, self._spoil, self.closed = name, spoil, False

    def run(self, inputs: Mapping[str, Any]) -> Arrays:
        n = len(inputs["crops"])
        self.runs[n] = self.runs.get(n, 0) + 1
        told = sum(np.float64(v).reshape(n, -1).mean(1) / (255 if k == "crops" else 1) for k, v in inputs.items())
        made: Arrays = {}
        for k, (key, spec) in enumerate(self.outputs.items()):
            shape = [int(size or 1) for size in spec.shape[1:]]
            made[key] = np.broadcast_to(np.float32(told + k).reshape(n, *[1] * len(shape)), (n, *shape)).copy()
            if shape[-2:] == [3, 3]:
                made[key] = np.broadcast_to(np.eye(3, dtype=np.float32), (n, *shape)).copy()
        return self._spoil(self._name, self.runs[n], n, made)

    def close(self) -> None:
        self.closed = True


def well(name: str, run: int, size: int, made: Arrays) -> Arrays:
    return made


def graphs(spoil: Spoil = well) -> dict[str, Any]:
    return {name: Plain(name, spoil) for name in GRAPHS}


def gate(tmp_path: Path, asked: list[str] | None = None, driver: str = "580") -> Gate:
    def reference() -> dict[str, Any]:
        if asked is not None:
            asked.append("reference")
        return graphs()

    return Gate(tmp_path, lambda precision: ("files", driver), reference, (1, 2, 4), lambda step: None)


def test_every_size_is_run_until_it_replays(tmp_path: Path) -> None:
    opened = gate(tmp_path).open("mixed", lambda precision: graphs())
    for size in (1, 2, 4):
        assert opened["hands"].runs[size] >= gates.RUNS and opened["body"].runs[size] >= gates.RUNS


@pytest.mark.parametrize("graph", list(GRAPHS))
@pytest.mark.parametrize(("size", "run"), [(1, 1), (2, 3), (4, 3), (4, 4)])
def test_one_wrong_run_of_one_size_fails(tmp_path: Path, graph: str, size: int, run: int) -> None:
    """As a replay that gives what another batch got."""

    def spoil(name: str, at: int, n: int, made: Arrays) -> Arrays:
        spoiled = (name, n, at) == (graph, size, run)
        return {key: value + np.float32(0.2) if spoiled else value for key, value in made.items()}

    made: list[Any] = []

    def opened(precision: str) -> dict[str, Any]:
        made.append(graphs(spoil))
        return made[-1]  # type: ignore[no-any-return]

    with pytest.raises(StrayedError, match=r"PyMAF-X in fp32 strays from the network on Stand-in 1.0 .*use another"):
        gate(tmp_path).open("fp32", opened)
    assert all(runner.closed for runner in made[0].values())


def test_no_number_fails(tmp_path: Path) -> None:
    spoiled = graphs(lambda name, run, n, made: {key: value * np.float32("nan") for key, value in made.items()})
    with pytest.raises(StrayedError):
        gate(tmp_path).open("fp32", lambda precision: spoiled)


def test_the_next_safer_precision_is_tried_and_both_verdicts_are_remembered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[str] = []
    asked: list[str] = []

    def opened(precision: str) -> dict[str, Any]:
        tried.append(precision)
        off = np.float32(0.1 if precision == "mixed" else 0)
        return graphs(lambda name, run, n, made: {key: value + off for key, value in made.items()})

    gate(tmp_path, asked).open("mixed", opened)
    assert tried == ["mixed", "wide"] and len(asked) == 2
    assert "strays from the network" in caplog.text and "The precision wide is tried." in caplog.text
    gate(tmp_path, asked).open("mixed", opened)
    assert tried == ["mixed", "wide", "wide"] and len(asked) == 2  # the bad engine is not even loaded
    gate(tmp_path, asked, driver="590").open("mixed", opened)
    assert tried[3:] == ["mixed", "wide"] and len(asked) == 4


def test_where_none_passes_it_is_an_error(tmp_path: Path) -> None:
    def opened(precision: str) -> dict[str, Any]:
        return graphs(lambda name, run, n, made: {key: value + 1 for key, value in made.items()})

    for _ in range(2):
        with pytest.raises(NetworkError, match="PyMAF-X in fp32 strays"):
            gate(tmp_path).open("mixed", opened)


def test_a_fault_of_running_is_no_verdict(tmp_path: Path) -> None:
    def fail(name: str, run: int, n: int, made: Arrays) -> Arrays:
        raise NetworkError("the memory ran out.")

    broken = graphs(fail)
    with pytest.raises(NetworkError, match="the memory ran out"):
        gate(tmp_path).open("fp32", lambda precision: broken)
    assert all(runner.closed for runner in broken.values())
    assert gate(tmp_path).open("fp32", lambda precision: graphs())


def test_damaged_verdicts_and_a_folder_that_takes_none_are_looked_at_again(tmp_path: Path) -> None:
    asked: list[str] = []
    gate(tmp_path, asked).open("fp32", lambda precision: graphs())
    (verdict,) = tmp_path.glob("gate-*.json")
    for damaged in ("", "[]", "{", '{"verdict": 3}'):
        verdict.write_text(damaged)
        gate(tmp_path, asked).open("fp32", lambda precision: graphs())
    assert len(asked) == 5
    (tmp_path / "file").touch()
    for _ in range(2):
        gate(tmp_path / "file", asked).open("fp32", lambda precision: graphs())
    assert len(asked) == 7


@pytest.mark.slow
def test_the_live_run_passes_it_on_tensorrts_stand_in(
    graphs: Any, prepared_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The real graphs through the real runner: the first start judges, the second one does not."""
    from pymafx_live.engines.runtime import selection
    from pymafx_live.engines.runtime.tensorrt import opening
    from pymafx_live.engines.runtime.tensorrt.flavour import STANDARD, Flavour
    from pymafx_live.engines.runtime.tensorrt.gpu import Gpu
    from pymafx_live.engines.runtime.tensorrt.memory import HostMemory

    fake = load_fake()
    flavour, card = Flavour(STANDARD, fake, "11.4"), Gpu("NVIDIA H100", (9, 0), "580", 80 << 30)
    stand_in = SimpleNamespace(
        available=lambda: None,
        identity=lambda device=0: (flavour.title, card.name, card.sm, card.driver),
        open_tensorrt=lambda model, options: opening.open_on(opening.Site(flavour, card, HostMemory()), model, options),
    )
    module = selection._module
    monkeypatch.setattr(selection, "_module", lambda name: stand_in if name == "tensorrt" else module(name))
    monkeypatch.setattr(selection, "_need_package", lambda name: None)
    said: list[str] = []
    options = RunnerOptions(max_batch=1, cache=tmp_path, progress=said.append)
    for start in range(2):
        opened = open_graphs(prepared_dir, "tensorrt", "fp32", options, said.append)
        for runner in opened.values():
            runner.close()
        assert sum("comparing what was built in fp32" in step for step in said) == 1
        assert fake.seen.builds == 3 and (start or fake.seen.executions)


def test_wide_has_halves_in_the_encoders_alone_and_reads_their_maps_as_float32_does(prepared_dir: Path) -> None:
    import torch
    from pymafx_live.engines.pymafx.files.prepare import load_network
    from pymafx_live.engines.pymafx.graphs.modules import load_modules

    wide = {name: module.state_dict() for name, module in load_modules(prepared_dir, "wide").items()}
    for state in wide.values():
        halves = {key for key, value in state.items() if value.dtype == torch.float16}
        assert halves == {k for k, v in state.items() if ".encoder." in k and v.is_floating_point()} != set()
    features, plain = load_modules(prepared_dir, "wide")["face"].face.features, load_network(prepared_dir).face.features
    maps = [torch.randn(2, 256, size, size, generator=torch.Generator().manual_seed(size)).half() for size in (14, 28)]
    points = torch.rand(2, plain[1].position.shape[0] - plain[1].grid.shape[0], 2) * 2 - 1
    for k, given in enumerate(maps):
        with torch.inference_mode():
            assert torch.equal(features[k](given, points), plain[k](given.float(), points))
