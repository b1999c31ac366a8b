"""RTSP from a camera of our own, over real sockets: it dies and comes back, keeps silent, loses packets, lies."""

import itertools
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pymafx_live.bench.rtsp_camera import Faults, RtspCamera
from pymafx_live.configs.schema import CameraSettings, SourceSettings
from pymafx_live.core.errors import SourceError, UsageError
from pymafx_live.core.interfaces import Source
from pymafx_live.core.types import CaptureOrigin, Frame, SourceEvent, SourceState
from pymafx_live.pipeline.cameras import Cameras
from pymafx_live.pipeline.lane import Lane
from pymafx_live.pipeline.loop import watch as watched
from pymafx_live.pipeline.run import lens
from pymafx_live.pipeline.sources import open_source
from pymafx_live.pipeline.stop import Stop
from support.parts import create_tracker
from support.slow_link import SlowLink
from support.watching import frames_of

SIZE = (640, 480)


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Pictures of many packets each, a key frame in five."""
    from tests.pipeline.conftest import Clips

    return Clips(tmp_path_factory.mktemp("film")).write("film.h264", count=200, size=SIZE)


@pytest.fixture
def camera(film) -> Iterator[RtspCamera]:
    with RtspCamera([film]) as camera:
        yield camera


@pytest.fixture
def watch() -> Iterator[Callable[..., tuple[Source, Stop]]]:
    """Opens a source as a run has it: what is lost is opened again."""
    sources: list[Source] = []

    def open_(url: str, **settings: object) -> Source:
        sources.append(open_source(SourceSettings(uri=url, **settings), lens(CameraSettings()), Stop()))
        return sources[-1]

    yield open_
    for source in sources:
        source.close()


def until(items: Iterator[Frame | SourceEvent], state: SourceState) -> tuple[list[Frame], SourceEvent]:
    """The frames up to an event, and the event."""
    frames: list[Frame] = []
    for item in items:
        if isinstance(item, SourceEvent) and item.state is state:
            return frames, item
        if isinstance(item, Frame):
            frames.append(item)
    raise AssertionError(f"it ended before it was {state}")


def some(items: Iterator[Frame | SourceEvent], count: int) -> list[Frame]:
    return list(itertools.islice((item for item in items if isinstance(item, Frame)), count))


def test_a_camera_that_dies_and_comes_back(camera, watch, caplog):
    items = iter(watch(camera.url, timeout=5))
    before = some(items, 5)
    assert [frame.sequence for frame in before] == list(range(before[0].sequence, before[0].sequence + 5))
    assert not any(frame.cut for frame in before)
    for _ in range(2):
        camera.stop()
        threading.Timer(0.5, camera.start).start()
        _, lost = until(items, SourceState.RECONNECTING)
        assert "check" in lost.reason
        left, _ = until(items, SourceState.LIVE)
        assert not left
        after = some(items, 3)
        assert not any(frame.cut for frame in after)  # it was away for a moment, and shows what it has shown before
        assert after[0].sequence > before[-1].sequence and after[0].time > before[-1].time
        before = after
    assert camera.most_at_once <= 2  # one that asks for redirections may just be closing
    assert sum("connecting again" in record.message for record in caplog.records) == 2


def test_a_camera_of_another_size_afterwards(clips, film, watch):
    other = clips.write("other.h264", count=100, size=(320, 240))
    with RtspCamera([film, other]) as camera:
        items = iter(watch(camera.url, timeout=5))
        some(items, 2)
        camera.stop()
        camera.clip = 1
        camera.start()
        until(items, SourceState.RECONNECTING)
        (frame,) = some(items, 1)
    assert frame.cut and frame.image.shape == (240, 320, 3) and frame.camera.width == 320


def test_a_camera_that_is_not_there_yet_is_waited_for(camera, watch, caplog):
    camera.stop()
    source = watch(camera.url, timeout=5)
    assert "waiting for a source: rtsp://127.0.0.1" in caplog.text and "refused the connection" in caplog.text
    threading.Timer(0.5, camera.start).start()
    events = []
    for item in source:
        if isinstance(item, Frame):
            break
        events.append(item)
    assert not item.cut
    assert [event.state for event in events] == [SourceState.CONNECTING, SourceState.LIVE]
    assert "refused the connection" in events[0].reason


def test_a_camera_that_is_gone_for_too_long(camera, watch):
    items = iter(watch(camera.url, timeout=5, give_up=0.5))
    some(items, 2)
    camera.stop()
    with pytest.raises(SourceError, match=r"^rtsp://[^;]*check[^;]*; it was given up after 0\.5 s$"):
        list(items)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"missing": True}, "does not exist on its server"),
        ({"password": "right"}, "wants a user and password"),
        ({"redirects": -1}, "redirects more than 10 times: check the address"),
    ],
)
def test_what_asking_again_cannot_help_is_an_error_at_once(camera, watch, fault, sentence):
    camera.faults = Faults(**fault)
    with pytest.raises(SourceError, match=sentence):
        watch(camera.url.replace("//", "//admin:wrong@"), timeout=20)
    assert len(camera.requests) <= 12


def test_a_password_and_a_redirection(camera, watch):
    camera.faults = Faults(password="r:ght/#1", redirects=1)
    assert some(iter(watch(camera.url.replace("rtsp://", "RTSP://admin:r:ght/#1@"), timeout=5)), 2)


@pytest.fixture
def certificate(tmp_path) -> Callable[[str], tuple[Path, Path]]:
    """A certificate for an address and its key, as cameras make them for themselves."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")

    def made(address: str) -> tuple[Path, Path]:
        files = tmp_path / f"{address}.crt", tmp_path / f"{address}.key"
        options = f"req -x509 -nodes -newkey rsa:2048 -days 2 -subj /CN={address} -addext subjectAltName=IP:{address}"
        subprocess.run(["openssl", *options.split(), "-out", files[0], "-keyout", files[1]], check=True, timeout=30)
        return files

    return made


