"""How many results a second the page shows, in Debian's Chromium without a GPU (extras `web` and `browser`).

    python -m pymafx_live.bench.page [--people 4] [--fps 30] [--seconds 20] [--viewers 1] [--demo] [--json out.json]

So many people who move are handed to the page that many times a second. Of the first viewer it is counted how many it
shows, and timed what one takes of its script; the others are sockets that only hear. `--demo` runs what `make demo`
does at the same time, again and again.
"""

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pymafx_live.bench.latency import Figures
from pymafx_live.bench.outputs import CAMERA, others, people
from pymafx_live.bench.report import print_table, write_json
from pymafx_live.core.errors import LiveError, UsageError
from pymafx_live.core.types import FrameResult
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.outputs.web import WebOutput
from pymafx_live.pipeline.page.message import encode
from pymafx_live.pipeline.stop import Stop

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--disable-background-networking")
COLUMNS = {
    "bytes": "bytes a result", "sent": "results a second", "shown": "shown a second", "drawn": "drawn a second",
    "script": "script, ms", "server": "server, ms",
}  # fmt: skip
_PATIENCE = 120.0
"""Seconds until the page is there."""
_COUNT = """() => {
    window.counted = { shown: 0, drawn: 0, spent: 0 };
    const [show, render] = [room.show.bind(room), room.renderer.render.bind(room.renderer)];
    room.show = (...given) => {
        const began = performance.now();
        show(...given);
        counted.spent += performance.now() - began;
        counted.shown += 1;
    };
    room.renderer.render = (...given) => { counted.drawn += 1; render(...given); };
}"""


@contextmanager
def demo() -> Iterator[None]:
    """What `make demo` runs, at the same time and until the block is left."""
    over = threading.Event()
    code = "from pymafx_live.pipeline.start import main; main()"

    def again(folder: str) -> None:
        flags = ["--source", "demo", "--bind", "", "--save", f"{folder}/demo.mp4", "--overwrite"]
        while not over.is_set():
            with subprocess.Popen([sys.executable, "-c", code, *flags], stderr=subprocess.DEVNULL) as run:
                while run.poll() is None and not over.wait(0.1):
                    pass
                run.terminate()

    with TemporaryDirectory() as folder:
        thread = threading.Thread(target=again, args=(folder,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@contextmanager
def listener(url: str) -> Iterator[None]:
    """A viewer that only hears."""
    from websockets.sync.client import connect

    with connect(url.replace("http", "ws") + "/live", max_size=None, proxy=None) as socket:

        def hear() -> None:
            for _ in socket:
                pass

        thread = threading.Thread(target=hear, daemon=True)
        thread.start()
        yield
    thread.join(5)


def measure(count: int, fps: float, seconds: float, viewers: int) -> Figures:
    """See the module; milliseconds of the page's script for a result, and of the server's threads."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise UsageError("there is no chromium: apt-get install chromium")
    frames = list(people(count, 250))
    output = WebOutput("127.0.0.1:0", Run(Stop()), fps=0)

    def result(k: int) -> FrameResult:
        return FrameResult("cam", k, "bench", k / fps, time.time(), time.time(), CAMERA, frames[k % len(frames)])

    def send(first: int, seconds: float) -> int:
        began, k = time.monotonic(), 0
        while (now := time.monotonic() - began) < seconds:
            if now >= k / fps:
                output.write(result(first + k), None)
                k += 1
            else:
                time.sleep(k / fps - now)
        return k

    try:
        with sync_playwright() as player, ExitStack() as stack:
            browser = stack.enter_context(player.chromium.launch(executable_path=chromium, args=FLAGS))
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(output.server.url)
            began = time.monotonic()
            while not page.evaluate("Boolean(window.room)") and time.monotonic() - began < _PATIENCE:
                time.sleep(0.05)  # what waits in the page itself is refused by its Content-Security-Policy
            for _ in range(viewers - 1):
                stack.enter_context(listener(output.server.url))
            warm = send(0, 2)
            page.evaluate(_COUNT)
            before, began = others(), time.monotonic()
            sent = send(warm, seconds)
            counted: dict[str, Any] = page.evaluate("counted")
            lasted, spent = time.monotonic() - began, others() - before
    finally:
        output.close()
    return {
        "bytes": len(encode(result(0))), "sent": sent / lasted, "shown": counted["shown"] / lasted,
        "drawn": counted["drawn"] / lasted, "script": counted["spent"] / max(counted["shown"], 1),
        "server": 1e3 * spent / sent,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pymafx_live.bench.page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--people", type=int, default=4, help="how many (default 4)")
    parser.add_argument("--fps", type=float, default=30, help="results a second (default 30)")
    parser.add_argument("--seconds", type=float, default=20, help="how long (default 20)")
    parser.add_argument("--viewers", type=int, default=1, help="how many (default 1)")
    parser.add_argument("--demo", action="store_true", help="run the demo at the same time")
    parser.add_argument("--json", metavar="OUT.json", help="write the figures")
    options = parser.parse_args(arguments)
    try:
        with demo() if options.demo else ExitStack():
            figures = measure(options.people, options.fps, options.seconds, options.viewers)
    except (LiveError, ImportError) as error:
        print(f"page: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 2)
    title = f"{options.people} people, viewers: {options.viewers}{', beside the demo' if options.demo else ''}"
    rows = {f"{os.cpu_count()} cores": figures}
    print_table(title, rows, COLUMNS, 2)
    if options.json:
        write_json(Path(options.json), "page", rows, vars(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
