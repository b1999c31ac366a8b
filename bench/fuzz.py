"""Damaged input: every mutant of a good one gives a value or one of our errors, in little time and memory.

    python -m pymafx_live.bench.fuzz [--mutants 10000] [--what wire,config] [--jobs 2] [--first 0] [--json out.json]

Mutants are numbered, and the same number is the same mutant. They are read in processes of `--memory` MB; one that ends
its process, raises another exception, or takes more than a second is printed with its number, and the exit code is 1.
"""

import argparse
import io
import multiprocessing
import pickle
import random
import re
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from mcap.writer import CompressionType, Writer
from pymafx_live.bench.report import print_table, write_json
from pymafx_live.configs.load import ConfigError, load
from pymafx_live.core.addresses import Secrets, escaped, masked
from pymafx_live.core.errors import LiveError
from pymafx_live.core.text import quiet
from pymafx_live.core.types import (
    PARTS,
    SHAPES,
    Camera,
    Directory,
    FrameResult,
    Listing,
    Origin,
    Part,
    Person,
    SourceEvent,
    TrackState,
)
from pymafx_live.core.wire import decode, decode_directory, decode_event, encode, encode_directory, encode_event
from pymafx_live.engines.body.unpickle import load_npy, load_npz, load_pickle
from pymafx_live.engines.runtime.onnx_metadata import read_metadata
from pymafx_live.pipeline.camera import read_calibration
from pymafx_live.pipeline.curve import read as read_keys
from pymafx_live.pipeline.listen import line, listed
from pymafx_live.pipeline.recordings.journal import Mcap
from pymafx_live.pipeline.recordings.lines import read_results, to_json
from pymafx_live.pipeline.settings import run_settings

OURS = (LiveError, ConfigError)
SLOW = 1.0
"""Seconds that a mutant may take: all are smaller than a megabyte."""
STUCK = 20
"""Seconds after which one is given up."""
CHUNK = 2000
"""Mutants that one process reads at a time."""
TOKENS = (
    b"\0", b"\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdb\x7f\xff\xff\xff", b"\x91" * 50, b"\x80\x05",
    b"\x94" * 9, b"[" * 50, b"{a: " * 20, b"&a [*a]", b"*a", b"<<: ", b".nan", b"-1", b"1e999", b"9" * 30,
    b"2147483648", b"\x1b[2J", "\u202e".encode(), b"\xc3", b"!!python/object:os.system ", b"cos\nsystem\n",
    b"@", b"%", b"#", b"://", b"\n", b"'", b'"',
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """What is fed: `seeds` are good inputs, `read` reads one, and may write it into the file that it is given first."""

    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[bytes, Path], None]


