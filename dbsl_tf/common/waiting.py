"""Says what a person waits for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def waiting(console: Console, what: str) -> Iterator[None]:
    """Tell `what` takes some seconds: by a spinner on a terminal, elsewhere by a line."""
    if console.is_terminal:
        with console.status(what):
            yield
    else:
        console.print(what, highlight=False, soft_wrap=True)
        yield
