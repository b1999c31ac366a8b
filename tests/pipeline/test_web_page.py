"""The page in a real browser: Chromium, driven by Playwright."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pymafx_live.core.types import Camera, Frame, Origin, Part, SourceEvent, SourceState
from pymafx_live.core.world import FloorOrigin, World
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.outputs.web import WebOutput
from pymafx_live.pipeline.playback import Playback
from pymafx_live.pipeline.recorder import Recorder, Recording
from pymafx_live.pipeline.recordings.journal import Mcap
from pymafx_live.pipeline.stop import Stop
from support.people import MEASURED, person, random_pose, result
from support.recordings import recorded

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
for module in ("starlette", "uvicorn", "websockets"):
    pytest.importorskip(module, reason="the extra `web` is not installed")
pytestmark = pytest.mark.slow

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--disable-background-networking",
]  # fmt: skip
SHAPES = [(360, 740), (768, 1024), (1280, 800), (2560, 1440)]


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium: apt-get install chromium")
    with playwright.sync_playwright() as player, player.chromium.launch(executable_path=chromium, args=FLAGS) as opened:
        yield opened


@contextmanager
def opened(browser, url: str, size: tuple[int, int] = (1000, 700), scheme: str = "light") -> Iterator[playwright.Page]:
    """The page; errors on it, and requests for anything elsewhere, are none that a test may have."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    own = ("/".join(url.split("/")[:3]), "blob:")
    page.on("request", lambda request: errors.extend([] if request.url.startswith(own) else [request.url]))
    page.goto(url)
    try:
        yield page
        assert not errors
    finally:
        context.close()


def until(condition: Callable[[], object], patience: float = 90.0) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it does not come to that"
        time.sleep(0.05)


def people(page) -> list[int]:
    found: list[int] = page.evaluate("window.room ? [...room.people.keys()] : []")
    return found


@pytest.fixture
def output() -> Iterator[WebOutput]:
    served = WebOutput("127.0.0.1:0", Run(Stop()), fps=30)
    yield served
    served.close()


def test_a_body_on_the_page_stands_where_the_engine_s_body_does(output, browser):
    rng = np.random.default_rng(3)
    pose, bones = random_pose(rng), rng.uniform(0.8, 1.2, 55).astype(np.float32)
    world, body = World.tilted(-0.2, 0.1, 1.7, floor=FloorOrigin.GIVEN), BodyModel.embedded()
    somebody = person(pose, (0.3, -0.2, 2.5), bones, number=4)
    truth = world.points(body.vertices(pose, somebody.pelvis - body.rest_joints[0], None, bones)[0])
    with opened(browser, output.server.url) as page:
        until(lambda: page.evaluate("Boolean(window.room)"))
        output.write(result(somebody, world=world), None)
        until(lambda: people(page) == [4])
        chosen = list(range(0, len(truth), 97))
        shown = np.array(page.evaluate("indices => indices.map((k) => room.vertex(4, k))", chosen))
    assert np.abs(shown - truth[chosen]).max() < 5e-4


def test_somebody_moves_while_the_demo_plays_and_a_lost_server_is_told_and_comes_back(browser, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    first = demo(address, tmp_path)
    try:
        until(lambda: answers(address))
        with opened(browser, f"http://{address}") as page:
            place = "room.vertex([...room.people.keys()][0], 0)"
            until(lambda: people(page))
            before = page.evaluate(place)
            until(lambda: people(page) and np.abs(np.subtract(page.evaluate(place), before)).max() > 0.02)
            until(lambda: page.locator("#picture").evaluate("image => image.naturalWidth") == 640)
            until(lambda: page.locator("td.measured").count() > 5)
            assert page.locator("#sources .state").inner_text() == "live"
            first.send_signal(signal.SIGKILL)
            until(lambda: page.locator("#connection").get_attribute("data-state") == "lost")
            assert "lost" in page.locator("#connection").inner_text()
            until(lambda: page.locator("#sources .state").inner_text() == "not known")
            first.wait(20)
            second = demo(address, tmp_path)
            try:
                until(lambda: page.locator("#connection").get_attribute("data-state") == "live")
                until(lambda: page.locator("#rate").inner_text()[0] in "123456789")
            finally:
                second.terminate()
                assert second.wait(60) == 0, (tmp_path / "log").read_text()
    finally:
        first.kill()


def demo(address: str, folder: Path) -> subprocess.Popen[bytes]:
    return started(["--source", "demo", "--realtime", "--loop"], address, folder)


def started(arguments: list[str], address: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from pymafx_live.pipeline.start import main; main()", *arguments]
    command += ["--bind", "", "--web", address]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"COLUMNS": "200"})


