"""What goes wrong when a file is written, as one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymafx_live.core.errors import LiveError, OutputError


@contextmanager
def writing(file: object, remedy: str = "free some space", kind: type[LiveError] = OutputError) -> Iterator[None]:
    """Turns an `OSError` from within, FFmpeg's included, into a `LiveError` that names the file."""
    try:
        yield
    except BrokenPipeError:
        raise  # a reader that has seen enough, and no fault
    except OSError as error:
        raise kind(f"cannot write {file} ({error.strerror}): {remedy}") from error
