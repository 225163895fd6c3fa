"""Shows what a person is waiting for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from dbsl_tf.common.printing import print_line

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def waiting(console: Console, what: str) -> Iterator[None]:
    """Shows `what` while the body runs: with a spinner on a terminal, elsewhere in one line."""
    if console.is_terminal:
        with console.status(what):
            yield
    else:
        print_line(console, what)
        yield


def waiting_on_terminal(what: str) -> AbstractContextManager[None]:
    """Calls `waiting` on standard error if that is a terminal; otherwise shows nothing."""
    from dbsl_tf.common.terminal import Terminal

    return waiting(Terminal(stderr=True, quiet=not sys.stderr.isatty()), what)
