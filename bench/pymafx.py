"""The PyMAF-X network alone: what it takes per stage, beside a plain transcription of its specification.

    python -m pymafx_live.bench.pymafx [--assets DIR] [--batches 1,2,4,8] [--json FILE]

Both run on the same weights and images, by turns in one process, so that a busy machine slows both alike. The memory is
that of processes which do nothing else. Without `--assets` a synthetic folder is made in a temporary place.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import torch
from pymafx_live.bench import pymafx_plain
from pymafx_live.bench.report import Rows, numbers, print_table, write_json
from pymafx_live.core.errors import LiveError, UsageError
from pymafx_live.engines.pymafx.files import assets, sources
from pymafx_live.engines.pymafx.files.checkpoint import load_checkpoint
from pymafx_live.engines.pymafx.files.prepare import load_network
from pymafx_live.engines.pymafx.network.model import Network

COLUMNS = {
    "body": "body encoder", "hands": "hand encoder", "face": "face encoder", "iterations": "iterations",
    "whole": "whole", "held": "hands and face held",
    "plain_encoders": "plain: encoders", "plain_iterations": "iterations", "plain_whole": "whole",
    "iterations_ratio": "ratio: iterations", "whole_ratio": "whole",
}  # fmt: skip


@click.command(help=__doc__)
@click.option("--assets", "folder", type=Path, help="the folder of PyMAF-X files")
@click.option("--batches", default="1,2,4,8", show_default=True, help="people at a time")
@click.option("--repeats", default=5, show_default=True, help="runs of which the median counts")
@click.option("--threads", default=0, help="processor threads; 0: PyTorch's choice")
@click.option("--json", "output", type=Path, help="file for the figures")
def main(folder: Path | None, batches: str, repeats: int, threads: int, output: Path | None) -> None:
    """The command."""
    try:
        if threads:
            torch.set_num_threads(threads)
        with asset_folder(folder) as ready:
            memory = {"preparing": peak_memory(ready, "prepare"), "running": peak_memory(ready, "run")}
            rows = {f"batch {n}": compare(ready, n, repeats) for n in numbers(batches)}
        print_table("PyMAF-X, median milliseconds", rows, COLUMNS)
        print_table("Resident memory at its peak, MB", {k: {"mb": v} for k, v in memory.items()}, {"mb": "MB"})
        if output is not None:
            settings = {"repeats": repeats, "threads": torch.get_num_threads(), "torch": torch.__version__}
            everything: Rows = {**rows, **{f"memory {k}": {"mb": v} for k, v in memory.items()}}
            write_json(output, "pymafx", everything, settings)
    except LiveError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


@contextmanager
def asset_folder(folder: Path | None) -> Iterator[Path]:
    """The given folder, or a synthetic one that is gone afterwards."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / "assets"
        print("making a synthetic folder of assets", file=sys.stderr)
        assets.synthesize(made)
        yield made


def peak_memory(folder: Path, what: str) -> float:
    """MB that a process of its own holds at most while it prepares the folder, or runs the network for four people."""
    code = (
        "import json, resource, sys, torch\n"
        "from pathlib import Path\n"
        "from pymafx_live.engines.pymafx.files import assets, prepare\n"
        "folder, what = sys.argv[1:]\n"
        "if what == 'prepare':\n"
        "    assets.prepare(folder)\n"
        "else:\n"
        "    network = prepare.load_network(Path(folder))\n"
        "    with torch.inference_mode():\n"
        "        for _ in range(2): network(*torch.zeros(4, 4, 3, 224, 224))\n"
        "print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder), what], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"The memory of `{what}` cannot be measured: {done.stderr.strip().splitlines()[-1]}")
    return float(json.loads(done.stdout)) / 1000


def compare(folder: Path, people: int, repeats: int) -> dict[str, float]:
    """Median milliseconds of every stage for one batch size, network and plain transcription by turns."""
    network, plain = load_network(folder), load_plain(folder)
    crops = torch.randn(4, people, 3, 224, 224, generator=torch.Generator().manual_seed(0)).unbind()
    times: dict[str, list[float]] = {}
    with torch.inference_mode():
        for _ in range(repeats + 1):
            for name, seconds in (*run_network(network, crops), *run_plain(plain, crops)):
                times.setdefault(name, []).append(1000 * seconds)
    row = {name: statistics.median(values[1:]) for name, values in times.items()}
    row["whole"] = row["body"] + row["hands"] + row["face"] + row["iterations"]
    row["plain_whole"] = row["plain_encoders"] + row["plain_iterations"]
    for stage in ("iterations", "whole"):
        row[f"{stage}_ratio"] = round(row[f"plain_{stage}"] / row[stage], 2)
    return row


def run_network(network: Network, crops: tuple[torch.Tensor, ...]) -> Iterator[tuple[str, float]]:
    """One run's stages and their seconds."""
    body, left, right, face = crops
    body_maps, of_encoder = timed(lambda: network.body.encode(body))
    yield "body", of_encoder
    hand_maps, seconds = timed(lambda: network.hand.encode(torch.cat([right, left.flip(-1)])))
    yield "hands", seconds
    face_maps, seconds = timed(lambda: network.face.encode(face))
    yield "face", seconds

    (hands, faces), of_parts = timed(lambda: (network.hand.iterate(hand_maps), network.face.iterate(face_maps)))
    guide = network.face.split(faces.states)[0]
    _, of_body = timed(lambda: network.join(network.body.iterate(body_maps, guide), hands, faces))
    yield "iterations", of_parts + of_body
    yield "held", of_encoder + of_body


def run_plain(plain: pymafx_plain.Oracle, crops: tuple[torch.Tensor, ...]) -> Iterator[tuple[str, float]]:
    """The same of the transcription, which makes the meshes that feed back, but no keypoints."""
    maps, seconds = timed(lambda: plain.encode(*crops))
    yield "plain_encoders", seconds
    yield "plain_iterations", timed(lambda: plain.iterate(maps, keypoints=False))[1]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What the work returns, and the seconds it took."""
    start = perf_counter()
    done = work()
    return done, perf_counter() - start


def load_plain(folder: Path) -> pymafx_plain.Oracle:
    """The transcription with the folder's weights."""
    learned, _ = load_checkpoint(folder / sources.CHECKPOINT)
    return pymafx_plain.Oracle(learned, folder)


if __name__ == "__main__":
    main()
