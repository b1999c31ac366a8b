"""A progress bar for what has to be made before a run can begin."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error that is told (done, in all); where that is no terminal, one line says what goes on."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=None)

        def advance(done: int, total: int) -> None:
            if done == 1 and not console.is_terminal:
                console.print(f"{description} ({total} frames)", highlight=False, soft_wrap=True)
            progress.update(task, completed=done, total=total)

        yield advance
