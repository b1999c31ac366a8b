"""docs/examples: each subscriber is built and hears a live run, and says of every message what our client says."""

import math
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import resources
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from pymafx_live.core.errors import AssetError
from pymafx_live.core.names import JOINTS
from pymafx_live.core.types import FrameResult, Origin, Person, SourceEvent
from pymafx_live.engines.detectors.demo_weights import demo_weights
from pymafx_live.pipeline.client import NoMessageError, Subscriber
from support.npm import javascript_folder

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
BEGIN, FRAMES = 120, 30


def python(folder: Path) -> list[str]:
    """Without our package: only what the folder of its own packages gives."""
    bare = folder / "bare"
    bare.mkdir()
    for name in ("zmq", "msgpack"):
        (bare / name).symlink_to(Path(__import__(name).__file__).parent)
    for libraries in Path(__import__("zmq").__file__).parent.parent.glob("pyzmq*"):
        (bare / libraries.name).symlink_to(libraries)
    start = (
        f"import sys, runpy; sys.path.insert(0, {str(bare)!r}); sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])"
    )
    return [sys.executable, "-I", "-S", "-c", start, str(EXAMPLES / "python" / "subscriber.py")]


def cpp(folder: Path) -> list[str]:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++: apt-get install g++")
    code = EXAMPLES / "cpp" / "subscriber.cpp"
    headers = subprocess.run(
        [compiler, "-std=c++17", "-DMSGPACK_NO_BOOST", "-E", "-x", "c++", "-", "-o", "/dev/null"],
        input="#include <msgpack.hpp>\n#include <zmq.hpp>\n", capture_output=True, text=True,
    )  # fmt: skip
    if headers.returncode:
        pytest.skip("no headers of cppzmq or msgpack: apt-get install cppzmq-dev libmsgpack-cxx-dev")
    (command,) = re.findall(r"^// (g\+\+ .*)$", code.read_text(encoding="utf-8"), re.MULTILINE)
    flags = [str(code) if word == code.name else word for word in command.split()[1:]]
    subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", *flags], check=True, cwd=folder)
    return [str(folder / "subscriber")]


def javascript(folder: Path) -> list[str]:
    return [str(shutil.which("node")), str(javascript_folder(folder) / "subscriber.mjs")]


@pytest.fixture(scope="module")
def two_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two people are to be seen in the demo."""
    clip = tmp_path_factory.mktemp("clip") / "demo.mkv"
    with av.open(str(resources.files("pymafx_live.engines.data") / "demo.mp4")) as demo, av.open(str(clip), "w") as out:
        shown = demo.streams.video[0]
        stream = out.add_stream("libx264", rate=25, width=shown.width, height=shown.height)
        for frame in islice(demo.decode(video=0), BEGIN, BEGIN + FRAMES):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"))))
        out.mux(stream.encode(None))
    return clip


@pytest.fixture
def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts programs; those that have not ended are killed."""
    processes = []

    def start(command: list[str], **options: object) -> subprocess.Popen[str]:
        processes.append(subprocess.Popen(command, text=True, encoding="utf-8", **options))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def described(person: Person) -> tuple[str, list[float], list[str]]:
    """What an example says of a person, by our client: its words, its numbers, its measured parts."""
    numbers = []
    placed, jointed = person.parts["transl"].measured_at is not None, len(person.joints) > 0
    if placed:
        numbers += person.pelvis.tolist()
    if jointed:
        shoulder, elbow, wrist = (
            person.joints[JOINTS.index(f"left_{name}")].astype(float) for name in ("shoulder", "elbow", "wrist")
        )
        a, b = elbow - shoulder, wrist - elbow
        numbers.append(math.degrees(math.acos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))))
    words = f"{person.id} {person.state} at {'' if placed else '-'} elbow {'' if jointed else '-'}"
    return words, numbers, sorted(name for name, part in person.parts.items() if part.origin is Origin.MEASURED)


PERSON = re.compile(r"(\d+) (\w+) at (-|\S+ \S+ \S+) elbow (\S+) measured (\S+)")


def check_line(line: str, result: FrameResult) -> None:
    """A line of an example says what our client says."""
    head = re.fullmatch(rf"demo #{result.sequence} age (-?\d+\.\d{{3}}) s: (.*)", line)
    assert head, line
    assert 0 <= float(head[1]) < 60
    told = [] if head[2] == "nobody" else head[2].split("; ")
    assert len(told) == len(result.people)
    for text, person in zip(told, result.people, strict=True):
        found = PERSON.fullmatch(text)
        assert found, text
        words, numbers, measured = described(person)
        place, elbow = found[3], found[4]
        given = [float(number) for number in f"{place} {elbow}".replace("-  ", "").split() if number != "-"]
        assert words == f"{found[1]} {found[2]} at {'-' * (place == '-')} elbow {'-' * (elbow == '-')}"
        np.testing.assert_allclose(given[:-1], numbers[:-1], atol=6e-4)
        np.testing.assert_allclose(given[-1:], numbers[-1:], atol=6e-2)
        assert ([] if found[5] == "-" else found[5].split(",")) == measured


def check_picture(file: Path, result: FrameResult) -> None:
    """Heads are white and pelvises green, where the camera sees them, and nothing else is drawn."""
    picture, camera = cv2.imread(str(file)), result.camera
    assert picture.shape == (camera.height, camera.width, 3)
    expected = np.zeros_like(picture)
    for person in result.people:
        if len(person.joints):
            for point, colour in ((person.joints[JOINTS.index("head")], (255, 255, 255)), (person.pelvis, (0, 255, 0))):
                u, v, w = camera.matrix @ point.astype(float)
                cv2.circle(expected, (math.floor(u / w + 0.5), math.floor(v / w + 0.5)), 4, colour, -1)
    assert expected.any()
    near = cv2.dilate(expected, np.ones((3, 3), np.uint8))
    assert (picture <= near).all() and (expected <= cv2.dilate(picture, np.ones((3, 3), np.uint8))).all()


@pytest.mark.parametrize("build", [python, cpp, javascript])
def test_a_subscriber_hears_what_our_client_hears(build, tmp_path, two_people, free_address, started):
    try:
        demo_weights()
    except AssetError as error:
        pytest.skip(str(error))
    command = build(tmp_path)
    example = started([*command, free_address, str(tmp_path / "last.ppm")], stdout=subprocess.PIPE)
    events: list[SourceEvent] = []
    with Subscriber(free_address, timeout=1, on_event=events.append) as subscriber:
        program = Path(sys.executable).with_name("pymafx-live")
        run = started([str(program), "--source", str(two_people), "--name", "demo", "--bind", free_address])
        received = []
        while run.poll() is None or not events or events[-1].state != "ended":
            with suppress(NoMessageError):
                received.append(next(subscriber))
            assert run.poll() in (None, 0)
    output, _ = example.communicate(timeout=60)
    assert example.returncode == 0
    results = {result.sequence: result for result in received}
    lines = {int(found[1]): line for line in output.splitlines() if (found := re.match(r"demo #(\d+) ", line))}
    assert max(len(result.people) for result in received) >= 2
    common = results.keys() & lines.keys()
    assert len(common) >= 0.8 * FRAMES, "a PUB socket may drop for one of them, but not much"
    for sequence in common:
        check_line(lines[sequence], results[sequence])
    assert output.splitlines()[-1].startswith("demo is ended")
    if max(lines) in results:
        check_picture(tmp_path / "last.ppm", results[max(lines)])
