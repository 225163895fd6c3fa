"""The console for lines that people read."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console

from dbsl_tf.common.printing import is_terminal

WIDEST = 100


class Terminal(Console):
    """A Rich console that shows text unchanged: nothing in it is taken for markup or coloured.

    Paths, names and messages come from users and may contain brackets.

    Args:
        options: those of `rich.console.Console`.

    Example:
        >>> Terminal().print("results: runs/a[/b]")
        results: runs/a[/b]
    """

    def __init__(self, **options: Any) -> None:
        # Variables such as FORCE_COLOR do not make a file a screen to draw upon.
        stream = options.get("file") or (sys.stderr if options.get("stderr") else sys.stdout)
        options.setdefault("force_terminal", is_terminal(stream))
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def on_broken_pipe(self) -> None:
        """The reader of the output is gone: the command ends as `dbsl_tf.cli` has it."""
        raise BrokenPipeError


def narrow(console: Console | None = None) -> Console:
    """Returns the console, or one of standard output, made at most `WIDEST` columns wide."""
    console = console or Terminal()
    console.width = min(console.width, WIDEST)
    return console
