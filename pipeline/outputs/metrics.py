"""Serves Prometheus metrics, `/healthz` and `/readyz` over HTTP; see docs/operations.md."""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.errors import UsageError
from pymafx_live.core.interfaces import Output
from pymafx_live.core.types import OVER, Frame, FrameResult, SourceEvent, SourceRemoved, SourceState, TrackState
from pymafx_live.pipeline.outputs.run import Run

_FRESH = 10.0
"""Seconds within which a source that is ready has had a result."""
_PATIENCE = 5.0
"""Seconds that a client may take to send its request, or to take the answer."""
_AGES = (0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5, 10)
_STAGES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)


class MetricsSettings(Section):
    """Metrics."""

    metrics: str = setting(
        "",
        "host:port that serves Prometheus `/metrics`, `/healthz` and `/readyz`; empty: none",
        "--metrics",
        pattern=r"^(.+:\d+)?$",
    )


class MetricsOutput(Output):
    """Counts results and events, and serves the figures.

    Raises:
        UsageError: the address is taken, or there is none such.
    """

    Settings = MetricsSettings

    def __init__(self, address: str, run: Run) -> None:
        self.name = f"--metrics {address}"
        self._run = run
        self._figures = _Figures()
        self._figures.registry.register(_Run(run))
        self._states: dict[str, str] = {}
        self._seen: dict[str, float] = {}
        host, _, port = address.rpartition(":")
        try:
            self._server = _Server((host.strip("[]"), int(port)), self)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"cannot serve metrics on {address} ({error}): give another --metrics, such as 127.0.0.1:9464"
            ) from error
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()
        self.port = self._server.server_address[1]
        self.address = f"{host}:{self.port}"

    @classmethod
    def open(cls, settings: MetricsSettings, run: Run) -> Self | None:
        """Listens, if an address is given."""
        return cls(settings.metrics, run) if settings.metrics else None

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Counts a result."""
        self._seen[result.source] = time.monotonic()
        self._figures.count(result)

    def tell(self, event: SourceEvent) -> None:
        """Notes the state of a source; of one that was removed there are no figures any more."""
        if isinstance(event, SourceRemoved):
            self._states.pop(event.source, None)
            self._seen.pop(event.source, None)
            self._figures.forget(event.source)
            return
        self._states[event.source] = str(event.state)
        self._figures.note(event)

    def close(self) -> None:
        """Closes the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body for a path."""
        if path == "/metrics":
            from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

            return 200, CONTENT_TYPE_LATEST, generate_latest(self._figures.registry)
        if path == "/healthz":
            stuck = self._run.stuck()
            return _as_json(not stuck, {"stuck": stuck})
        if path == "/readyz":
            now, states = time.monotonic(), dict(self._states)
            fresh = {name: now - self._seen.get(name, -_FRESH) < _FRESH for name in states}
            waited_for = [name for name, state in states.items() if state not in OVER]
            ready = bool(waited_for) and all(states[name] == SourceState.LIVE and fresh[name] for name in waited_for)
            return _as_json(ready, {"sources": states, "stuck": self._run.stuck()})
        return 404, "text/plain", b"there is /metrics, /healthz and /readyz\n"


def _as_json(good: bool, body: dict[str, Any]) -> tuple[int, str, bytes]:
    return 200 if good else 503, "application/json", json.dumps({"ok": good} | body).encode() + b"\n"


class _Figures:
    """The metrics of results and sources."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, PlatformCollector
        from prometheus_client.process_collector import ProcessCollector

        self.registry = CollectorRegistry()
        self._dropped_before: dict[str, int] = {}
        self._reduced_before: dict[str, set[str]] = {}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        source, of = ["source"], self.registry
        self._frames = Counter("pymafx_live_frames", "Frames with a result.", source, registry=of)
        self._dropped = Counter("pymafx_live_frames_dropped", "Frames that nobody looked at.", source, registry=of)
        self._people = Gauge("pymafx_live_people", "People in the newest frame.", source, registry=of)
        self._age = Histogram(
            "pymafx_live_age_seconds", "From capture to publication.", source, buckets=_AGES, registry=of
        )
        self._stage = Histogram(
            "pymafx_live_stage_seconds", "Time of each stage.", ["stage"], buckets=_STAGES, registry=of
        )
        self._reduced = Gauge(
            "pymafx_live_reduced",
            "What is done less of to hold the rate or age that is asked for; 0: as much as was asked for.",
            ["source", "what"], registry=of,
        )  # fmt: skip
        states = [str(state) for state in SourceState]
        self._state = Enum("pymafx_live_source_state", "What a source is at.", source, states=states, registry=of)

    def count(self, result: FrameResult) -> None:
        """Adds a result."""
        here = sum(person.state is not TrackState.ENDED for person in result.people)
        self._frames.labels(result.source).inc()
        more = result.dropped - self._dropped_before.get(result.source, 0)
        self._dropped.labels(result.source).inc(max(more, 0))
        self._dropped_before[result.source] = result.dropped
        self._people.labels(result.source).set(here)
        self._age.labels(result.source).observe(result.age)
        for stage, seconds in result.stages.items():
            self._stage.labels(stage).observe(seconds)

    def note(self, event: SourceEvent) -> None:
        """Sets the state of a source."""
        if event.state in list(SourceState):
            self._state.labels(event.source).state(str(event.state))
        if event.state == SourceState.LIVE:
            known = self._reduced_before.get(event.source, set()) | set(event.reduced)
            self._reduced_before[event.source] = known
            for what in known:
                self._reduced.labels(event.source, what).set(event.reduced.get(what, 0))

    def forget(self, source: str) -> None:
        """Drops the figures of a source."""
        for what in self._reduced_before.pop(source, ()):
            self._reduced.remove(source, what)
        self._dropped_before.pop(source, None)
        for metric in (self._frames, self._dropped, self._people, self._age, self._state):
            with suppress(KeyError):  # that it never had
                metric.remove(source)


class _Run:
    """What the run itself knows, collected when it is asked for."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def collect(self) -> Iterable[Any]:
        """As `prometheus_client` asks for metrics."""
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        written = CounterMetricFamily("pymafx_live_output_written", "Results an output has taken.", labels=["output"])
        dropped = CounterMetricFamily("pymafx_live_output_dropped", "Results dropped for it.", labels=["output"])
        failed = GaugeMetricFamily("pymafx_live_output_failed", "1 where it has ended early.", labels=["output"])
        for figures in self._run.figures():
            written.add_metric([figures.name], figures.written)
            dropped.add_metric([figures.name], figures.dropped)
            failed.add_metric([figures.name], bool(figures.error))
        stuck = GaugeMetricFamily("pymafx_live_stuck", "1 where no result comes and no frame is waited for.")
        stuck.add_metric([], bool(self._run.stuck()))
        return written, dropped, failed, stuck


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], output: MetricsOutput) -> None:
        self.output = output
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE
    server: _Server

    def do_GET(self) -> None:
        status, kind, body = self.server.output.answer(self.path.partition("?")[0])
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Says nothing: it is asked every few seconds."""
