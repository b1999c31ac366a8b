"""What has happened in a fleet, for the log and for who asks."""

import logging
import time
from collections import deque
from typing import Any

from pymafx_live.core.addresses import SECRETS

_KEPT = 500

logger = logging.getLogger(__name__)


class Journal:
    """The last events, each with a number, a time and a sentence."""

    def __init__(self) -> None:
        self.number = 0
        """Of the newest."""
        self._events: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def note(self, text: str) -> None:
        """Something has happened."""
        self.number += 1
        text = SECRETS.hide(text)
        self._events.append({"number": self.number, "at": time.time(), "text": text})
        logger.info("%s", text)

    def since(self, number: int) -> list[dict[str, Any]]:
        """What has happened after the event of that number."""
        return [event for event in self._events if event["number"] > number]

    @property
    def last(self) -> str:
        """The newest sentence."""
        return str(self._events[-1]["text"]) if self._events else ""
