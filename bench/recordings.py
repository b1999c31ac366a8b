"""What a recording costs the run, and how long it takes to make other formats of it.

    pymafx-live --source demo --record demo.mcap
    python -m pymafx_live.bench.recordings demo.mcap [--people 4] [--frames 1800] [--json out.json]

The first person of the recording, again and again and as many times as asked for, at 30 frames a second.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pymafx_live.bench.report import print_table, write_json
from pymafx_live.core.errors import LiveError, SourceError
from pymafx_live.core.types import FrameResult, SourceEvent
from pymafx_live.pipeline.delivery import Delivery
from pymafx_live.pipeline.recordings import FORMATS, JOURNAL, format_of, reader_of
from pymafx_live.pipeline.recordings.journal import Journal
from pymafx_live.pipeline.stop import Stop

FPS = 30
PACE = 0.01
"""Seconds between two results that are recorded: slower than the journal's thread is."""


def crowd(recording: Path, people: int, frames: int) -> Iterator[FrameResult]:
    """So many results of so many people, made of a recording of one."""
    items = reader_of(recording, "the recording").read(recording)
    known = [item[0] for item in items if not isinstance(item, SourceEvent) and item[0].people and not item[0].final]
    if not known:
        raise SourceError(f"nobody was seen in {recording}: give a recording of somebody")
    for number in range(frames):
        poses = (known[(number + 17 * id_) % len(known)].people[0] for id_ in range(1, people + 1))
        copies = tuple(replace(person, id=id_) for id_, person in enumerate(poses, 1))
        at = number / FPS
        yield replace(known[0], sequence=number, time=at, captured_at=1e9 + at, published_at=1e9 + at, people=copies)


def record(results: Sequence[FrameResult], file: Path) -> dict[str, float]:
    """The journal's cost: of the thread that hands a result over, of the whole process, and of the disk."""
    delivery = Delivery([Journal(file)], Stop(), live=False)
    handed: list[float] = []
    began = time.process_time()
    for result in results:
        before = time.perf_counter()
        delivery.write(result, None)
        handed.append(time.perf_counter() - before)
        time.sleep(PACE)
    delivery.close()
    delivery.raise_error()
    return {
        "handed_ms": float(np.median(handed)) * 1e3, "handed_p99_ms": float(np.percentile(handed, 99)) * 1e3,
        "processor_ms": (time.process_time() - began) / len(results) * 1e3,
        "kilobytes": file.stat().st_size / len(results) / 1e3,
    }  # fmt: skip


def convert(journal: Path, ending: str) -> dict[str, float]:
    """Processor seconds that the format takes to be made, and the size of its files."""
    items = reader_of(journal, "the journal").read(journal)
    began = time.process_time()
    file = journal.with_name(f"out{ending}")
    made = format_of(file, "--record").write(items, file, lambda path: path)
    seconds = time.process_time() - began
    size = sum(part.stat().st_size for path in made for part in (path.iterdir() if path.is_dir() else [path]))
    return {"seconds": seconds, "megabytes": size / 1e6}


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--frames", type=int, default=1800)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    try:
        results = list(crowd(options.recording, options.people, options.frames))
        with tempfile.TemporaryDirectory() as folder:
            journal = Path(folder) / f"run{JOURNAL}"
            cost = {f"{options.people} people": record(results, journal)}
            made = {}
            for ending in FORMATS:
                try:
                    made[ending] = convert(journal, ending)
                except LiveError as error:
                    print(f"{ending}: {error}", file=sys.stderr)
        print_table("a frame of a journal", cost, {
            "handed_ms": "handed over, ms", "handed_p99_ms": "p99", "processor_ms": "processor, ms", "kilobytes": "kB"
        }, 3)  # fmt: skip
        print_table(f"made of {options.frames} frames", made, {"seconds": "processor, s", "megabytes": "MB"}, 2)
        print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
        if options.json:
            write_json(options.json, "recordings", cost | made, {"people": options.people, "frames": options.frames})
    except LiveError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
