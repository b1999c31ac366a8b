"""What Prometheus and Grafana are told, against the pages that workers really serve."""

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pymafx_live.core.errors import OutputError
from pymafx_live.core.types import Camera, FrameResult, SourceEvent, SourceState
from pymafx_live.pipeline.fleet.prometheus import targets, write_targets
from pymafx_live.pipeline.outputs.metrics import MetricsOutput
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.stop import Stop

DASHBOARD = json.loads((Path(__file__).parents[3] / "docs" / "grafana-fleet.json").read_text(encoding="utf-8"))
OF_THE_TARGETS = {"worker", "pool", "node"}
BUILT_IN = set(re.findall(r"\w+", "sum rate by le histogram_quantile or vector count max label_values"))


def worker(name: str, metrics: str) -> dict[str, str]:
    return {"name": name, "pool": "gpu", "node": "9f2c", "metrics": metrics, "state": "ready"}


@pytest.fixture
def pages() -> Iterator[dict[str, str]]:
    """The addresses of two workers' metrics, after a result and an event of a camera each."""
    with ExitStack() as stack:
        found = {}
        for name in ("w1", "w2"):
            output = stack.enter_context(closing(MetricsOutput("127.0.0.1:0", Run(Stop()))))
            output.tell(SourceEvent(f"cam of {name}", SourceState.LIVE, 1.0, "", {"detect_every": 2}))
            stages = {"detect": 0.01}
            output.write(
                FrameResult(f"cam of {name}", 1, "r", 0.0, 1.0, 1.1, Camera(4, 3, 1, 1, 1, 1), (), stages, 2), None
            )
            found[name] = f"127.0.0.1:{output.port}"
        yield found


def scraped(file: Path) -> dict[str, set[str]]:
    """The labels of each metric, as Prometheus has them that reads this file."""
    metrics: dict[str, set[str]] = {}
    for entry in json.loads(file.read_text()):
        for target in entry["targets"]:
            with urllib.request.urlopen(f"http://{target}/metrics", timeout=120) as answer:
                for family in text_string_to_metric_families(answer.read().decode()):
                    for sample in family.samples:
                        metrics.setdefault(sample.name, set()).update(sample.labels, entry["labels"])
    return metrics


def expressions() -> list[str]:
    asked = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return asked + [v["query"]["query"] for v in DASHBOARD["templating"]["list"] if v["type"] == "query"]


def test_every_name_and_label_that_the_dashboard_uses_is_served(pages, tmp_path):
    file = tmp_path / "fleet.json"
    assert write_targets(file, [worker(name, address) for name, address in pages.items()]) == 2
    served = scraped(file)
    assert expressions()
    for expression in expressions():
        names = set(re.findall(r"\b(?:pymafx_live|process)_\w+(?=[{\s,)\[])", expression))
        assert names and names <= set(served), expression
        labels = set(re.findall(r"(\w+)\s*=~?\s*\"", expression))
        labels |= {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
        assert labels <= set().union(*(served[name] for name in names)), expression
        bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)', "", expression)
        words = set(re.findall(r"[a-zA-Z_]\w*", bare)) - names - BUILT_IN - {"worker", "source"}
        assert not words, f"{words} in {expression}"


def test_the_dashboard_shows_what_the_workers_count():
    shown = set(re.findall(r"pymafx_live_\w+", " ".join(expressions())))
    assert {name.removesuffix("_total").rsplit("_bucket")[0] for name in shown} >= {
        "pymafx_live_frames", "pymafx_live_frames_dropped", "pymafx_live_age_seconds", "pymafx_live_people",
        "pymafx_live_source_state", "pymafx_live_stuck", "pymafx_live_reduced",
    }  # fmt: skip
    boxes = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [(x, y) for b in boxes for x in range(b["x"], b["x"] + b["w"]) for y in range(b["y"], b["y"] + b["h"])]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(boxes)


def test_a_worker_without_metrics_is_left_out_and_the_order_does_not_matter(tmp_path):
    given = [worker("w2", "10.0.0.2:41"), worker("w1", "10.0.0.1:40"), worker("w3", "")]
    assert (
        targets(given)
        == targets(reversed(given))
        == [
            {"targets": ["10.0.0.1:40"], "labels": {"worker": "w1", "pool": "gpu", "node": "9f2c"}},
            {"targets": ["10.0.0.2:41"], "labels": {"worker": "w2", "pool": "gpu", "node": "9f2c"}},
        ]
    )
    file = tmp_path / "fleet.json"
    write_targets(file, given)
    before = file.stat()
    write_targets(file, given)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    write_targets(file, [])
    assert json.loads(file.read_text()) == [] and [f.name for f in tmp_path.iterdir()] == ["fleet.json"]
    with pytest.raises(OutputError, match="cannot write the targets"):
        write_targets(file / "fleet.json", given)