def answers(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_the_address_with_the_token_opens_the_page_and_without_it_nothing_does(browser):
    output = WebOutput("0.0.0.0:0", Run(Stop()), fps=0)
    own = f"http://127.0.0.1:{output.server.port}"
    try:
        with opened(browser, f"{own}/{output.server.access.token}") as page:
            assert page.url == f"{own}/"
            until(lambda: page.locator("#connection").get_attribute("data-state") == "live")
            page.reload()
            until(lambda: page.locator("#connection").get_attribute("data-state") == "live")
        with opened(browser, own) as page:
            assert "needs its token" in page.locator("body").inner_text()
    finally:
        output.close()


def test_a_replay_is_steered_with_mouse_and_keyboard(browser, tmp_path):
    """A real run of a recording, at whose page somebody looks."""
    file = Mcap().write(recorded(500), tmp_path / "run.mcap", lambda file: file)[0]
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    run = started(["--source", str(file)], address, tmp_path)
    try:
        until(lambda: answers(address))
        with opened(browser, f"http://{address}") as page:
            at = "document.querySelector('#time').valueAsNumber"
            until(lambda: people(page) == [1, 2])
            button, clock = page.locator("#play"), page.locator("#clock")
            assert button.inner_text() == "Pause" and clock.inner_text().endswith(" / 0:19")
            before = page.evaluate(at)
            until(lambda: page.evaluate(at) > before)
            button.click()
            until(lambda: button.inner_text() == "Play")
            until(lambda: page.locator("#sources .state").inner_text() == "stalled")
            page.evaluate("document.querySelector('#time').focus()")
            page.keyboard.press("Home")
            until(lambda: clock.inner_text() == "0:00 / 0:19")
            for key in ("PageUp", "ArrowRight", "Shift+ArrowLeft", "ArrowUp", "ArrowLeft"):
                page.keyboard.press(key)
            until(lambda: clock.inner_text() == "0:10 / 0:19" and page.evaluate(at) == pytest.approx(10.96))
            page.keyboard.press("Home")
            until(lambda: clock.inner_text() == "0:00 / 0:19")
            place = "room.people.get(1)?.place.toArray() ?? [9, 9, 9]"
            for moment in (0, 10):
                page.evaluate(f"""() => {{
                    const time = document.querySelector('#time');
                    time.value = {moment};
                    time.dispatchEvent(new Event('change'));
                }}""")
                truth = recorded(251)[1 + 25 * moment][0]
                there = truth.world.points(truth.people[0].pelvis)
                until(lambda there=there: np.abs(np.subtract(page.evaluate(place), there)).max() < 0.01)
            assert clock.inner_text() == "0:10 / 0:19"
            page.locator("#speed").select_option("8")
            button.click()
            until(lambda: button.inner_text() == "Play again")
            assert clock.inner_text() == "0:19 / 0:19, the end"
            until(lambda: page.locator("#nobody").is_visible())
            button.click()
            until(lambda: people(page) == [1, 2])
            with opened(browser, f"http://{address}") as other:
                until(lambda: other.locator("#speed").input_value() == "8")
        run.terminate()
        assert run.wait(60) == 0, (tmp_path / "log").read_text()
    finally:
        run.kill()


def test_a_recording_is_made_and_downloaded(browser, tmp_path):
    recorder = Recorder(tmp_path)
    output = WebOutput("127.0.0.1:0", Run(Stop(), recorder=recorder), fps=0)
    try:
        with opened(browser, output.server.url) as page:
            button, text = page.locator("#recorder button"), page.locator("#recorder-state")
            until(lambda: button.is_visible())
            assert tmp_path.name in text.inner_text()
            button.click()
            until(lambda: button.inner_text() == "Stop recording")
            items = [item for item in recorded(60) if not isinstance(item, SourceEvent)]
            for item in items:
                recorder.write(*item)
                time.sleep(0.01)
            until(lambda: re.fullmatch(r"Recording: 0:0\d, \d.* [kM]B", text.inner_text()))
            button.click()
            link = page.locator("#recordings a", has_text=".mcap")
            until(lambda: link.count() == 1)
            with page.expect_download() as waiting:
                link.click()
            waiting.value.save_as(tmp_path / "downloaded")
            assert (tmp_path / "downloaded").read_bytes() == recorder.finished[0].file.read_bytes()
            with page.expect_download() as waiting:
                page.locator("#recordings a", has_text=".bvh").click()
            assert waiting.value.suggested_filename == f"{recorder.finished[0].file.stem}-bvh.zip"
            button.click()
            until(lambda: button.inner_text() == "Stop recording")
            shutil.rmtree(tmp_path)
            recorder.write(*items[0])
            until(lambda: page.locator("#recorder-fault").is_visible())
            assert "cannot write" in page.locator("#recorder-fault").inner_text()
            assert button.inner_text() == "Record"
    finally:
        output.close()
        recorder.close()


@pytest.fixture
def steered(tmp_path) -> Iterator[WebOutput]:
    """With all that the page can show: recordings, and where a replay is."""
    recorder, playback = Recorder(tmp_path), Playback(4242.0)
    recorder.finished = [Recording(tmp_path / "2026-11-26T12-41-18.mcap", 3723.0, 1_234_567_890)]
    playback.play(False)
    served = WebOutput("127.0.0.1:0", Run(Stop(), recorder=recorder, playback=playback), fps=30)
    recorder._fault = "cannot write /a/folder/whose_name_is_long (No space left on device): free some space"
    recorder.changed()
    yield served
    served.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_it_fits_every_screen_and_can_be_read(steered, browser, size, scheme):
    output = steered
    output.tell(SourceEvent("a camera with a name that is long and has_no_place_to_be_broken_anywhere", "live", 1.0))
    output.tell(SourceEvent("camera", SourceState.RECONNECTING, 1.0, "no frame for 2 s"))
    frame = Frame(np.full((720, 1280, 3), 120, np.uint8), "camera", 0, 0.0, 0.0, Camera(1280, 720, 900, 900, 640, 360))
    held = MEASURED | {"left_hand": Part(0.3, Origin.HELD), "betas": Part(0.0, Origin.DEFAULT)}
    here = result(person(number=1), person(number=2, pelvis=(-1.0, 0.3, 4.0), parts=held))
    with opened(browser, output.server.url, size, scheme) as page:
        until(lambda: page.evaluate("Boolean(window.room)"))
        page.locator("#sources button", has_text="reconnecting").click()
        until(lambda: b"camera" in output.server.viewers.pictured)
        output.write(replace(here, camera=frame.camera), frame)
        until(lambda: people(page) == [1, 2] and page.locator(".person").count() == 2)
        until(lambda: page.locator("#picture").is_visible())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("td.held").first.text_content() == "held from earlier"
        touched = "[...document.querySelectorAll('button, summary, a, input, select')]"
        small = page.evaluate(f"{touched}.filter(b => b.offsetHeight < 24).length")
        assert not small, "too small for a finger"
        assert contrasts(page) > 4.5, "WCAG 2.1, 1.4.3"
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{size[0]}-{scheme}.png", full_page=True)


def contrasts(page) -> float:
    """The least contrast of the colours of text with those that they stand on."""
    style = "getComputedStyle(document.documentElement)"
    names = ["--text", "--dim", "--accent", "--good", "--warn", "--bad", "--panel", "--back"]
    colours = page.evaluate(f"names => names.map((name) => {style}.getPropertyValue(name).trim())", names)
    bright = {name: _luminance(colour) for name, colour in zip(names, colours, strict=True)}
    pairs = [(bright[text], bright[below]) for text in names[:6] for below in names[6:]]
    return min((max(pair) + 0.05) / (min(pair) + 0.05) for pair in pairs)


def _luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    channels = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_everything_is_reached_with_the_keyboard(steered, browser):
    output = steered
    with opened(browser, output.server.url) as page:
        until(lambda: page.evaluate("Boolean(window.room)"))
        output.write(result(person(number=1), person(number=2, pelvis=(-1.0, 0.3, 4.0))), None)
        until(lambda: page.locator(".person").count() == 2)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "view"
        eye = "room.eye.position.toArray()"
        for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowRight", "+"):
            before = page.evaluate(eye)
            page.keyboard.press(key)
            assert page.evaluate(eye) != before, key
        reached = []
        for _ in range(30):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.innerText"))
            if reached[-1] == "Follow person 2":
                break
        assert {"Reset view", "As the camera sees it", "Show picture", "Follow person 1", "Parts"} <= set(reached)
        assert {"Play", "Moment of the recording", "Record"} <= set(reached)
        assert len([name for name in reached if name.startswith("Download the recording of 2026")]) == 4
        page.keyboard.press("Enter")
        assert page.evaluate("room.followed") == 2
        assert page.locator("button[aria-pressed=true]", has_text="Follow").count() == 1
        output.write(result(person(number=1), sequence=1), None)
        until(lambda: page.evaluate("room.followed") is None)
