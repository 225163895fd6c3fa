"""Where lines for people go."""

from __future__ import annotations

from typing import Any

from rich.console import Console


class Terminal(Console):
    """A console of Rich that shows text as it is: nothing in it is markup, or coloured by chance.

    Paths, names and messages come from users and may have brackets.

    Args:
        options: of `rich.console.Console`.

    Example:
        >>> Terminal().print("results: runs/a[/b]")
        results: runs/a[/b]
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)
