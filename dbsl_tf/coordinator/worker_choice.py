"""Which worker is to train a mini-epoch, where its share is told with it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from dbsl_tf.engine.membership import Membership


class WorkerChoice:
    """Chooses a worker for each mini-epoch that is handed out. Thread-safe.

    TensorFlow gives a closure to any idle worker. One that was not chosen begins nothing and
    returns at once, and the mini-epoch is handed out again. That is rare: most of the time only the
    chosen worker is idle.

    Args:
        membership: which workers take part.
    """

    def __init__(self, membership: Membership) -> None:
        self._membership = membership
        self._lock = threading.Lock()
        self._chosen: Counter[int] = Counter()

    def choose(self, number: int, allowed: Sequence[bool]) -> int:
        """Returns the worker for a mini-epoch; it counts as busy until `release`.

        Args:
            number: of the mini-epoch. With all workers idle, each number has a worker of its own,
                the same every time.
            allowed: for each worker whether it may begin, [workers].
        """
        workers = len(allowed)
        in_turn = [(number + i) % workers for i in range(workers)]
        present = set(self._membership.present)
        with self._lock:
            # Where there is nobody left, whoever comes back first may have it.
            worker = min(in_turn, key=lambda w: (w not in present, not allowed[w], self._chosen[w]))
            self._chosen[worker] += 1
        return worker

    def release(self, worker: int) -> None:
        """Records that a worker has returned from a mini-epoch that it was chosen for."""
        with self._lock:
            self._chosen[worker] -= 1
