"""The first run on a card, in one command of ten minutes: is everything right, how fast is it, what is in the way?

    python -m pymafx_live.bench.gpu --assets DIR [--json gpu.json]

Facts of the machine come first, then a small network, imaging, the networks that ship, PyMAF-X in every batch size
against the network, the times of all engines, and the whole pipeline at 1920 x 1080, unpaced and as a camera gives
frames. The JSON is whole at any time. A step that fails, hangs or crashes is noted, and the next one runs; the exit
code is then 1. What is built stays in the cache for live runs. The report at the end is for docs/performance.md.

Without a GPU: `--device cpu` goes the same way on the processor.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pymafx_live.bench.gpu.course import run_course
from pymafx_live.bench.gpu.journal import OK, Journal
from pymafx_live.bench.gpu.settings import Bench
from pymafx_live.bench.gpu.steps import MACHINE, OF_PYMAFX, SECONDS, STEPS
from pymafx_live.bench.gpu.table import report
from pymafx_live.core.errors import EXIT_ASSET, LiveError, UsageError
from pymafx_live.engines.runtime import RUNTIMES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the step is ended too
    try:
        return _run(options)
    except LiveError as error:
        print(f"gpu: {error}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pymafx_live.bench.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--assets", type=Path, help="folder of PyMAF-X files; synthetic ones will do")
    parser.add_argument("--engine", choices=("pymafx", "landmarks"), default="pymafx", help="what runs (pymafx)")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="the figures as they come (gpu.json)")
    parser.add_argument("--device", default="0", help="the GPU's number, or cpu (default 0)")
    parser.add_argument("--runtime", choices=RUNTIMES, help="what runs the networks (tensorrt; onnxruntime on cpu)")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "mixed"), help="as of a run (auto)")
    parser.add_argument("--frames", type=int, default=300, help="frames of each clip at most (300)")
    parser.add_argument("--repeats", type=int, default=100, help="runs that are timed at most (100)")
    parser.add_argument("--minutes", type=float, default=SECONDS / 60, help="for all of it (10); more for slow builds")
    parser.add_argument("--only", help="the names of steps, by comma; the facts of the machine always")
    return parser


def _run(options: argparse.Namespace) -> int:
    on_cpu = options.device == "cpu"
    runtime = options.runtime or ("onnxruntime" if on_cpu else "tensorrt")
    if not on_cpu:
        _choose_card(options.device)
    if options.engine == "pymafx" and options.assets is None:
        raise UsageError("--assets is missing: give the folder of PyMAF-X files, or --engine landmarks.")
    wanted = _wanted(options.only) - (set() if options.engine == "pymafx" else set(OF_PYMAFX))
    share = options.minutes * 60 / SECONDS
    steps = [step.lasting(share) for step in STEPS if step.name in wanted]
    given = {name: str(value) for name, value in vars(options).items()}
    with tempfile.TemporaryDirectory(prefix="pymafx-gpu-") as folder:
        journal = Journal(options.json, given)
        bench = Bench(
            (options.assets or Path()).absolute(), Path(folder), runtime, options.precision,
            "cpu" if on_cpu else "cuda", options.frames, options.repeats, engine=options.engine,
        )  # fmt: skip
        run_course(steps, bench, journal, options.minutes * 60, lambda text: print(text, file=sys.stderr, flush=True))
    print(report(journal.document()))
    if journal.entries[0].state != OK:
        print(f"gpu: {journal.entries[0].error}", file=sys.stderr)
        return EXIT_ASSET
    return 0 if all(entry.state == OK for entry in journal.entries) else 1


def _choose_card(number: str) -> None:
    """Lets all steps see this card alone, as number 0, which is the one that a live run takes."""
    if not number.isdigit():
        raise UsageError(f"there is no device {number!r}: give a GPU's number, or cpu.")
    seen = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    if seen and int(number) >= len(seen):
        raise UsageError(f"CUDA_VISIBLE_DEVICES shows {len(seen)} of the GPUs: there is no number {number}.")
    os.environ["CUDA_VISIBLE_DEVICES"] = seen[int(number)] if seen else number


def _wanted(only: str | None) -> set[str]:
    """The names of the steps to run, with those that they need."""
    known = {step.name: step for step in STEPS}
    if only is None:
        return set(known)
    named = [name.strip() for name in only.split(",")]
    for name in named:
        if name not in known:
            raise UsageError(f"there is no step {name!r}: give one or more of {', '.join(known)}, by comma.")
    return {MACHINE, *named, *(need for name in named for need in known[name].needs)}


if __name__ == "__main__":
    sys.exit(main())
