"""Shows people in Rerun's viewer; see docs/rerun.md."""

import ctypes
import socket
from typing import Self

from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.addresses import parse_address
from pymafx_live.core.errors import OutputError, UsageError, first_line
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Frame, FrameResult, SourceEvent
from pymafx_live.pipeline.outputs.run import Run

_PATIENCE = 3.0
"""Seconds that a viewer may take to answer when the run begins."""
_TAKEN = 5.0
"""Seconds that a viewer may take for a result."""


class RerunSettings(Section):
    """Rerun."""

    rerun: str = setting(
        "",
        "host:port of a Rerun viewer, usually 127.0.0.1:9876 (`rerun` opens one); empty: do not send",
        "--rerun",
        pattern=r"^(\S+[^+\s])?$",
    )
    rerun_rate: float = setting(
        10.0, "pictures, and meshes of each person, that it gets in a second at most; 0: none", "--rerun-rate",
        ge=0, le=240,
    )  # fmt: skip


class RerunOutput(Output):
    """Sends to a viewer that is there, and is never more than one result ahead of what that has taken.

    Raises:
        UsageError: the extra is missing, or no viewer listens there.
    """

    Settings = RerunSettings
    policy = Policy.NEWEST

    def __init__(self, address: str, rate: float) -> None:
        """`rate` is how many pictures, and meshes of each person, are sent in a second at most."""
        from pymafx_live.pipeline.recordings.rrd import Scene, load_rerun

        self.name = f"--rerun {address}"
        if address.lower().endswith(".rrd"):
            raise UsageError(f"{self.name} is a file, and a viewer's host:port is meant: --record {address} writes it")
        host, port, _ = parse_address(address, "--rerun", "127.0.0.1:9876")
        rerun = load_rerun("--rerun")
        _find_viewer(host, port)
        self._scene, self._lost = Scene(rerun, rate, rate), False
        self._scene.stream.connect_grpc(f"rerun+http://{address}/proxy")

    @classmethod
    def open(cls, settings: RerunSettings, run: Run) -> Self | None:
        """Connects, if an address is given."""
        return cls(settings.rerun, settings.rerun_rate) if settings.rerun else None

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Sends a result. Raises `OutputError` where the viewer has gone or hangs."""
        self._scene.show(result, frame)
        self._flush()

    def tell(self, event: SourceEvent) -> None:
        """Sends an event."""
        self._scene.tell(event)

    def close(self) -> None:
        """Ends the connection."""
        if not self._lost:
            self._flush()
            self._scene.stream.disconnect()

    def _flush(self) -> None:
        """What the library keeps for a viewer has no bound, and so nothing is kept."""
        try:
            self._scene.stream.flush(timeout_sec=_TAKEN)
        except Exception as error:  # of Rust's, a RuntimeError as a rule
            self._lost = True
            # Where a viewer hangs, the stream's end would wait for it for ever, and the process with it.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._scene.stream))
            raise OutputError(
                f"{self.name}: the viewer takes no more ({first_line(error)}): start it anew, and then the run"
            ) from error


def _find_viewer(host: str, port: int) -> None:
    """Raises `UsageError` where nobody listens: the library itself would wait, and say nothing."""
    try:
        with socket.create_connection((host, port), _PATIENCE):
            return
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or first_line(error)
        raise UsageError(f"no Rerun viewer at {host}:{port} ({why}): start `rerun` there first") from error
