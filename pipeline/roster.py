"""The sources of a run that come and go while it goes on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Condition, Thread

from pymafx_live.configs.schema import CameraSettings, SourceSettings
from pymafx_live.core.errors import LiveError, UsageError
from pymafx_live.core.interfaces import Source
from pymafx_live.core.types import SourceEvent, SourceRemoved, SourceState
from pymafx_live.pipeline.cameras import Cameras
from pymafx_live.pipeline.lane import Lane
from pymafx_live.pipeline.sources import name_of, numbered

REMOVED = "it was taken out of the run"
MOVED = "it has moved: another run has it now"


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A source that is open, and its lane."""

    source: Source
    lane: Lane


Enter = Callable[[SourceSettings, CameraSettings], Member]
"""Opens a source and makes its lane; raises `LiveError`."""


class Roster:
    """Adds sources to a run and removes them, from any thread, while the others go on as if they were alone.

    `run` is given one, and then has no sources but its own; without any it waits, until `close`. Each source has a
    `run_id` of its own, as one that comes back under an old name counts its frames and people anew.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._members: Mapping[str, Member] = {}  # made anew with each change: who has it may go through it
        self._opening: set[str] = set()
        self._leaving: dict[SourceEvent, Lane] = {}
        self._enter: Enter | None = None
        self._prepare: Callable[[int], None] = lambda count: None
        self._cameras: Cameras[Lane] | None = None
        self._closed = False

    def add(self, source: SourceSettings, camera: CameraSettings | None = None) -> str:
        """Opens a source and takes it in; returns its name.

        While the run is getting ready it waits for that. A camera that is not there yet is waited for by the run.

        Raises:
            SourceError: it cannot be opened.
            AssetError: a calibration that cannot be used.
            UsageError: a source of its name is there, or the run is over.
        """
        at, name, wanted = time.time(), name_of(source), bool(source.name)
        if not self.ready():
            raise self._over()
        with self._changed:
            taken = [*self._members, *self._opening]
            if name in taken and wanted:
                raise UsageError(f"a source called {name!r} is there already: remove it first, or give another name")
            name = numbered([*taken, name])[-1]
            self._opening.add(name)
        try:
            member = self._entered(source.model_copy(update={"name": name}), camera or CameraSettings())
        except BaseException:
            with self._changed:
                self._opening.discard(name)
            raise
        with self._changed:
            self._opening.discard(name)
            if not self._closed and self._cameras is not None:
                self._members = {**self._members, name: member}
                self._prepare(len(self._members))
                self._cameras.add(member.lane, member.source, SourceEvent(name, SourceState.CONNECTING, at))
                return name
        member.source.close()
        raise self._over()

    def ready(self) -> bool:
        """Waits until the run has begun; False where it ended before."""
        with self._changed:
            self._changed.wait_for(lambda: self._enter is not None or self._closed)
            return not self._closed

    def remove(self, name: str, *, moved: bool = False) -> None:
        """Closes a source; the run says goodbye to its people, tells that it `ended`, and then nothing of it any more.

        What it tells of one that has `moved` to another run is that it is `live`.

        Raises:
            UsageError: there is none of that name.
        """
        state, why = (SourceState.LIVE, MOVED) if moved else (SourceState.ENDED, REMOVED)
        with self._changed:
            if name not in self._members or self._cameras is None:
                raise UsageError(f"there is no source called {name!r} in this run")
            member = self._members[name]
            self._members = {other: one for other, one in self._members.items() if other != name}
            event = SourceRemoved(name, state, time.time(), why)
            self._leaving[event] = member.lane
            self._cameras.remove(member.lane, event)
        member.source.close()

    def close(self) -> None:
        """Takes no more sources: the run goes on until those that it has are over."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def names(self) -> list[str]:
        """Those of the sources that are there."""
        return list(self._members)

    def waited(self) -> float:
        """The seconds until now for which the run had no frame to work on."""
        return 0.0 if self._cameras is None else self._cameras.waited()

    # What follows is the run's own.

    @property
    def closed(self) -> bool:
        """Whether no source can come any more."""
        return self._closed

    def begin(self, cameras: Cameras[Lane], enter: Enter, prepare: Callable[[int], None]) -> None:
        """From here on sources are let in, to be read by `cameras`; `prepare` hears before how many there will be."""
        with self._changed:
            self._cameras, self._enter, self._prepare = cameras, enter, prepare
            self._changed.notify_all()

    def give_up(self, name: str, error: LiveError) -> None:
        """Closes a source on whose frames a part fails again and again: it has failed, and the others go on."""
        with self._changed:
            if (member := self._members.get(name)) is None or self._cameras is None:
                return
            self._cameras.remove(member.lane, SourceEvent(name, SourceState.FAILED, time.time(), str(error)))
        Thread(target=member.source.close, name="close", daemon=True).start()  # it may take a while

    def heard(self, event: SourceRemoved) -> None:
        """Takes in that the run has told of a removal."""
        self._leaving.pop(event, None)

    def lanes(self) -> list[Lane]:
        """Those whose people have not been said goodbye to."""
        return [*(member.lane for member in self._members.values()), *self._leaving.values()]

    def live_lanes(self) -> dict[str, Lane]:
        """Those of live sources, by name."""
        return {name: member.lane for name, member in self._members.items() if member.source.live}

    def end(self) -> None:
        """Closes what is open, as the run is over."""
        self.close()
        for member in self._members.values():
            member.source.close()

    def _entered(self, source: SourceSettings, camera: CameraSettings) -> Member:
        if self._enter is None or self._closed:
            raise self._over()
        return self._enter(source, camera)

    @staticmethod
    def _over() -> UsageError:
        return UsageError("the run is over, or about to end: it takes no more sources")
