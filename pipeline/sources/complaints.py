"""What FFmpeg says in its log of the damage that it hides: lost packets, blocks that it made up, missing references.

PyAV tells these in no other way: packets and pictures look as if they were whole.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import av.logging

DAMAGE = re.compile(
    r"RTP: missed \d+ packets|concealing \d+ DC|error while decoding MB|Frame num gap|[Mm]issing reference picture|"
    r"reference picture missing|co located POCs unavailable|Could not find ref with POC|ac-tex damaged|"
    r"Error at MB|slice mismatch|out of range intra chroma|PPS id out of range"
)

DISTRUST = re.compile(r"certificate", re.IGNORECASE)
"""Of a server that is not who it should be."""


class Complaints:
    """Hears FFmpeg on the thread that it is made on, for as long as the process lives.

    A decoder that is listened to has to have one thread: what others say is not heard.
    """

    def __init__(self) -> None:
        logger = logging.getLogger("libav")  # PyAV's; what is not heard here is for nobody
        logger.propagate, logger.disabled = False, True
        logger.setLevel(logging.CRITICAL + 1)
        av.logging.set_skip_repeated(False)
        av.logging.set_level(av.logging.INFO)  # at which concealment is told

    @contextmanager
    def heard(self, what: re.Pattern[str] = DAMAGE) -> Iterator[list[bool]]:
        """Yields a list that holds, once the block is left, whether something like `what` was told in it."""
        told: list[bool] = []
        logs: list[tuple[int, str, str]] = []
        try:
            with av.logging.Capture(local=True) as logs:
                yield told
        finally:
            told.append(any(what.search(message) for _, _, message in logs))
