"""Progress of work that may take long, shown only once it does."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from dbsl_tf.common.printing import print_line
from dbsl_tf.common.terminal import Terminal

PATIENCE = 2.0


class LateProgress:
    """A progress bar on standard error that appears after two seconds; a context manager.

    Args:
        unit: the unit of the counts, such as "images". Counts of "bytes" are shown as sizes.
        lines: whether to write a line now and then if standard error is not a terminal; otherwise
            nothing is written there.
        console: where to write instead of standard error.
        patience: seconds before anything is shown, and between lines.

    Example:
        >>> with LateProgress("images") as progress:
        ...     done = progress.of("evaluating", 10_000)
        ...     for count in range(0, 10_000, 500):
        ...         done(count)
    """

    def __init__(
        self,
        unit: str,
        *,
        lines: bool = False,
        console: Console | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._unit = unit
        self._lines = lines
        self._console = console or Terminal(stderr=True)
        self._patience = patience
        self._began = self._told = time.monotonic()
        self._bars: Progress | None = None

    def __enter__(self) -> LateProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def of(self, what: str, total: int) -> Callable[[int], None]:
        """Returns a function to call with how many of `total` are done."""
        task = None

        def done(count: int) -> None:
            nonlocal task
            now = time.monotonic()
            if now - self._began < self._patience:
                return
            if not self._console.is_terminal:
                if self._lines and now - self._told >= self._patience:
                    self._told = now
                    line = f"{what}: {count:,} of {total:,} {self._unit}"
                    print_line(self._console, line)
                return
            if self._bars is None:
                self._bars = self._new_bars()
                self._bars.start()
            if task is None:
                task = self._bars.add_task(what, total=total)
            self._bars.update(task, completed=count)

        return done

    def _new_bars(self) -> Progress:
        columns: list[ProgressColumn] = [
            TextColumn("{task.description}", markup=False),
            BarColumn(),
        ]
        columns += [TaskProgressColumn(), TimeRemainingColumn()]
        if self._unit == "bytes":
            columns.append(DownloadColumn())
        return Progress(*columns, console=self._console, transient=True)
