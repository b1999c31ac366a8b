"""Metrics and health over HTTP, asked as Prometheus and Kubernetes do."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Camera, Frame, FrameResult, Person, SourceEvent, SourceState, TrackState
from pymafx_live.pipeline.outputs.metrics import MetricsOutput
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.statistics import OutputFigures
from pymafx_live.pipeline.stop import Stop

CAMERA = Camera(4, 3, 1, 1, 1, 1)
FRAME = Frame(np.zeros((3, 4, 3), np.uint8), "door", 0, 0.0, 0.0, CAMERA)


def result_of(sequence: int, age: float = 0.06, dropped: int = 0) -> FrameResult:
    people = [Person(k, state, np.zeros(4), 1, "box", {}) for k, state in enumerate(TrackState)]
    return FrameResult(
        "door", sequence, "run", sequence / 25, 10.0, 10 + age, CAMERA, people, {"detect": 0.004}, dropped
    )


@pytest.fixture
def stuck() -> list[str]:
    return []


@pytest.fixture
def metrics(stuck) -> Iterator[MetricsOutput]:
    figures = [OutputFigures("--json", "block", 7, 2, 1, {}, "cannot write")]
    output = MetricsOutput("127.0.0.1:0", Run(Stop(), figures=lambda: figures, stuck=lambda: "".join(stuck)))
    yield output
    output.close()


def ask(output: MetricsOutput, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{output.port}{path}", timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def samples(output: MetricsOutput) -> dict[tuple[str, ...], float]:
    """Name and the labels' sorted values to value, as Prometheus' own parser reads them."""
    families = text_string_to_metric_families(ask(output, "/metrics")[1])
    return {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}


def test_what_was_done_is_counted(metrics):
    metrics.tell(SourceEvent("door", SourceState.LIVE, 1.0))
    for sequence, (age, dropped) in enumerate([(0.06, 0), (0.06, 3), (1.5, 4)]):
        metrics.write(result_of(sequence, age, dropped), FRAME)
    found = samples(metrics)
    assert found["pymafx_live_frames_total", "door"] == 3
    assert found["pymafx_live_frames_dropped_total", "door"] == 4
    assert found["pymafx_live_people", "door"] == len(TrackState) - 1  # but for who has ended
    ages = {bound: found["pymafx_live_age_seconds_bucket", bound, "door"] for bound in ("0.05", "0.075", "1.0", "2.0")}
    assert ages == {"0.05": 0, "0.075": 2, "1.0": 2, "2.0": 3}
    assert found["pymafx_live_stage_seconds_count", "detect"] == 3
    assert found["pymafx_live_source_state", "door", "live"] == 1
    assert found["pymafx_live_source_state", "door", "failed"] == 0
    assert found["pymafx_live_output_written_total", "--json"] == 7
    assert found["pymafx_live_output_dropped_total", "--json"] == 2
    assert found["pymafx_live_output_failed", "--json"] == 1
    assert found["process_open_fds",] > 3


def test_it_is_ready_while_every_source_gives_results(metrics):
    assert ask(metrics, "/readyz")[0] == 503
    metrics.tell(SourceEvent("door", SourceState.LIVE, 1.0))
    assert ask(metrics, "/readyz")[0] == 503
    metrics.write(result_of(0), FRAME)
    status, body = ask(metrics, "/readyz")
    assert (status, json.loads(body)) == (200, {"ok": True, "sources": {"door": "live"}, "stuck": ""})
    metrics.tell(SourceEvent("hall", SourceState.RECONNECTING, 2.0))
    assert ask(metrics, "/readyz")[0] == 503
    metrics.tell(SourceEvent("hall", SourceState.ENDED, 3.0))
    assert ask(metrics, "/readyz")[0] == 200
    metrics.tell(SourceEvent("door", SourceState.FAILED, 4.0))
    assert ask(metrics, "/readyz")[0] == 503


def test_it_is_healthy_until_the_loop_is_stuck(metrics, stuck):
    assert ask(metrics, "/healthz") == (200, '{"ok": true, "stuck": ""}\n')
    stuck.append("no result for 12 s: the detector is at engines/runtime/ort.py, line 3 (run)")
    status, body = ask(metrics, "/healthz")
    assert (status, json.loads(body)) == (503, {"ok": False, "stuck": stuck[0]})
    assert samples(metrics)["pymafx_live_stuck",] == 1
    assert ask(metrics, "/etc/passwd")[0] == 404


def test_a_client_that_says_nothing_keeps_nobody_waiting(metrics):
    with socket.create_connection(("127.0.0.1", metrics.port)), socket.create_connection(("127.0.0.1", metrics.port)):
        assert ask(metrics, "/healthz")[0] == 200


@pytest.mark.parametrize("address", ["nowhere.invalid:1", "127.0.0.1:70000"])
def test_an_address_that_cannot_be_served_is_told(address):
    with pytest.raises(UsageError, match=rf"cannot serve metrics on {address} \(.*\): give another --metrics"):
        MetricsOutput(address, Run(Stop()))


def test_a_port_that_is_taken_is_told(metrics):
    with pytest.raises(UsageError, match="in use"):
        MetricsOutput(f"127.0.0.1:{metrics.port}", Run(Stop()))
