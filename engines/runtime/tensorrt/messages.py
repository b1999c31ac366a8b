"""What TensorRT says, caught instead of printed, and made short enough for one sentence."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymafx_live.core.errors import NetworkError, first_line

LONGEST = 300
KEPT = 20
_PLACE = re.compile(r"\s*\(?\bIn \S+ at \S+?:\d+\)?|\s*\[\w+\.cpp::\w+::\d+\]")
_NO_DRIVER = re.compile(r"catchCudaError|cudaError 35")
_GRAPH = re.compile(r"(?i)\bgraphs?\b|captur")
_MEMORY = re.compile(r"(?i)out ?of ?memory|insufficient memory|cudaErrorMemoryAllocation|\bcudaError 2\b")


def make_logger(trt: Any) -> Any:
    """A logger of that library that keeps its latest `errors` and `warnings`, and prints nothing."""

    class Logger(trt.ILogger):  # the library is known only when it runs
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []
            self.warnings: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.errors = [*self.errors[1 - KEPT :], message]
            elif severity == trt.ILogger.Severity.WARNING:
                self.warnings = [*self.warnings[1 - KEPT :], message]

        def about_graphs(self) -> list[str]:
            """Warnings about CUDA graphs, short, each once: the library goes on without them and says no more."""
            return list(dict.fromkeys(shortened(text) for text in self.warnings if _GRAPH.search(text)))

    return Logger()


@contextmanager
def library_errors(title: str) -> Iterator[None]:
    """Raises `NetworkError` for whatever the binding raises.

    Where the library gives nothing that is a `TypeError`, or an `AttributeError` at the next call.
    """
    try:
        yield
    except (RuntimeError, TypeError, AttributeError) as error:
        raise NetworkError(f"{title} fails: {first_line(error)}.") from error


def reason(errors: list[str]) -> str:
    """The first of the errors that says something about the network, short; errors about a missing driver do not."""
    telling = [e for e in errors if not _NO_DRIVER.search(e)] or errors
    return shortened(telling[0]) if telling else "it gave no reason"


def is_out_of_memory(errors: list[str]) -> bool:
    """Whether any of the errors is about memory that ran out."""
    return any(map(_MEMORY.search, errors))


def shortened(message: str) -> str:
    """One line without the places in the library's own code."""
    lines = [line for line in message.splitlines() if line.strip() and not _NO_DRIVER.search(line)]
    text = _PLACE.sub("", " ".join(lines)).strip().rstrip(".")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