@dataclass
class Tally:
    """What became of mutants."""

    values: int = 0
    refused: int = 0
    seconds: float = 0.0
    worst: float = 0.0
    megabytes: float = 0.0
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Counts those of another, too."""
        self.values, self.refused = self.values + other.values, self.refused + other.refused
        self.seconds, self.worst = self.seconds + other.seconds, max(self.worst, other.worst)
        self.megabytes = max(self.megabytes, other.megabytes)
        self.faults += other.faults


def mutate(seed: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """A few changes of those that transfer, disks and attackers make."""
    data = bytearray(seed)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 8))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(8):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[at % len(data)] = rng.randrange(256)
            case 2:
                del data[at : at + rng.choice((1, 1, 2, 4, 16, 64))]
            case 3:
                data[at:at] = rng.choice(TOKENS)
            case 4:
                token = rng.choice(TOKENS)
                data[at : at + len(token)] = token
            case 5:
                data[at:at] = data[at : at + rng.choice((1, 4, 16, 64))] * rng.choice((1, 2, 8))
            case 6:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                data[at:] = other[start:] if rng.random() < 0.5 else other[start : start + 32] + data[at:]
            case _:
                del data[at:]
    return bytes(data)


def mutant(target: Target, number: int) -> bytes:
    """The mutant of that number."""
    rng = random.Random(number)
    seeds = target.seeds()
    return mutate(rng.choice(seeds), seeds, rng)


def _result(people: int, name: str = "cam") -> FrameResult:
    rng = np.random.default_rng(people)

    def noise(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    pose: dict[str, Any] = {field_: noise(length) for field_, length in SHAPES.items()}
    persons = tuple(
        Person(
            id_, TrackState.TRACKED, noise(4), 0.5, "landmarks", {part: Part(0.5, Origin.MEASURED) for part in PARTS},
            **pose, pelvis=noise(3),
            extra={"keypoints": noise(33, 3), "blendshapes": noise(52)},
        )
        for id_ in range(people)
    )  # fmt: skip
    camera = Camera(640, 480, 500.0, 500.0, 320.0, 240.0, distortion=(0.1, 0.0))
    return FrameResult(name, 7, "run", 0.25, 1.0, 1.1, camera, persons, {"detect": 0.01}, 2)


@cache
def _messages() -> Sequence[bytes]:
    return [
        encode(_result(0)),
        encode(_result(1)),
        encode(_result(2, "Tür 漢")),
        encode_event(SourceEvent("cam", "live", 1.0, "", {"detect_every": 2})),
    ]


def _read_message(data: bytes, _: Path) -> None:
    try:
        result = decode(data)
    except LiveError as error:
        if not (str(error).isprintable() and len(str(error)) < 1000):
            raise AssertionError(f"a sentence that cannot be shown: {error!r}") from error
        decode_event(data)
        return
    _shown(line(result), to_json(result))


@cache
def _directories() -> Sequence[bytes]:
    gate = Listing("gate", "live", "", "w1", "10.0.0.5", "4f1c", 1200, fps=24.5, age=0.0625, dropped=0.125, people=3)
    return [
        encode_directory(Directory(1.0, (), 0)),
        encode_directory(Directory(1.0, (gate, Listing("Tür 漢", "failed", "no room")), 3)),
    ]


def _read_directory(data: bytes, _: Path) -> None:
    directory = decode_directory(data)
    _shown(*(listed(listing) for listing in directory.sources))
    if decode_directory(encode_directory(directory)).total != directory.total:
        raise AssertionError("it is another when it is sent on")


def _shown(*texts: str) -> None:
    if not all(text.isprintable() for text in texts):
        raise AssertionError("a terminal would obey this")


@cache
def _lines() -> Sequence[bytes]:
    return [to_json(_result(people)).encode() + b"\n" for people in (0, 1)]


def _read_lines(data: bytes, file: Path) -> None:
    file.write_bytes(data)
    for result in read_results(file):
        decode(encode(result))


@cache
def _journals() -> Sequence[bytes]:
    """Recordings of the messages: in a chunk that is compressed and checked, and in ones that are not."""
    made = []
    for compression, chunked in (
        (CompressionType.ZSTD, True),
        (CompressionType.NONE, True),
        (CompressionType.NONE, False),
    ):
        checked = compression is CompressionType.ZSTD
        writer = Writer(stream := io.BytesIO(), compression=compression, use_chunking=chunked, enable_crcs=checked)
        writer.start()
        for message in _messages():
            topic, _, content = message.partition(b"\0")
            schema = "pymafx_live.FrameResult" if topic.startswith(b"smplx/") else "pymafx_live.SourceEvent"
            channel = writer.register_channel(topic.decode(), "msgpack", writer.register_schema(schema, "", b""))
            writer.add_message(channel, 0, content, 0)
        writer.finish()  # type: ignore[no-untyped-call]
        made.append(stream.getvalue())
    return made


def _read_journal(data: bytes, file: Path) -> None:
    file.write_bytes(data)
    for item in Mcap().read(file):
        if not isinstance(item, SourceEvent):
            decode(encode(item[0]))


@cache
def _configurations() -> Sequence[bytes]:
    return [
        b"source:\n  uri: rtsp://192.168.1.20/stream1\n  name: door\ncamera:\n  fov: 70.5\ndetector:\n  stride: auto\n",
        b"sources:\n  - {uri: 0, name: desk, camera: {focal: 700}}\n  - {uri: b.mp4}\nrun: {threads: 2}\n",
        b"tracker: {name: sort, options: {buffer: 2.0, high: 0.5}}\nengine: {smoothing: 0.5, max_people: 3}\n",
        b"output: {bind: 'tcp://127.0.0.1:5555', jsonl: out.jsonl, save: out.mp4, stats: s.json, overwrite: true}\n",
    ]


def _read_configuration(data: bytes, file: Path) -> None:
    file.write_bytes(data)
    load(file, {"camera": {"focal": 500.0}}, run_settings()).cameras()


@cache
def _calibrations() -> Sequence[bytes]:
    opencv = (
        b"%YAML:1.0\n---\nimage_width: 640\nimage_height: 480\ncamera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n"
        b"   dt: d\n   data: [ 500., 0., 319.5, 0., 500., 239.5, 0., 0., 1. ]\n"
        b"distortion_coefficients: !!opencv-matrix\n   rows: 1\n   cols: 4\n   dt: d\n   data: [ 0.1, -0.2, 0., 0. ]\n"
    )
    ros = (
        b"image_width: 640\nimage_height: 480\ncamera_name: door\ncamera_matrix:\n  rows: 3\n  cols: 3\n"
        b"  data: [500, 0, 320, 0, 500, 240, 0, 0, 1]\ndistortion_model: plumb_bob\n"
        b"distortion_coefficients:\n  rows: 1\n  cols: 5\n  data: [0.1, 0, 0, 0, 0]\n"
    )
    return [opencv, ros]


def _read_calibration(data: bytes, file: Path) -> None:
    file.write_bytes(data)
    camera = read_calibration(file)
    if not np.isfinite(camera.resized(1280, 720).matrix).all():
        raise AssertionError("a camera that is no camera")


@cache
def _pickles() -> Sequence[bytes]:
    model = {
        "v_template": np.arange(12.0).reshape(4, 3), "weights": sp.csc_matrix(np.eye(4)),
        "f": np.arange(6, dtype=np.uint32), "kintree_table": np.array([[2**32 - 1, 0], [0, 1]]),
        "names": ["a", "é"], "gender": "neutral", "o": np.array([{}, 1], object),
    }  # fmt: skip
    return [pickle.dumps(model, protocol) for protocol in (0, 2, 4)]


def _read_pickle(data: bytes, file: Path) -> None:
    file.write_bytes(data)
    load_pickle(file)


@cache
def _archives() -> Sequence[bytes]:
    found = []
    for save in (np.savez, np.savez_compressed):
        save(file := io.BytesIO(), a=np.arange(12.0).reshape(3, 4), b=np.array("text"), c=np.array([{}, 1], object))
        found.append(file.getvalue())
    np.save(file := io.BytesIO(), np.arange(6, dtype=np.int32))
    return [*found, file.getvalue()]


def _read_archive(data: bytes, file: Path) -> None:
    file.write_bytes(data)
    try:
        load_npz(file)
    except LiveError:
        load_npy(file)


@cache
def _networks() -> Sequence[bytes]:
    pairs = (b"\x0a\x05names\x12\x03{0}", b"\x0a\x04task\x12\x06detect")
    named = b"".join(b"\x72" + bytes([len(pair)]) + pair for pair in pairs)
    return [b"\x08\x08\x12\x07pytorch" + b"\x3a\x04\x0a\x02xy" + named]


def _read_network(data: bytes, file: Path) -> None:
    file.write_bytes(data)
    read_metadata(file)


@cache
def _keys() -> Sequence[bytes]:
    key = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"  # the example of ZeroMQ's manual
    return [b'metadata\ncurve\n    public-key = "' + key + b'"\n    secret-key = "' + key + b'"\n']


def _read_keys(data: bytes, file: Path) -> None:
    file.write_bytes(data)
    file.chmod(0o600)
    read_keys(file)


PASSWORD = "s3cret!"


@cache
def _addresses() -> Sequence[bytes]:
    return [
        f"rtsp://admin:{PASSWORD}@192.168.1.20:554/stream1?user=admin&password={PASSWORD}".encode(),
        f"rtmp://host/live/{PASSWORD}-{PASSWORD}-{PASSWORD}".encode(),
        f"http://a:{PASSWORD}#x@[fe80::1]:80/user={PASSWORD}/video.mjpg".encode(),
        b"/dev/video0", b"ipc:///run/user/1000/live.sock", b"C:\\clips\\a.mp4",
    ]  # fmt: skip


def _read_address(data: bytes, _: Path) -> None:
    address = data.decode(errors="surrogateescape")
    secrets = Secrets()
    secrets.learn(address)
    _shown(quiet(secrets.hide(f"cannot open {address}: no route")), quiet(escaped(address)))
    shown = masked(address)
    if masked(shown) not in (shown, masked(masked(shown))):
        raise AssertionError("masking what is masked brings something back")
    if re.search(f":{PASSWORD}@\\w", secrets.hide(f"cannot open {address}: no route")):
        raise AssertionError("a password is shown")


TARGETS: dict[str, Target] = {
    "wire": Target(_messages, _read_message),
    "directory": Target(_directories, _read_directory),
    "lines": Target(_lines, _read_lines),
    "journal": Target(_journals, _read_journal),
    "config": Target(_configurations, _read_configuration),
    "calibration": Target(_calibrations, _read_calibration),
    "pickle": Target(_pickles, _read_pickle),
    "archive": Target(_archives, _read_archive),
    "onnx": Target(_networks, _read_network),
    "keys": Target(_keys, _read_keys),
    "address": Target(_addresses, _read_address),
}


def feed(name: str, numbers: range, memory: int = 0) -> Tally:
    """Reads mutants, in this process of at most `memory` MB, 0 for any."""
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory * 2**20, memory * 2**20))
    target, tally = TARGETS[name], Tally()
    signal.signal(signal.SIGALRM, _give_up)
    memory_disk = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory_disk) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = Path(folder, "input")
        for number in numbers:
            _feed_one(target, f"{name} {number}", mutant(target, number), file, tally)
    tally.megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return tally


def _feed_one(target: Target, label: str, data: bytes, file: Path, tally: Tally) -> None:
    began = time.process_time()  # which other programs do not stretch
    signal.alarm(STUCK)
    try:
        target.read(data, file)
        tally.values += 1
    except OURS:
        tally.refused += 1
    except BaseException as error:
        tally.faults.append(f"{label}: {type(error).__name__}: {quiet(str(error), 200)}")
    finally:
        signal.alarm(0)
    took = time.process_time() - began
    tally.seconds, tally.worst = tally.seconds + took, max(tally.worst, took)
    if took > SLOW:
        tally.faults.append(f"{label}: took {took:.1f} s")


def _give_up(*_: object) -> None:
    raise TimeoutError(f"not done in {STUCK} s")


def run(name: str, first: int, count: int, jobs: int, memory: int) -> Tally:
    """Feeds `count` mutants from the number `first` to several processes, each of which reads some thousands."""
    tally = Tally()
    pending = [range(start, min(start + CHUNK, first + count)) for start in range(first, first + count, CHUNK)]
    while pending:
        context = multiprocessing.get_context("forkserver")
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            futures = {pool.submit(feed, name, numbers, memory): numbers for numbers in pending}
            pending = []
            for future in as_completed(futures):
                try:
                    tally.add(future.result())
                except BrokenProcessPool:
                    pending.append(futures[future])
        if pending:  # one of them ended its process: it is found by halves
            pending = list(_halved(pending, tally, name, memory))
    return tally


def _halved(broken: Sequence[range], tally: Tally, name: str, memory: int) -> Iterator[range]:
    """Reads each range that was under way alone; yields the halves of one that ends its process."""
    for numbers in broken:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as pool:
            try:
                tally.add(pool.submit(feed, name, numbers, memory).result())
            except BrokenProcessPool:
                if len(numbers) == 1:
                    tally.faults.append(f"{name} {numbers[0]}: ends the process")
                else:
                    yield from (numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=10_000, help="of each kind")
    parser.add_argument("--what", default=",".join(TARGETS), help="kinds: " + ",".join(TARGETS))
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--memory", type=int, default=1024, help="MB of address space of a process")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    rows, faults = {}, []
    for name in options.what.split(","):
        if name not in TARGETS:
            parser.error(f"there is no kind {name!r}: choose of {', '.join(TARGETS)}")
        tally = run(name, options.first, options.mutants, options.jobs, options.memory)
        rows[name] = {
            "mutants": options.mutants, "values": tally.values, "refused": tally.refused, "faults": len(tally.faults),
            "mean": 1000 * tally.seconds / options.mutants, "worst": 1000 * tally.worst, "memory": tally.megabytes,
        }  # fmt: skip
        faults += tally.faults
    columns = {
        "mutants": "mutants", "values": "values", "refused": "refused", "faults": "faults", "mean": "mean, ms",
        "worst": "worst, ms", "memory": "peak, MB",
    }  # fmt: skip
    print_table("damaged input", rows, columns, decimals=1)
    for fault in faults[:50]:
        print(fault, file=sys.stderr)
    if options.json:
        write_json(options.json, "fuzz", rows, {"mutants": options.mutants, "first": options.first})
    return 1 if faults else 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