def test_a_camera_that_encrypts_and_one_that_pretends_to_be_it(film, watch, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    known, key = certificate("127.0.0.1")
    other, _ = certificate("127.0.0.2")
    context.load_cert_chain(known, key)
    with RtspCamera([film], tls=context) as camera:
        for trusted in ("", known):
            items = iter(watch(camera.url, timeout=5, ca_file=str(trusted)))
            some(items, 2)
            camera.stop()
            camera.start()
            until(items, SourceState.LIVE)
            assert some(items, 2)
        with pytest.raises(
            SourceError, match=r"has a certificate that .*127\.0\.0\.2\.crt does not vouch for: it is an"
        ):
            watch(camera.url, timeout=5, ca_file=str(other))
    with pytest.raises(UsageError, match=r"there is no file of certificates /nowhere\.crt: check --ca-file"):
        watch(camera.url, ca_file="/nowhere.crt")
    with pytest.raises(UsageError, match=r"^rtsp://127\.0\.0\.1:9/live is not encrypted, .*: give an rtsps:// address"):
        watch("rtsp://user:word@127.0.0.1:9/live", ca_file=str(trusted))


@pytest.mark.parametrize("silent_at", ["OPTIONS", "DESCRIBE", "PLAY"])
def test_a_camera_that_keeps_silent_and_then_speaks(camera, watch, silent_at):
    camera.faults.silent_at = silent_at
    began = time.monotonic()
    source = watch(camera.url, timeout=1.0)
    items = iter(source)
    event = next(items)
    assert event.state is SourceState.CONNECTING
    assert event.reason.endswith("has sent nothing for 1 s: check that it is on and reachable")
    assert time.monotonic() - began >= 0.9
    camera.faults.silent_at = ""
    assert some(items, 2)


@pytest.mark.parametrize("only", ["tcp", "udp"])
def test_a_camera_that_sends_one_way_only(camera, watch, only):
    camera.faults.transport = only
    assert some(iter(watch(camera.url, timeout=5)), 3)
    other = {"tcp": "udp", "udp": "tcp"}[only]
    with pytest.raises(SourceError):
        watch(camera.url, timeout=5, rtsp_transport=other, wait=False)


@pytest.mark.parametrize(
    ("transport", "fault"),
    [
        ("udp", {"loss": 0.05, "reorder": 0.05}),
        ("tcp", {"loss": 0.02}),  # a camera that skips what its own buffer has no room for
        ("tcp", {"flip": 0.05}),
    ],
)
def test_no_damaged_picture_passes_for_a_good_one(clips, camera, watch, transport, fault):
    camera.fps, camera.faults = 100, Faults(**fault)
    good = 0
    for frame in itertools.islice(frames_of(watch(camera.url, timeout=5, rtsp_transport=transport)), 60):
        assert frame.image.shape == (480, 640, 3)
        error = frame.image.astype(np.float32) - clips.picture(clips.number(frame.image), SIZE)
        assert 10 * np.log10(255**2 / (error**2).mean()) > 30, frame.sequence
        good += 1
    assert good == 60 and frame.dropped > 0


def test_a_camera_that_sends_nothing_but_damage_is_opened_again(camera, watch):
    items = iter(watch(camera.url, timeout=1.0))
    some(items, 3)
    camera.faults.flip = 1.0
    _, lost = until(items, SourceState.RECONNECTING)
    assert "has sent nothing for 1 s" in lost.reason
    camera.faults.flip = 0.0
    assert some(items, 3)


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "silent"])
def test_who_is_there_when_a_camera_is_gone_has_ended_before_it_is_back(
    camera, watch, green_detector, box_engine, lost
):
    """Within `gone_after` everybody keeps the id; after it a message ends them although no frame comes."""
    with SlowLink(camera.port, rate=5e7) as link:

        def away(seconds: float) -> None:
            leave, come = (camera.stop, camera.start) if lost else (link.held.set, link.held.clear)
            leave()
            threading.Timer(seconds, come).start()

        url = camera.url if lost else camera.url.replace(str(camera.port), str(link.port))
        source = watch(url, timeout=20, gone_after=1.0)
        made = watched(Cameras([source], [Lane(create_tracker())]), green_detector, box_engine)
        told: list[tuple[str, list[tuple[int, str]]]] = []

        def until_frames(count: int) -> list[Frame]:
            frames: list[Frame] = []
            while len(frames) < count:
                item = next(made)
                if isinstance(item, SourceEvent):
                    told.append((str(item.state), []))
                    continue
                result, frame = item
                frames += [frame] if frame is not None else []
                if frame is None or result.people:
                    told.append(("final" if frame is None else "", [(p.id, str(p.state)) for p in result.people]))
            return frames

        until_frames(5)
        away(0.3)
        assert not any(frame.cut for frame in until_frames(20))
        assert {key for _, people in told for key, _ in people} == {1}
        told.clear()
        away(2.0)
        frames = until_frames(40)
        made.close()
    last = next(k for k, (what, _) in enumerate(told) if what == "final")
    assert told[last][1] == [(1, "ended")]
    assert all(people == [(1, "tracked")] for what, people in told[:last] if not what)
    assert [what for what, _ in told[last:] if what not in ("", "final", "reconnecting", "stalled")] == ["live"]
    assert {what for what, _ in told} - {"", "final", "live"} == {"reconnecting" if lost else "stalled"}
    assert min(key for _, people in told[last + 1 :] for key, _ in people) == 2
    assert sum(frame.cut for frame in frames) == 1
    assert box_engine.forgotten[0] == (source.name, None)


