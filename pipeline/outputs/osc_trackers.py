"""Sends a person as VRChat's OSC trackers; see docs/vmc.md."""

from typing import Self

from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.addresses import parse_address
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Frame, FrameResult
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.selection import Rule

_CHOICE = "(hip|chest|feet|knees|elbows|head)"


class TrackerSettings(Section):
    """Trackers (VRChat)."""

    osc_trackers: str = setting(
        "", "host:port that takes VRChat's OSC trackers, usually 9000; empty: do not send", "--osc-trackers",
        pattern=r"^(\S+:\d+)?$",
    )  # fmt: skip
    osc_trackers_parts: str = setting(
        "hip,chest,feet,knees,elbows,head", "the trackers to be sent, separated by commas: `hip`, `chest`, "
        "`feet`, `knees`, `elbows`, `head`",
        "--osc-trackers-parts",
        pattern=f"^{_CHOICE}(,{_CHOICE})*$",
    )  # fmt: skip


class TrackerOutput(Output):
    """Sends one person's trackers: the first's who comes.

    Raises:
        UsageError: there is no such host or port.
    """

    Settings = TrackerSettings
    policy = Policy.NEWEST

    def __init__(self, settings: TrackerSettings, lock: Rule | None = None) -> None:
        """`lock` is whom to prefer of several people: the rule of `engine.lock`."""
        from pymafx_live.pipeline.avatars.figure import Figure
        from pymafx_live.pipeline.avatars.osc import bundles
        from pymafx_live.pipeline.avatars.stage import Stage
        from pymafx_live.pipeline.avatars.trackers import TrackerEncoder
        from pymafx_live.pipeline.avatars.udp import UdpSender

        self.name = f"--osc-trackers {settings.osc_trackers}"
        host, port, _ = parse_address(settings.osc_trackers, "--osc-trackers")
        encoder = TrackerEncoder(settings.osc_trackers_parts.split(","))
        self._sender = UdpSender(host, port, "--osc-trackers")

        def send(_: int, figure: Figure | None, *__: object) -> None:
            if figure is not None:
                self._sender.send(bundles(encoder.messages(figure)))

        self._stage = Stage(send, rule=lock)

    @classmethod
    def open(cls, settings: TrackerSettings, run: Run) -> Self | None:
        """Looks up the host, if an address is given."""
        return cls(settings, run.lock) if settings.osc_trackers else None

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Sends the person's trackers."""
        self._stage.show(result)

    def close(self) -> None:
        """Lets the trackers come to rest."""
        self._stage.close()
        self._sender.close()
