"""Plans of a run whose workers come and go: one for those that are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.planning.present_workers import with_absent
from dbsl_tf.resolved import RunSettings
from dbsl_tf.results.records import WorkersRecord

# A resolution, and the mini-epochs of every worker in an epoch.
Key = tuple[int, Fraction]


@dataclass(frozen=True)
class PlanForPresent:
    """A plan for some workers.

    Attributes:
        present: their indices.
        alone: the plan with entries for them alone.
        complete: with an entry for every worker.
    """

    present: tuple[int, ...]
    alone: DualBatchPlan
    complete: DualBatchPlan


class PlansForPresent:
    """Decides at the start of an epoch for which workers the plan is. Not thread-safe.

    A worker that is present counts at once, and one that is absent until it has been away for
    longer than a mini-epoch. Where there is no plan for those present, what was in force stays so.
    With all of them present it is the plan of all: the first one, or what `dual_batch.replan` has
    made of it.

    Args:
        settings: of the run.
        absent_seconds: returns for how many seconds workers have been absent, by their indices.
        report: called with what is planned, and why nothing is.
    """

    def __init__(
        self,
        settings: RunSettings,
        absent_seconds: Callable[[], Mapping[int, float]],
        report: Callable[[WorkersRecord], None],
    ) -> None:
        self._settings = settings
        self._absent_seconds = absent_seconds
        self._report = report
        self._all = tuple(range(settings.cluster.workers))
        self._made: dict[Key, PlanForPresent] = {}
        # For whom a plan was asked last, whether or not there is one.
        self._asked: dict[Key, tuple[int, ...]] = {}
        self._told = self._all

    def plan(self, key: Key) -> PlanForPresent | None:
        """Returns the plan in force; None: that of all."""
        return self._made.get(key)

    def forget(self, resolution: int) -> None:
        """Drops the plans of a resolution, as the plan of all was replaced."""
        for key in [key for key in self._asked if key[0] == resolution]:
            del self._asked[key]
            self._made.pop(key, None)

    def update(
        self,
        key: Key,
        of_all: DualBatchPlan,
        settled: bool,
        patience: float,
        epoch: int,
        commit: int,
    ) -> bool:
        """Makes the plan of an epoch that begins, and reports it if it is another one.

        Args:
            key: of the epoch.
            of_all: the plan of all workers.
            settled: whether its batches are kept.
            patience: seconds after which an absent worker does not count any more.
            epoch: counted from 1.
            commit: mini-epochs before it.

        Returns:
            Whether another plan is in force now than in the last epoch of this key.
        """
        absent = self._absent_seconds()
        present = tuple(worker for worker in self._all if absent.get(worker, 0.0) <= patience)
        before, problem = self._made.get(key), None
        if present and present != self._asked.get(key, self._all):
            self._asked[key] = present
            if present == self._all:
                self._made.pop(key, None)
            elif before is None or before.present != present:
                try:
                    plan = self._settings.plan_for_present(of_all, present, key[0], settled)
                    self._made[key] = PlanForPresent(present, plan, with_absent(plan, of_all))
                except UserError as error:
                    problem = str(error)
        made = self._made.get(key)
        now = self._all if made is None else made.present
        if problem is not None:
            self._report(WorkersRecord(commit, epoch, present, None, problem))
        elif made is not before or now != self._told:
            told = of_all if made is None else made.alone
            self._report(WorkersRecord(commit, epoch, now, told.as_dict(), None))
            self._told = now
        return made is not before
