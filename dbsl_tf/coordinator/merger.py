"""Merges what comes back, at once or by rounds, and makes the records of it."""

from __future__ import annotations

from collections.abc import Sequence

from dbsl_tf.coordinator.stage import Returned
from dbsl_tf.planning.dual_batch import WorkerPlan
from dbsl_tf.results.records import CommitRecord
from dbsl_tf.shared_model.shared_model import SharedModel
from dbsl_tf.shared_model.slots import SlotPool


class Merger:
    """Takes mini-epochs that came back, and commits them. Not thread-safe.

    Args:
        shared_model: whose weights they are merged into.
        slots: where the slots go when they are merged.
        workers: number of workers (n).
        in_rounds: BSP: n mini-epochs are merged together.
        merged: how many are merged already; in the middle of an epoch the first round is shorter.
    """

    def __init__(
        self,
        shared_model: SharedModel,
        slots: SlotPool,
        workers: int,
        in_rounds: bool,
        merged: int = 0,
    ) -> None:
        self._shared_model = shared_model
        self._slots = slots
        self._workers = workers
        self._in_rounds = in_rounds
        self._round: list[Returned] = []
        self._round_size = workers - merged % workers

    def commit(self, returned: Returned) -> list[CommitRecord]:
        """Merge a mini-epoch; the records of what was merged, none while a round is incomplete."""
        if not self._in_rounds:
            factor = _plan(returned).update_factor
            commit = self._shared_model.merge(returned.mini_epoch.slot, returned.worker, factor)
            self._slots.give_back(returned.mini_epoch.slot)
            staleness = commit - 1 - returned.mini_epoch.start
            return [self._record(returned, commit, staleness)]
        self._round.append(returned)
        if len(self._round) < self._round_size:
            return []
        self._round_size = self._workers
        # In the order of the workers: the sum must not depend on who finished first.
        merged = sorted(self._round, key=lambda r: (r.worker, r.mini_epoch.number))
        self._round = []
        return self._commit_round(merged)

    def _commit_round(self, merged: Sequence[Returned]) -> list[CommitRecord]:
        last = self._shared_model.merge_round(
            [returned.mini_epoch.slot for returned in merged],
            [returned.worker for returned in merged],
            [_plan(returned).update_factor for returned in merged],
        )
        for returned in merged:
            self._slots.give_back(returned.mini_epoch.slot)
        first = last - len(merged) + 1
        # All of a round are one update, made from the same weights.
        return [self._record(returned, first + i, 0) for i, returned in enumerate(merged)]

    def _record(self, returned: Returned, commit: int, staleness: int) -> CommitRecord:
        worker, result = _plan(returned), returned.result
        samples = int(result.samples)
        return CommitRecord(
            commit=commit,
            epoch=(commit - 1) // self._workers + 1,
            worker=worker.index,
            role=worker.role,
            resolution=returned.mini_epoch.stage.settings.resolution,
            batch=worker.batch,
            samples=samples,
            steps=worker.steps,
            started=float(result.started),
            seconds=float(result.seconds),
            loop_seconds=float(result.loop_seconds),
            learning_rate=returned.mini_epoch.learning_rates[worker.index],
            update_factor=worker.update_factor,
            staleness=staleness,
            train_loss=float(result.loss) / samples,
            train_accuracy=int(result.correct) / samples,
        )


def _plan(returned: Returned) -> WorkerPlan:
    return returned.mini_epoch.stage.plan.workers[returned.worker]
