"""Notices that nothing goes on any more, where no call of a worker would tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dbsl_tf.common import awake
from dbsl_tf.common.errors import ParameterServerLost
from dbsl_tf.common.patience import Patience
from dbsl_tf.engine.engine import Engine


class StallWatch:
    """Watches what the coordinator itself waits for, while the order of commits is held.

    Args:
        engine: of the cluster.
        patience: with any of it; None: for ever.
    """

    def __init__(self, engine: Engine, patience: Patience | None) -> None:
        self._engine = engine
        self._patience = patience
        self._underway: tuple[str, bool, float] | None = None
        self._deserted_since = awake.seconds()

    @contextmanager
    def bounded(self, what: str, needs_workers: bool = False) -> Iterator[None]:
        """`what` must not take longer than there is patience; one thing at a time.

        Args:
            what: an infinitive, for the error.
            needs_workers: it waits for workers too, not for parameter servers alone.
        """
        self._underway = what, needs_workers, awake.seconds()
        try:
            yield
        finally:
            self._underway = None

    def check(self) -> None:
        """Look whether anything takes too long; call it again and again.

        Raises:
            ParameterServerLost: a server hangs, or something would never end.
        """
        if self._patience is None:
            return
        what, needs_workers, since = self._underway or ("", False, awake.seconds())
        for seconds, waited_for, workers_too in (
            (awake.seconds() - since, f"to {what}", needs_workers),
            (self._engine.unanswered_seconds, "for an answer of a parameter server", False),
            (self._engine.scheduling_seconds, "for the cluster to take a call", True),
        ):
            self._check(self._patience, seconds, waited_for, workers_too)
        if self._engine.membership.present:
            self._deserted_since = awake.seconds()
        elif awake.seconds() - self._deserted_since > self._patience.most:
            raise ParameterServerLost("no worker has answered for very long")

    def _check(
        self, patience: Patience, seconds: float, waited_for: str, needs_workers: bool
    ) -> None:
        if seconds <= patience.seconds:
            return
        silent = self._engine.silent_server(needs_workers)
        if silent is not None or seconds > patience.most:
            raise ParameterServerLost(
                f"{silent or 'a server'} hangs: waited {seconds:.0f} s {waited_for}"
            )
