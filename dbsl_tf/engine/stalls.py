"""Notices that nothing goes on any more, where no call of a worker would tell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from dbsl_tf.common.errors import ParameterServerLost
from dbsl_tf.engine.engine import Engine

# Without any worker for longer than this, or 10 timeouts, a run gives its cluster up.
_DESERTED = 600.0


class StallWatch:
    """Watches what the coordinator itself waits for, while the order of commits is held.

    Args:
        engine: of the cluster.
        timeout: seconds that none of it may take longer than; None: for ever.
    """

    def __init__(self, engine: Engine, timeout: float | None) -> None:
        self._engine = engine
        self._timeout = timeout
        self._underway: tuple[str, float] | None = None
        self._deserted_since = time.monotonic()

    @contextmanager
    def bounded(self, what: str) -> Iterator[None]:
        """`what` must not take longer than the timeout; one thing at a time."""
        self._underway = what, time.monotonic()
        try:
            yield
        finally:
            self._underway = None

    def check(self) -> None:
        """Look whether anything takes too long; call it again and again.

        Raises:
            ParameterServerLost: something does.
        """
        if self._timeout is None:
            return
        what, since = self._underway or ("", time.monotonic())
        seconds = time.monotonic() - since
        if seconds > self._timeout:
            raise ParameterServerLost(f"a server hangs: it took {seconds:.0f} s to {what}, in vain")
        seconds = self._engine.unanswered_seconds
        if seconds > self._timeout:
            raise ParameterServerLost(f"a parameter server has not answered for {seconds:.0f} s")
        seconds = self._engine.scheduling_seconds
        if seconds > self._timeout:
            raise ParameterServerLost(f"the cluster has taken no call for {seconds:.0f} s")
        if self._engine.roster.present:
            self._deserted_since = time.monotonic()
        elif time.monotonic() - self._deserted_since > max(_DESERTED, 10 * self._timeout):
            raise ParameterServerLost("no worker has answered for very long")
