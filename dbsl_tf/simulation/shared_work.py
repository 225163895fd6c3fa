"""Work that the workers share beside the training, such as an evaluation."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from simpy import Environment, Event


class SharedWork:
    """Pieces of work one after the other, each of which has a share for every worker.

    Args:
        env: the simulated time.
        workers: their number.
    """

    def __init__(self, env: Environment, workers: int) -> None:
        self._env = env
        self._workers = workers
        # Entry by entry what it takes each worker.
        self._pieces: deque[tuple[float, ...]] = deque()
        self._shares: deque[tuple[float, ...]] = deque()
        self._unfinished = 0
        self._done = Event(env)

    @property
    def busy(self) -> bool:
        """Whether something is not done yet."""
        return self._unfinished > 0

    @property
    def waiting(self) -> bool:
        """Whether there is a share that nobody has begun."""
        return bool(self._shares)

    @property
    def done(self) -> Event:
        """Happens when all that is going on is done."""
        return self._done

    def begin(self, pieces: Iterable[tuple[float, ...]]) -> None:
        """Begins with some pieces; not while `busy`.

        Args:
            pieces: the seconds that a share of each takes, [workers].
        """
        self._pieces.extend(pieces)
        self._done = Event(self._env)
        self._next_piece()

    def take(self, worker: int) -> float:
        """Gives `worker` a share that is waiting; returns the seconds that it takes."""
        return self._shares.popleft()[worker]

    def finished(self) -> None:
        """Records that a share is done."""
        self._unfinished -= 1
        if not self._unfinished:
            self._next_piece()

    def _next_piece(self) -> None:
        if not self._pieces:
            self._done.succeed()
            return
        self._unfinished = self._workers
        self._shares.extend([self._pieces.popleft()] * self._workers)
