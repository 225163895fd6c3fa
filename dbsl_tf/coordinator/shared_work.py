"""Work on numbered items that the workers share, such as the samples of a test set."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from dbsl_tf.common.patience import UsualTimes
from dbsl_tf.engine.closure import Closure
from dbsl_tf.engine.engine import Engine


class SharedWork:
    """A closure over items of which every worker gets about as many, at once.

    Args:
        engine: the connected cluster.
        closure: takes the numbers of the first item and of that after the last one, int64; must be
            safe to run twice.
        items: how many there are, numbered from 0.
        worker_timeout: seconds that a share may take before another worker gets it too; None:
            judged by what is usual, see `UsualTimes`.
    """

    def __init__(
        self, engine: Engine, closure: Closure, items: int, worker_timeout: float | None = None
    ) -> None:
        self._engine = engine
        self._closure = closure
        self._items = items
        self._times = UsualTimes(engine.limits, worker_timeout)

    def load(self) -> None:
        """Makes every worker load the closure; nothing is done."""
        nothing = (np.int64(0), np.int64(0))
        self._engine.call_each(self._closure, [nothing] * self._engine.workers)

    def do(self) -> list[Any]:
        """Returns the results of all shares, in order.

        Raises:
            ParameterServerLost: a parameter server was lost.
        """
        began, workers = time.monotonic(), self._engine.workers
        bounds = np.linspace(0, self._items, workers + 1).astype(np.int64)
        shares = [share for share in zip(bounds[:-1], bounds[1:]) if share[0] < share[1]]
        patience = self._times.patience([1.0] * workers)
        results = self._engine.call_each(self._closure, shares, patience)
        seconds = time.monotonic() - began
        # No share took longer, whoever did it.
        for worker in range(workers):
            self._times.observe(worker, seconds, expected=1.0)
        return results
