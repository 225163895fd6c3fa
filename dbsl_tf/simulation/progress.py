"""Progress of what may take long, shown only once it does."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

_PATIENCE = 2.0


class LateProgress:
    """A bar on standard error from two seconds on; a context manager.

    Where standard error is no terminal, a line now and then.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._began = self._told = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> LateProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def of(self, what: str, total: int) -> Callable[[int], None]:
        """Returns a function that is told how many of `total` are done."""
        task = None

        def done(count: int) -> None:
            nonlocal task
            now = time.monotonic()
            if now - self._began < _PATIENCE:
                return
            if not self._console.is_terminal:
                if now - self._told >= _PATIENCE:
                    self._told = now
                    line = f"{what}: {count:,} of {total:,} commits"
                    self._console.print(line, highlight=False)
                return
            if self._bar is None:
                self._bar = _new_bar(self._console)
                self._bar.start()
            if task is None:
                task = self._bar.add_task(what, total=total)
            self._bar.update(task, completed=count)

        return done


def _new_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
