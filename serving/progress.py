"""Progress for people: a bar with the current step on a terminal, one line a step elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@contextmanager
def steps(total: int | None, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Give a function to call with the name of each step as it begins.

    Parameters
    ----------
    total : int or None
        How many steps there will be, where that is known.
    quiet : bool
        Show nothing, for ``--json``.
    """
    if quiet:
        yield lambda message: None
    elif sys.stderr.isatty():
        with _bar(total) as progress:
            task = progress.add_task("starting", total=total)
            begun: list[str] = []

            def on_terminal(message: str) -> None:
                progress.update(task, description=message, advance=1 if begun else 0)
                begun.append(message)

            yield on_terminal
            progress.update(task, description="done", completed=total if total is not None else len(begun))
    else:
        started = time.monotonic()
        yield lambda message: print(f"{time.monotonic() - started:7.1f} s  {message}", file=sys.stderr, flush=True)


def _bar(total: int | None) -> Progress:
    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()]
    if total is not None:
        columns.insert(3, MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True), transient=False)
