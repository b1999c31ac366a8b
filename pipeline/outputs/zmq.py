"""Publishes every result and event on a ZeroMQ PUB socket; see docs/wire-protocol.md."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Self

from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Frame, FrameResult, SourceEvent
from pymafx_live.core.wire import encode, encode_event, topic
from pymafx_live.pipeline.outputs.binding import bind, claimed, permit
from pymafx_live.pipeline.outputs.heartbeat import Heartbeat
from pymafx_live.pipeline.outputs.run import JOINTS, Run

_MANY = 32
"""Sources of a run whose sources come and go."""

logger = logging.getLogger(__name__)


class ZmqSettings(Section):
    """ZeroMQ."""

    bind: str = setting("tcp://127.0.0.1:5555", "ZeroMQ address to publish on; empty: do not publish", "--bind")
    curve: str = setting(
        "", "the publisher's key file, made by `pymafx-live keygen`: only who has a key hears, encrypted", "--curve"
    )
    insecure: bool = setting(
        False, "publish to other machines without keys: who reaches the address can see who is where", "--insecure"
    )
    ttl: float = setting(
        0.0, "seconds after its capture from which a result is not sent any more, and said to be stale; 0: for ever",
        "--ttl", ge=0,
    )  # fmt: skip


class ZmqOutput(Output):
    """Sends and forgets: a slow subscriber loses messages, it never slows the loop.

    To encode and send takes less time, and less of the run's, than to wake another thread beside busy networks.

    With the key file `curve` only known subscribers hear (`pipeline.curve`).

    Raises:
        UsageError: the address is taken, or none of ZeroMQ's, or the keys cannot be used.
    """

    Settings = ZmqSettings
    policy = Policy.DIRECT
    raw = True

    def __init__(
        self, address: str, curve: Path | None = None, joints: int = JOINTS["body"], ttl: float = 0.0,
        replayed: bool = False, sources: int = 1,
    ) -> None:  # fmt: skip
        """`joints` is how many of each person's joints are sent; what is older than `ttl` seconds is not (0: all).
        What is `replayed` is as old as it was. A batch of so many `sources` is sent at one moment."""
        from pymafx_live.pipeline.publisher import KEPT, Bounds

        self.name = f"--bind {address}"
        self._joints, self._ttl, self._late, self._replayed = joints, ttl, False, replayed
        self._publisher = bind(address, "--bind", curve, Bounds(kept=KEPT * sources))
        self.address = self._publisher.address
        if address.endswith("*"):
            logger.warning("publishing on %s", self.address)
        self._heartbeat = Heartbeat(lambda event: self._publisher.send(encode_event(event)))

    @classmethod
    def open(cls, settings: ZmqSettings, run: Run) -> Self | None:
        """Binds the address, if one is given; one that other machines reach needs keys, or the wish to do without."""
        if not settings.bind:
            return None
        address = claimed(settings.bind, "--bind", run.targets)
        curve = permit(address, settings.curve, settings.insecure)
        return cls(address, curve, run.joints, settings.ttl, run.replayed, len(run.sources) or _MANY)

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Sends the result's message if anybody asks for it, or drops it where that would block; `published_at` is now,
        but in a replay."""
        if frame is not None and not self._replayed:
            result = replace(result, published_at=result.captured_at + frame.age, ttl=self._ttl)
        if self._ttl and result.age > self._ttl and not result.final:
            if not self._late:
                logger.warning("results are older than --ttl %g: these are not sent", self._ttl)
            self._late = True
            return
        if self._publisher.wanted(topic(result.source)):
            self._publisher.send(encode(result, self._joints))

    def tell(self, event: SourceEvent) -> None:
        """Sends the event's message, and again every second until there is another one of its source."""
        self._heartbeat.note(event)
        self._publisher.send(encode_event(event))

    def close(self) -> None:
        """Closes the socket; what a subscriber is too slow for is lost."""
        self._heartbeat.close()
        self._publisher.close()
