"""Frames of several sources in batches: in order, none lost but where they are live, each to its own end."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import Frame, SourceEvent, SourceGone, SourceState
from pymafx_live.pipeline.camera import Lens
from pymafx_live.pipeline.cameras import Cameras
from pymafx_live.pipeline.lane import Lane
from pymafx_live.pipeline.loop import watch
from support.parts import create_tracker

CAMERA = Lens().camera(8, 8)
IMAGE = np.zeros((8, 8, 3), np.uint8)


def frame(name: str, k: int, fps: float = 25.0, cut: bool = False) -> Frame:
    return Frame(IMAGE, name, k, k / fps, 0.0, CAMERA, cut=cut)


class Script:
    """A source that yields what it is given: frames, events, errors to raise, and numbers to wait for."""

    def __init__(self, name: str, items: object, live: bool = False) -> None:
        self.name, self.live, self._items = name, live, items

    def __iter__(self) -> Iterator[Frame | SourceEvent]:
        for item in self._items:  # type: ignore[attr-defined]
            if isinstance(item, Exception):
                raise item
            if isinstance(item, threading.Event):
                assert item.wait(10)
            else:
                yield item


def stored(name: str, count: int, fps: float = 25.0) -> Script:
    return Script(name, [frame(name, k, fps) for k in range(count)])


def read(*sources: Script) -> list[list[tuple[str, object]]]:
    with closing(Cameras(sources, range(len(sources)))) as cameras:
        return [[(item.source, item.sequence if isinstance(item, Frame) else item.state) for _, item in batch]
                for batch in cameras]  # fmt: skip


ENDED, FAILED = SourceState.ENDED, SourceState.FAILED


def test_files_of_other_rates_and_lengths_go_frame_by_frame_and_one_may_be_empty() -> None:
    slow, fast, empty = stored("slow", 2, 5.0), stored("fast", 4, 50.0), stored("empty", 0)
    for _ in range(20):  # however fast anybody reads
        batches = read(slow, fast, empty)
        frames = [[item for item in batch if isinstance(item[1], int)] for batch in batches]
        assert [batch for batch in frames if batch] == [
            [("slow", 0), ("fast", 0)], [("slow", 1), ("fast", 1)], [("fast", 2)], [("fast", 3)],
        ]  # fmt: skip
        assert sorted(item for batch in batches for item in batch if item[1] is ENDED) == [
            ("empty", ENDED), ("fast", ENDED), ("slow", ENDED),
        ]  # fmt: skip


def test_what_a_source_says_comes_between_its_frames_and_its_end_is_said_once() -> None:
    def said(name: str, state: SourceState) -> SourceEvent:
        return SourceEvent(name, state, 0.0)

    door = [said("door", SourceState.LIVE), frame("door", 0), said("door", SourceState.STALLED), frame("door", 1),
            said("door", ENDED)]  # fmt: skip
    expected = [("door", SourceState.LIVE), ("door", 0), ("door", SourceState.STALLED), ("door", 1), ("door", ENDED)]
    for others in ([], [stored("hall", 5)]):
        items = [item for batch in read(Script("door", door), *others) for item in batch]
        assert [item for item in items if item[0] == "door"] == expected


def test_one_that_fails_does_not_end_the_others_and_all_that_fail_end_the_run() -> None:
    broken = Script("broken", [frame("broken", 0), SourceError("broken is gone")])
    items = [item for batch in read(broken, stored("hall", 6)) for item in batch]
    assert [item[1] for item in items if item[0] == "hall"] == [*range(6), ENDED]
    assert [item[1] for item in items if item[0] == "broken"] == [0, FAILED]
    for sources in ([broken], [broken, Script("dark", [SourceError("dark is gone")])]):
        seen = []
        with pytest.raises(SourceError, match="broken is gone"):
            seen += [item for batch in Cameras(sources, range(len(sources))) for item in batch]
    failed = []
    with pytest.raises(SourceError):
        for batch in Cameras([broken], [0]):
            failed += [item for _, item in batch if isinstance(item, SourceEvent)]
    assert [(event.state, event.reason) for event in failed] == [(FAILED, "broken is gone")]


def test_an_error_that_is_none_of_a_source_ends_all() -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        read(Script("a", [frame("a", 0), RuntimeError("a bug")]), stored("b", 1000))


def test_of_a_live_source_the_newest_frame_is_taken_and_what_was_missed_is_counted() -> None:
    go = threading.Event()
    camera = Script("camera", [frame("camera", 0), go, *(frame("camera", k, cut=k == 2) for k in range(1, 6))], True)
    other = Script("other", [frame("other", 0), threading.Event()], True)
    with closing(Cameras([camera, other], [0, 1])) as cameras:
        batches, first = iter(cameras), set()
        while len(first) < 2:  # whoever comes first is not waited for
            first |= {item.source for _, item in next(batches)}
        go.set()
        deadline = time.monotonic() + 60
        while cameras._feeds[0].frame is None or cameras._feeds[0].frame.sequence < 5:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        newest = next(item for _, item in next(batches) if isinstance(item, Frame))
    assert (newest.sequence, newest.dropped, newest.cut) == (5, 4, True)


def test_a_live_source_does_not_wait_for_a_file() -> None:
    never = threading.Event()
    file = Script("file", [never, frame("file", 0)])
    camera = Script("camera", [frame("camera", 0)], True)
    with closing(Cameras([file, camera], [0, 1])) as cameras:
        assert next(item.source for _, item in next(iter(cameras))) == "camera"
        never.set()


def test_a_camera_of_sixty_frames_a_second_does_not_starve_one_of_five() -> None:
    """Whatever a batch takes: who has a frame by then is in it, and gets its newest."""
    turns = {name: [threading.Event() for _ in range(13)] for name in ("fast", "slow")}

    def script(name: str, each: int) -> Iterator[object]:
        for k, turn in enumerate(turns[name]):
            yield turn
            yield from (frame(name, each * k + i) for i in range(each))

    sources = [Script("fast", script("fast", 12), live=True), Script("slow", script("slow", 1), live=True)]
    with closing(Cameras(sources, range(len(sources)))) as cameras:
        batches = iter(cameras)
        got: dict[str, list[Frame]] = {"fast": [], "slow": []}
        for k in range(12):  # the loop is busy while a slow frame and twelve fast ones come
            for name in turns:
                turns[name][k].set()
            if k == 0:
                continue  # the threads begin with the first batch
            for item in (item for _, item in next(batches) if isinstance(item, Frame)):
                got[item.source].append(item)
            until = time.monotonic() + 60
            while time.monotonic() < until and not _waiting(cameras, 12 * (k + 1) - 1, k, got):
                time.sleep(0.001)
        for name in turns:
            turns[name][12].set()
    assert [f.sequence for f in got["slow"]] == sorted({f.sequence for f in got["slow"]})
    assert len(got["slow"]) >= 9 and got["slow"][-1].dropped <= 2
    assert got["fast"][-1].sequence >= 12 * 10 and got["fast"][-1].dropped > 80


def _waiting(cameras: Cameras, fast: int, slow: int, got: dict[str, list[Frame]]) -> bool:
    """Whether these frames wait to be taken, or were."""
    feeds = cameras._feeds.values()
    there = {item.source: item.sequence for feed in feeds for item in list(feed.items) if isinstance(item, Frame)}
    last = {name: frames[-1].sequence for name, frames in got.items() if frames} | there
    return last.get("fast") == fast and last.get("slow") == slow


def test_a_camera_that_comes_back_while_the_loop_is_busy_keeps_who_is_in_its_first_frame(
    clips, green_detector, box_engine
) -> None:
    """The event that it was lost and its new frame are one batch: the goodbye is said to who was there before."""
    busy, back, over = threading.Event(), threading.Event(), threading.Event()

    def of(name: str, k: int) -> Frame:
        return replace(frame(name, k, cut=k == 1), image=clips.picture(k), camera=Lens().camera(160, 120))

    def items() -> Iterator[object]:
        yield of("away", 0)
        yield busy
        yield SourceGone("away", SourceState.RECONNECTING, 0.0)
        yield of("away", 1)
        back.set()
        yield over
        yield of("away", 2)

    class Busy:
        def detect(self, images: object) -> object:
            busy.set()
            assert back.wait(10)
            return green_detector.detect(images)

    sources = [Script("away", items(), live=True), Script("other", [over, of("other", 0)], live=True)]
    told: list[tuple[bool, list[int]]] = []
    for item in watch(Cameras(sources, [Lane(create_tracker()), Lane(create_tracker())]), Busy(), box_engine):
        if not isinstance(item, SourceEvent) and item[0].source == "away":
            told.append((item[0].final, [person.id for person in item[0].people]))
        if len(told) == 3:
            over.set()
    assert told == [(False, [1]), (True, [1]), (False, [2]), (False, [2]), (True, [2])]
