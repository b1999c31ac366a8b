"""A worker of a fleet: it runs the ordinary pipeline with its share of the cameras, batched.

A plain class, without Ray: who starts the fleet makes an actor of it. Its methods may be called from several threads at
once.
"""

import os
import threading
from collections.abc import Mapping
from typing import Any

from pymafx_live.configs.load import ConfigError, checked
from pymafx_live.configs.schema import CameraSettings, Settings, SourceSettings
from pymafx_live.core.errors import LiveError, UsageError, first_line
from pymafx_live.pipeline.fleet.engine import Place, here
from pymafx_live.pipeline.fleet.meter import Meter
from pymafx_live.pipeline.fleet.version import version
from pymafx_live.pipeline.roster import Roster
from pymafx_live.pipeline.run import Makers, run
from pymafx_live.pipeline.settings import run_settings
from pymafx_live.pipeline.statistics import Statistics
from pymafx_live.pipeline.stop import Stop

OWN = ("priority", "pool")
"""Keys of a camera that the fleet heeds, and the worker does not."""
_GOODBYE = 5.0
"""Seconds that `remove` waits for the run to say goodbye to a camera."""
_END = 30.0
"""Seconds that `close` waits for the run."""


class Worker:
    """The cameras of one process.

    A camera moves when `add` of the new worker has returned and then `remove(name, moved=True)` is called at the old
    one. In between, for some tenths of a second, both have results of that source. They differ in `run_id`: within a
    run and a source no sequence and no id is there twice. A subscriber of both workers gets `connecting` and `live` of
    the new run and its first results; then one result of the old run that is `final` and ends its people; and `live`
    again, whose reason says that the source has moved. No `ended` is sent, as the source has not. The old run sends
    nothing of that source from then on. Who is whom of the old run's people is not known: ids begin anew. (The
    fleet's proxy passes on one of the two only.)
    """

    def __init__(
        self, name: str, settings: Mapping[str, Any], place: Place | None = None, makers: Makers | None = None
    ) -> None:
        """Starts the run and returns once it can take cameras: networks are loaded by then.

        `settings` are those of an ordinary run, as a configuration file has them. Its sources are those that are added:
        `source` and `camera` say what a camera does not. It binds an ordinary publisher to the node's address, and its
        metrics, each to a port of its own that `state` tells: the fleet's proxy connects there, so that subscriptions
        reach the worker and what nobody asks for is neither encoded nor sent. `place` is where it runs (None: `here`),
        `makers` are those of `run`.

        Raises:
            LiveError: the run cannot start.
        """
        self._name, self._place = name, place or here()
        if self._place.gpus == 0:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # they are other workers', and Ray hides none
        self._settings = _settings(name, settings, self._place)
        self._roster, self._stop, self._statistics = Roster(), Stop(), Statistics()
        self._meter = Meter(self._roster.waited)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(makers or Makers(),), name="run", daemon=True)
        self._thread.start()
        if not self._roster.ready():
            self._thread.join()
            raise self._over()

    def add(self, camera: Mapping[str, Any], timeout: float = 10.0) -> dict[str, Any]:
        """Opens a camera, and returns its state (see `state`) with its first result or after `timeout` seconds.

        `camera` is an entry of `sources` (uri, name, camera, realtime, ...), where `calibration` may stand for that of
        `camera`; what is in `OWN` is ignored. A live camera that is not there yet is waited for, and no error.

        Raises:
            SourceError: it cannot be opened.
            UsageError: it is no entry of `sources`, or a camera of that name is there, or the run is over.
        """
        name = self._roster.add(*_camera(self._settings, camera))
        self._meter.wait_for_result(name, timeout)
        return self._meter.camera(name)

    def remove(self, name: str, moved: bool = False) -> None:
        """Closes a camera: its people end with a `final` result, and the event says `ended`, or `live` if it has moved.

        All of that has been sent when it returns, unless the run is stuck.

        Raises:
            UsageError: there is none of that name.
        """
        self._roster.remove(name, moved=moved)
        self._meter.wait_for_end(name, _GOODBYE)

    def state(self) -> dict[str, Any]:
        """How the worker and its cameras are, over the last seconds (`meter.WINDOW`).

        worker, node, pid, version (of the package), address (of its publisher), metrics (host:port, "" without);
        busy (share of the time in which the loop works, 0..1); stuck (at what the loop is, without a result, for 10 s
        and more, "": it is not); error ("" while it runs, else why the run has ended);
        cameras: by name
            state (of its last event), reason; fps (results per second), age_ms ({"p50", "p95"} or {}),
            dropped (share of the frames that nobody looked at, 0..1), people (in the newest result),
            run (the run id, "" before the first result), sequence (of the newest result, -1: none yet)
        """
        outputs = {figures.name.partition(" ")[0]: figures.address for figures in self._statistics.outputs()}
        return {
            "worker": self._name, "node": self._place.node, "pid": os.getpid(), "version": version(),
            "address": outputs.get("--bind", ""), "metrics": outputs.get("--metrics", ""),
            "busy": self._meter.busy(), "stuck": self._statistics.stuck(),
            "error": "" if self._thread.is_alive() else str(self._over()),
            "cameras": {name: self._meter.camera(name) for name in self._roster.names},
        }  # fmt: skip

    def close(self) -> None:
        """Ends the run: every camera says goodbye, and all sockets are closed. Nothing can be added afterwards."""
        self._roster.close()
        self._stop.request()
        self._thread.join(_END)

    def _run(self, makers: Makers) -> None:
        try:
            run(
                self._settings, self._statistics, watch=lambda _: self._meter, makers=makers, stop=self._stop,
                roster=self._roster,
            )  # fmt: skip
        except BaseException as error:  # told to who asks
            self._error = error
        finally:
            self._roster.close()

    def _over(self) -> LiveError:
        error = self._error
        if isinstance(error, LiveError):
            return error
        why = "it was ended" if error is None else f"{type(error).__name__}: {first_line(error)}"
        return UsageError(f"the run of worker {self._name} is over ({why})")


def _settings(name: str, given: Mapping[str, Any], place: Place) -> Settings:
    """The settings of the run of a worker that is called so."""
    host = f"[{place.address}]" if ":" in place.address else place.address
    output = {"metrics": f"{host}:0", **(given.get("output") or {}), "bind": f"tcp://{host}:*"}
    # Without keys who reaches the address hears; so it is with all that Ray itself opens there.
    output.setdefault("insecure", not output.get("curve"))
    execution = dict(given.get("run") or {})
    if place.cpus and not place.gpus:
        execution.setdefault("threads", max(1, int(place.cpus)))
    try:
        return checked(run_settings(), {**given, "output": output, "run": execution}, f"worker {name}")
    except ConfigError as error:
        raise UsageError(str(error)) from error


def _camera(settings: Settings, given: Mapping[str, Any]) -> tuple[SourceSettings, CameraSettings]:
    """A camera's settings, over those of the run."""
    entry = {key: value for key, value in given.items() if key not in (*OWN, "calibration")}
    if given.get("calibration"):
        entry["camera"] = {**(entry.get("camera") or {}), "calibration": given["calibration"]}
    try:
        whole = checked(type(settings), {**settings.model_dump(), "sources": [entry]}, "the camera")
    except ConfigError as error:
        raise UsageError(str(error)) from error
    return whole.cameras()[0]
