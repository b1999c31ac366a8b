"""Moves an avatar in any app that takes the VMC protocol; see docs/vmc.md."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import field_validator
from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.addresses import parse_address
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Frame, FrameResult
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.selection import Rule

MOST = 100
"""Avatars, where each has a port of its own."""


class VmcSettings(Section):
    """Avatars (VMC)."""

    vmc: str = setting(
        "", "host:port of an app that takes the VMC protocol, usually 39539; `host:port+` gives each person a port, "
        "the first this one; empty: do not send", "--vmc", pattern=r"^(\S+:\d+\+?)?$",
    )  # fmt: skip
    vmc_avatar: str = setting(
        "", "the avatar's .vrm file (0.x or 1.0): its bones and expressions are sent as they are in it; empty: bones "
        "in the person's proportions", "--vmc-avatar",
    )  # fmt: skip
    vmc_face: Literal["auto", "vrm0", "vrm1", "arkit", "arkit-upper"] = setting(
        "auto", "names of the face's shapes: VRM 0.x's or 1.0's presets, or ARKit's (`arkit`: jawOpen, `arkit-upper`: "
        "JawOpen); `auto`: the avatar's, or VRM 0.x's", "--vmc-face",
    )  # fmt: skip
    vmc_parts: str = setting(
        "body,hands,face", "what is to be sent, separated by commas: `body`, `hands`, `face`", "--vmc-parts",
        pattern=r"^(body|hands|face)(,(body|hands|face))*$",
    )  # fmt: skip
    vmc_mirror: bool = setting(
        False, "send the viewer's mirror image: left and right exchanged", "--vmc-mirror"
    )  # fmt: skip
    vmc_world: bool = setting(
        False, "send where people are in the world, not relative to where each was first seen", "--vmc-world"
    )
    vmc_bundles: Literal["on", "off"] = setting(
        "on", "`off`: one message a datagram, for apps that take no bundles", "--vmc-bundles"
    )

    @field_validator("vmc_bundles", mode="before")
    @classmethod
    def _yaml_word(cls, value: Any) -> Any:
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value  # what YAML makes of on and off


class VmcOutput(Output):
    """Sends people to avatars: the first to come to one, or each to the next port.

    Raises:
        UsageError: there is no such host or port.
        AssetError: the avatar's file is none.
    """

    Settings = VmcSettings
    policy = Policy.NEWEST

    def __init__(self, settings: VmcSettings, lock: Rule | None = None) -> None:
        """`lock` is whom to prefer where there are more people than avatars: the rule of `engine.lock`."""
        from pymafx_live.pipeline.avatars.figure import Figure
        from pymafx_live.pipeline.avatars.osc import bundles
        from pymafx_live.pipeline.avatars.stage import Stage
        from pymafx_live.pipeline.avatars.udp import UdpSender
        from pymafx_live.pipeline.avatars.vmc import Encoder, Status
        from pymafx_live.pipeline.avatars.vrm import read_avatar

        self.name = f"--vmc {settings.vmc}"
        host, port, several = parse_address(settings.vmc, "--vmc")
        avatar = read_avatar(Path(settings.vmc_avatar).expanduser()) if settings.vmc_avatar else None
        encoder = Encoder(avatar, settings.vmc_face, settings.vmc_parts.split(","))
        self._senders = [UdpSender(host, port, "--vmc")]

        def send(avatar: int, figure: Figure | None, time: float, status: Status) -> None:
            while len(self._senders) <= avatar:
                self._senders.append(UdpSender(host, port + len(self._senders), "--vmc"))
            messages = encoder.messages(figure, time, status)
            self._senders[avatar].send(bundles(messages) if settings.vmc_bundles == "on" else messages)

        most = min(MOST, 2**16 - port) if several else 1
        self._stage = Stage(send, most, lock, settings.vmc_mirror, settings.vmc_world)

    @classmethod
    def open(cls, settings: VmcSettings, run: Run) -> Self | None:
        """Looks up the host and reads the avatar, if an address is given."""
        return cls(settings, run.lock) if settings.vmc else None

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Shows the people of a result."""
        self._stage.show(result)

    def close(self) -> None:
        """Lets the avatars come to rest."""
        self._stage.close()
        for sender in self._senders:
            sender.close()