def ages(camera: RtspCamera, clips: object, frames: list[Frame]) -> np.ndarray:
    """Of each frame: its told age and its true one, when it is looked at, (N, 2) in seconds."""
    rows = []
    for frame in frames:
        told, now, number = frame.age, time.monotonic(), clips.number(frame.image)
        rows.append((told, now - next(at for index, at in reversed(camera.taken) if index == number)))
    return np.array(rows)


@pytest.mark.parametrize(
    ("faults", "origin"),
    [
        ({}, CaptureOrigin.SENDER),
        ({"reports": False}, CaptureOrigin.ESTIMATED),
        ({"skew": 3600.0}, CaptureOrigin.ESTIMATED),
        ({"skew": -3600.0}, CaptureOrigin.ESTIMATED),
    ],
)
def test_a_frame_is_as_old_as_it_says(clips, camera, watch, faults, origin):
    camera.faults = Faults(**faults)
    rows = []
    for frame in itertools.islice(frames_of(watch(camera.url, timeout=5)), 40):
        rows.append(ages(camera, clips, [frame])[0])
    told, true = np.array(rows).T
    assert frame.capture_origin is origin
    assert (told >= true - 0.1).all() and np.median(told - true) < 0.1
    assert abs(frame.captured_at - (time.time() - frame.age)) < 0.05


@pytest.fixture(scope="module")
def rich_film(tmp_path_factory) -> Path:
    """Noise below the numbers, so that a picture is some 20 kB."""
    from tests.pipeline.conftest import Clips

    class Noisy(Clips):
        @staticmethod
        def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
            image = Clips.picture(number, size)
            noise = np.random.default_rng(number).integers(0, 256, (size[1] // 8, size[0] // 8, 3), np.uint8)
            image[size[1] // 3 :] = np.kron(noise, np.ones((8, 8, 1), np.uint8))[: size[1] - size[1] // 3, : size[0]]
            return image

    return Noisy(tmp_path_factory.mktemp("rich")).write("film.h264", count=100, size=SIZE)


@pytest.mark.parametrize("reports", [pytest.param(True, marks=pytest.mark.slow), False])
def test_on_a_slow_link_ages_grow_and_are_told(clips, rich_film, watch, reports):
    """After a second it carries two thirds of the stream, and in four more its frames are a second old.

    What tells the capture is the quickest frame; only a camera that tells its time is known to be late from the first.
    """
    enough = rich_film.stat().st_size / 4
    with (
        RtspCamera([rich_film], faults=Faults(reports=reports)) as camera,
        SlowLink(camera.port, rate=enough / 1.5 if reports else 10 * enough) as link,
    ):
        rows = []
        for frame in frames_of(watch(camera.url.replace(str(camera.port), str(link.port)), timeout=5)):
            rows.append(ages(camera, clips, [frame])[0])
            running = time.monotonic() - camera.taken[0][1]
            if running > 1:
                link.rate = enough / 1.5
            if running > 5:
                break
    told, true = np.array(rows).T
    assert (told >= true - 0.1).all()
    assert true[-1] > 0.7  # the link was slow indeed


def test_what_has_piled_up_is_skipped(clips, film, watch):
    with RtspCamera([film]) as camera, SlowLink(camera.port, rate=5e7) as link:
        items = iter(watch(camera.url.replace(str(camera.port), str(link.port)), timeout=20))
        before = some(items, 25)[-1]
        link.held.set()
        threading.Timer(3.5, link.held.clear).start()
        frames, _ = until(items, SourceState.STALLED)
        last = clips.number((frames or [before])[-1].image)
        until(items, SourceState.LIVE)
        after = some(items, 5)
    missing = (clips.number(after[0].image) - last - 1) % 200  # the film begins anew after so many pictures
    assert missing >= 25 * 2  # of three and a half seconds the first two at least are gone
    assert after[0].dropped >= missing
