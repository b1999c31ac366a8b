"""The report that is made of the JSON: numbers that were worked out by hand."""

from typing import Any

import pytest
from pymafx_live.bench.gpu.table import floors, report


def step(name: str, figures: dict[str, Any] | None = None, state: str = "ok", **more: Any) -> dict[str, Any]:
    return {"name": name, "state": state, "seconds": 1.0, "error": "", "figures": figures or {}, "said": [], **more}


def document(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"benchmark": "gpu", "steps": list(steps)}


CARD = {"name": "NVIDIA RTX 4090", "capability": "SM89", "driver": "580.65", "TensorRT": "TensorRT-RTX 1.7"}
MACHINE = step(
    "machine", {"card": CARD, "rates": {"fp32": 5e13, "mixed": 2e14, "bytes": 1e12}, "packages": {"torch": "2.14"}}
)
PASSED = step("gate", {"passed": {"precision": "mixed"}})
TIMES = step(
    "times",
    {
        # 0.2 TFLOP at 200 TFLOP/s: 1 ms; 0.1 GB at 1 TB/s: 0.1 ms
        "body, batch 1": {"p50": 3.5, "event p50": 3.0, "flops": 2e11, "weights": 1e8},
        # 0.002 TFLOP: 0.01 ms; 0.5 GB: 0.5 ms
        "face, batch 1": {"p50": 0.9, "event p50": 0.55, "flops": 2e9, "weights": 5e8},
        "hands, batch 2": {"p50": 2.6, "event p50": 2.5, "flops": 4e11, "weights": 1e8},
    },
)


def test_floors_are_products_or_bytes_at_the_machines_rates() -> None:
    found = floors(document(MACHINE, PASSED, TIMES))
    assert found["body, batch 1"] == pytest.approx((3.0, 1.0))
    assert found["face, batch 1"] == pytest.approx((0.55, 0.5))
    slower = floors(document(MACHINE, step("gate", {"passed": {"precision": "fp32"}}), TIMES))
    assert slower["body, batch 1"] == pytest.approx((3.0, 4.0))


def test_the_report_is_a_table_and_says_what_is_over_its_floor() -> None:
    told = report(document(MACHINE, PASSED, TIMES))
    assert told.startswith("NVIDIA RTX 4090 (SM89), driver 580.65, TensorRT-RTX 1.7; torch 2.14; precision: mixed;")
    assert "| body, batch 1 | 3.5 | 3.0 | 1.0 | 3.0 |" in told
    assert "| all, 1 people | | 6.0 | 3.5 | 1.7 |" in told
    over = told[told.index("Over the floor") :]
    assert "- body, batch 1: 3.0 ms, 2.0 over its floor of 1.0 (3.0 times)" in over
    assert "- hands, batch 2" not in over.splitlines()[1] and "face" not in over


def test_the_pipeline_has_a_row_for_each_way_it_was_played() -> None:
    row = {"p50": 21.0, "p95": 33.0, "p99": 40.25, "fps": 31.2, "dropped": 3.0, "found": 4.0, "networks p50": 12.0}
    told = report(document(MACHINE, step("four people", {"opened": {"seconds": 3}, "paced, overlap on": row})))
    assert "| four people, paced, overlap on | 21.0 / 33.0 / 40.2 | 31 | 3 | 4 | 12.0 |" in told


def test_both_ways_of_scratch_memory_are_told() -> None:
    rows = {
        "body": {"shared bytes": 1, "own bytes": 2},
        "body, batch 1": {"shared p50": 3.5, "own p50": 3.6, "shared event p50": 3.0, "own event p50": 3.2},
        "face, batch 8": {"shared p50": 0.5, "own p50": 0.4},
    }
    told = report(document(MACHINE, step("scratch", rows)))
    assert (
        "Scratch memory:\n- body, batch 1: 3.0 ms shared, 3.2 ms own\n- face, batch 8: 0.50 ms shared, 0.40 ms own"
        in told
    )
    assert "Scratch" not in report(document(MACHINE, step("scratch", {"none": {"on": "onnxruntime"}})))


def test_calls_a_frame_are_told() -> None:
    row = {"waits": 43.6, "launches": 70.2, "graphs": 8.0, "copies": 33.0, "waiting": 3.25}
    told = report(document(MACHINE, step("one person", {"calls a frame": row})))
    assert "- one person: 44 waits, 70 launches, 8 graphs, 33 copies; 3.2 ms waited" in told.splitlines()


def test_what_is_amiss_is_listed() -> None:
    told = report(
        document(
            step("machine", state="failed", error="nothing can be measured: update the driver."),
            step("small network", said=["building", "no CUDA graph for 2 batch sizes (refused)"]),
            step("restart", {"restart": {"built": 2}}),
            step("memory", {"memory": {"resident grows": "resident of the process grew by 90 MiB"}}, "out of time"),
        )
    )
    assert told.splitlines()[0] == "no card; ; precision: none passed; ."
    for line in (
        "- machine: failed: nothing can be measured: update the driver.",
        "- small network: no CUDA graph for 2 batch sizes (refused)",
        "- memory: out of time",
        "- memory: resident of the process grew by 90 MiB",
        "- restart: something was built again; the step's messages say what",
    ):
        assert line in told.splitlines()


def test_an_empty_document_is_told_too() -> None:
    assert report(document()) == "no card; ; precision: none passed; .\n"
