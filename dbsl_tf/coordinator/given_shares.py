"""Which samples a mini-epoch trains, and on which worker, where workers share an epoch."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dbsl_tf.coordinator.closures import WorkerShares
from dbsl_tf.engine.membership import Membership
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.schedules.epoch_shares import EpochShare, EpochShares, SharesTaken


@dataclass(frozen=True)
class GivenShare:
    """What a mini-epoch is given, for whichever worker takes it; only one of them may begin.

    Attributes:
        share: the samples.
        chosen: the worker that may begin.
        shares: the same samples for each worker.
        steps: in which each worker would train them, [workers].
        allowed: for each worker whether it may begin, [workers].
    """

    share: EpochShare
    chosen: int
    shares: WorkerShares
    steps: Sequence[int]
    allowed: Sequence[bool]


class GivenShares:
    """Gives mini-epochs their shares, and takes them back as merged. Not thread-safe.

    Args:
        shares: of the run's epochs.
        choice: of workers.
    """

    def __init__(self, shares: EpochShares, choice: WorkerChoice) -> None:
        self._shares = shares
        self._choice = choice

    @property
    def taken(self) -> SharesTaken:
        """Which samples the run has had."""
        return self._shares.taken

    def give(self, number: int, plan: DualBatchPlan, allowed: Sequence[bool]) -> GivenShare:
        """Returns what a mini-epoch is given; the worker counts as busy until `release`.

        Args:
            number: of the mini-epoch; trained again, it has the same share.
            plan: of the workers.
            allowed: for each worker whether it may begin, [workers].
        """
        chosen = self._choice.choose(number, allowed)
        planned = [worker.samples for worker in plan.workers]
        share = self._shares.of(number, planned[chosen], planned)
        return GivenShare(
            share=share,
            chosen=chosen,
            shares=WorkerShares.same(share, len(plan.workers)),
            steps=[math.ceil(share.samples / worker.batch) for worker in plan.workers],
            allowed=[may and worker == chosen for worker, may in enumerate(allowed)],
        )

    def release(self, given: GivenShare) -> None:
        """Records that the worker has returned from a mini-epoch."""
        self._choice.release(given.chosen)

    def merged(self, number: int) -> None:
        """Records that a mini-epoch is merged."""
        self._shares.merged(number)


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
