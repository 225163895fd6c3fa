"""How fast a run gets on, and how long it will still take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from dbsl_tf.results.records import CommitRecord

_RECENT = 64  # commits


class Pace:
    """Measures the recent speed of a run from its commits.

    Args:
        workers: of the run.
        before: its commits from before this process started; they tell how long it will take until
            every worker has had a mini-epoch in this process.
        clock: the time in seconds.
    """

    def __init__(
        self,
        workers: int,
        before: Sequence[CommitRecord] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = workers
        self._clock = clock
        recent = [record.seconds for record in before[-_RECENT:]]
        # Of workers that train at the same time, and without pauses between processes.
        self._earlier = sum(recent) / len(recent) / workers if recent else None
        self._recent: deque[tuple[float, int]] = deque(maxlen=_RECENT)
        self._commits = 0
        self.begin()

    def begin(self) -> None:
        """Starts to measure."""
        self._recent.clear()
        self._recent.append((self._clock(), 0))

    def committed(self, samples: int) -> None:
        """Takes note of a commit of `samples` samples."""
        self._recent.append((self._clock(), samples))
        self._commits += 1

    @property
    def images_per_second(self) -> float | None:
        """Of the last commits; None before the first one."""
        if not self._commits:
            return None
        samples = sum(samples for _, samples in list(self._recent)[1:])
        return samples / max(self._seconds, 1e-9)

    def seconds_left(self, commits: float) -> float | None:
        """Returns how long `commits` more commits will take from now on; None: not known yet."""
        # The first commits of all workers come at about the same time.
        if self._commits < self._workers:
            each = self._earlier
        else:
            each = self._seconds / (len(self._recent) - 1)
        if each is None:
            return None
        return max(0.0, each * commits - (self._clock() - self._recent[-1][0]))

    @property
    def _seconds(self) -> float:
        return self._recent[-1][0] - self._recent[0][0]
