"""The robots by name. To add one, write a file with a class that is a `Robot`, and give it a line here."""

from collections.abc import Mapping
from typing import Protocol

from pymafx_live.core.registry import load_class
from pymafx_live.pipeline.robots.safety import Command

ROBOTS: Mapping[str, str] = {
    "sonic": "pymafx_live.pipeline.robots.sonic:Sonic",
    "gmr": "pymafx_live.pipeline.robots.gmr:Gmr",
    "hands": "pymafx_live.pipeline.robots.hands:Hands",
}


class Robot(Protocol):
    """Makes messages of what the safety layer commands."""

    port: int
    """Where its readers expect it."""

    def add(self, command: Command) -> None:
        """Takes the command of one tick: there are 50 a second, and none is left out."""

    def message(self) -> bytes | None:
        """What is to be sent after the ticks that were added; None: nothing, as silence says enough."""


def make(name: str) -> Robot:
    """The robot of a name in `ROBOTS`."""
    robot: Robot = load_class(ROBOTS[name])()
    return robot
