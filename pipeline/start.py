"""Where the program begins: it hears signals before it imports what takes time."""

import sys

from pymafx_live.pipeline.stop import Interrupted, Stop


def main() -> None:
    """Runs `pymafx-live`; a signal that comes before the run does ends it with 128 and the signal's number."""
    try:
        with Stop().on_signals():
            from pymafx_live.pipeline.cli import main as program

            program()
    except Interrupted as signalled:
        sys.exit(128 + signalled.number)
