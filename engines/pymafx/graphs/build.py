"""Builds what a runtime needs for PyMAF-X into the cache and gates it, in a process of its own, for a run that waits.

    python -m pymafx_live.engines.pymafx.graphs.build ASSETS RUNTIME PRECISION --max-batch 8 [--cache DIR] [--device 0]

It prints its steps, and ends with exit code 0 where the run can open the graphs on that runtime.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pymafx_live.core.errors import LiveError
from pymafx_live.engines.pymafx.graphs.open import open_graphs
from pymafx_live.engines.runtime import RunnerOptions


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pymafx_live.engines.pymafx.graphs.build", description=__doc__)
    parser.add_argument("assets", type=Path)
    parser.add_argument("runtime")
    parser.add_argument("precision")
    parser.add_argument("--max-batch", type=int, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--device", type=int, default=0)
    given = parser.parse_args(arguments)
    options = RunnerOptions(max_batch=given.max_batch, cache=given.cache, device=given.device, progress=_say)
    try:
        for runner in open_graphs(given.assets, given.runtime, given.precision, options, _say).values():
            runner.close()
    except LiveError as error:
        _say(str(error).rstrip("."))
        return error.exit_code
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
