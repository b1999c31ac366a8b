"""Registers outputs that leak, beside a detector and an engine that take no time, for `bench.soak` to find."""

import os
import threading
import time
from typing import Any, cast

from pymafx_live.configs.schema import Section
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.engines import ENGINES
from pymafx_live.engines.detectors import DETECTORS
from pymafx_live.pipeline.outputs import OUTPUTS
from support import light_parts  # noqa: F401

MOST = 400
LEAKS = os.environ.get("LEAKS", "").split()


class Keeps(Section):
    pass


class Keeper(Output):
    Settings = Keeps

    def __init__(self) -> None:
        self.frames: list[Any] = []

    @classmethod
    def open(cls, *_: Any) -> "Keeper | None":
        return cls() if "frames" in LEAKS else None

    def write(self, result: Any, frame: Any) -> None:
        if len(self.frames) < MOST:
            self.frames.append(frame)


class Threads(Section):
    pass


class Thready(Output):
    Settings = Threads

    def __init__(self) -> None:
        self._threads, self._over = 0, threading.Event()

    @classmethod
    def open(cls, *_: Any) -> "Thready | None":
        return cls() if "threads" in LEAKS else None

    def write(self, result: Any, frame: Any) -> None:
        self._threads += 1
        if self._threads < MOST:
            threading.Thread(target=self._over.wait, daemon=True).start()


class Handles(Section):
    pass


class Handler(Output):
    Settings = Handles

    def __init__(self) -> None:
        self._handles: list[int] = []

    @classmethod
    def open(cls, *_: Any) -> "Handler | None":
        return cls() if "handles" in LEAKS else None

    def write(self, result: Any, frame: Any) -> None:
        if len(self._handles) < MOST:
            self._handles.append(os.dup(0))


class Ages(Section):
    pass


class Ager(Output):
    """Is later and later, before whoever publishes."""

    Settings = Ages
    policy = Policy.DIRECT

    def __init__(self) -> None:
        self._began = time.monotonic()

    @classmethod
    def open(cls, *_: Any) -> "Ager | None":
        return cls() if "age" in LEAKS else None

    def write(self, result: Any, frame: Any) -> None:
        time.sleep(0.05 * (time.monotonic() - self._began))


cast(dict[str, str], DETECTORS)["demo"] = "support.light_parts:Green"
cast(dict[str, str], ENGINES)["landmarks"] = "support.light_parts:Box"
_outputs = cast(dict[str, str], OUTPUTS)
_others = dict(_outputs)
_outputs.clear()
_outputs.update({name: f"{__name__}:{name}" for name in ("Ager", "Keeper", "Thready", "Handler")} | _others)
