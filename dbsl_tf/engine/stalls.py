"""Detects that a run no longer makes progress, where no call to a worker would show it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dbsl_tf.common import awake
from dbsl_tf.common.errors import ParameterServerLost
from dbsl_tf.common.patience import Patience
from dbsl_tf.engine.engine import Engine


class StallWatch:
    """Watches what the coordinator itself waits for, while it keeps commits from happening.

    Args:
        engine: of the cluster.
        patience: how long each of these may take; None: for ever.
    """

    def __init__(self, engine: Engine, patience: Patience | None) -> None:
        self._engine = engine
        self._patience = patience
        self._underway: tuple[str, bool, float] | None = None
        self._deserted_since = awake.seconds()

    @contextmanager
    def bounded(self, what: str, needs_workers: bool = False) -> Iterator[None]:
        """Has `check` fail if the context takes too long; not to be nested.

        Args:
            what: what is done, an infinitive for the error message.
            needs_workers: whether it waits for workers too, not only for parameter servers.
        """
        self._underway = what, needs_workers, awake.seconds()
        try:
            yield
        finally:
            self._underway = None

    def check(self) -> None:
        """Checks whether anything takes too long; call it repeatedly.

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
