"""Lines printed for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def print_line(console: Console, line: str) -> None:
    """Prints a line unchanged: without colouring numbers or paths, and without wrapping it."""
    console.print(line, highlight=False, soft_wrap=True)
