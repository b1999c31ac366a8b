"""Answers of actors: waited for with a limit, and why there is none."""

import asyncio
import logging
import re
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from pymafx_live.core.errors import first_line

logger = logging.getLogger(__name__)

RETRY = (2.0, 60.0)
"""Seconds after which what has failed is tried again: the first time, and at most."""
_OURS = re.compile(r"pymafx_live\.core\.errors\.\w+: (.+)")
_PLAIN = {"ActorDiedError": "its process has died", "ActorUnavailableError": "it cannot be reached"}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something has failed, and when it is to be tried again."""

    why: str = ""
    pause: float = 0.0
    until: float = 0.0

    def again(self, why: str, now: float) -> "Trouble":
        """It has failed once more: a longer pause."""
        pause = min(max(2 * self.pause, RETRY[0]), RETRY[1])
        return Trouble(why, pause, now + pause)


async def within(reference: Any, seconds: float) -> Any:
    """The answer. Raises `TimeoutError`, and what the actor has raised as Ray passes it on."""
    return await asyncio.wait_for(plain(reference), seconds)


async def plain(reference: Any) -> Any:
    """A reference of Ray as a coroutine."""
    return await reference


async def quietly(work: Coroutine[Any, Any, Any]) -> None:
    """Does it, or not: who does not answer is found by who watches it."""
    try:
        await work
    except Exception as error:
        logger.info("%s", first_line(cause(error)))


def cause(error: BaseException) -> BaseException:
    """What an actor has raised, of what Ray makes of it."""
    return getattr(error, "cause", None) or error


def why(error: BaseException) -> str:
    """Why an actor does not answer, in a sentence; what it has raised while it started stands deep in Ray's own."""
    if said := _OURS.findall(str(error)):
        return str(said[-1])
    raised = cause(error)
    return _PLAIN.get(type(raised).__name__, first_line(raised))
