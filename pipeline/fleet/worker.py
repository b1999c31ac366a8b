"""A worker of a fleet: it runs the ordinary pipeline with its share of the cameras, batched.

A plain class, without Ray: who starts the fleet makes an actor of it, `ray.remote(Worker).options(max_concurrency=8)`.
Its methods may be called at once from several threads.
"""

from collections.abc import Mapping
from typing import Any

from pymafx_live.pipeline.fleet.engine import Place

OWN = ("priority", "target_fps", "pool")
"""Keys of a camera that the fleet heeds, and the worker does not."""


class Worker:
    """The cameras of one process.

    A camera moves when `add` of the new worker has returned and then `remove(name, moved=True)` is called at the old
    one. In between, for some tenths of a second, both send results of that source. They differ in `run_id`: within a
    run and a source no sequence and no id is there twice. What a subscriber sees: `connecting` and `live` of the new
    run, its first results; then one result of the old run that is `final` and ends its people; and `live` again, whose
    reason says that the source has moved. No `ended` is sent, as the source has not. The old run sends nothing of that
    source from then on. Where the new run's people are the old one's is not known: ids begin anew.
    """

    def __init__(self, name: str, settings: Mapping[str, Any], place: Place | None = None) -> None:
        """Starts the run and returns once it can take cameras: networks are loaded by then.

        `settings` are those of an ordinary run, as a configuration file has them. Its sources are those that are added:
        `source` and `camera` say what a camera does not. It binds an ordinary publisher to the node's address, and its
        metrics, each to a port of its own that `state` tells: the fleet's proxy connects there, so that subscriptions
        reach the worker and what nobody asks for is neither encoded nor sent. `place` is where it runs (None: `here`).

        Raises:
            LiveError: the run cannot start.
        """
        raise NotImplementedError

    def add(self, camera: Mapping[str, Any], timeout: float = 10.0) -> dict[str, Any]:
        """Opens a camera, and returns its state (see `state`) with its first result or after `timeout` seconds.

        `camera` is an entry of `sources` (uri, name, camera, realtime, ...), where `calibration` may stand for that of
        `camera`; what is in `OWN` is ignored. A live camera that is not there yet is waited for, and no error.

        Raises:
            SourceError: it cannot be opened.
            UsageError: it is no entry of `sources`, or a camera of that name is there.
        """
        raise NotImplementedError

    def remove(self, name: str, moved: bool = False) -> None:
        """Closes a camera: its people end with a `final` result, and the event says `ended`, or `live` if it has moved.

        Raises:
            UsageError: there is none of that name.
        """
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """How the worker and its cameras are, over the last `WINDOW` seconds.

        worker, node, pid, version (of the package), address (of its publisher), metrics (host:port, "" without);
        busy (share of the time in which the loop works, 0..1); error ("" while it runs, else why the run has ended);
        cameras: by name
            state (of its last event), reason; fps (results per second), age_ms ({"p50", "p95"} or {}),
            dropped (share of the frames that nobody looked at, 0..1), people (in the newest result),
            run (the run id), sequence (of the newest result, -1: none yet)
        """
        raise NotImplementedError

    def close(self) -> None:
        """Ends the run: every camera says goodbye, and all sockets are closed. Nothing can be added afterwards."""
        raise NotImplementedError
