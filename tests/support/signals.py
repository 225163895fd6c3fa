"""Signals for child processes."""

from __future__ import annotations

import signal


def accept_interrupts() -> None:
    """As a `preexec_fn`: have the child take Ctrl-C also where the tests run in the background.

    Shells start background commands with SIGINT ignored, and children inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
