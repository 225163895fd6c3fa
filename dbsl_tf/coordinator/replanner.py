"""Watches whether the plan fits the workers, and makes the next stage if it should."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dbsl_tf.coordinator.stage import Stage
from dbsl_tf.errors import UserError
from dbsl_tf.planning import DualBatchPlan, TimeModel
from dbsl_tf.planning.drift import DriftWatch
from dbsl_tf.results.records import CommitRecord, DriftRecord, Observer


class Replanner:
    """Reports once that workers are not as fast as planned, and replans if that is wanted.

    Not thread-safe: the trainer calls it one call at a time.

    Args:
        watch: compares times with the plan.
        make_stage: makes the stage of a plan.
        replan: whether a plan that no longer fits is replaced at the next epoch.
        observers: told of a drift.
    """

    def __init__(
        self,
        watch: DriftWatch,
        make_stage: Callable[[DualBatchPlan], Stage],
        replan: bool,
        observers: Sequence[Observer],
    ) -> None:
        self._watch = watch
        self._make_stage = make_stage
        self._replan = replan
        self._observers = observers
        self._reported = False

    @property
    def time_models(self) -> tuple[TimeModel, ...]:
        """One a worker, those that the plan in force was made with."""
        return self._watch.time_models

    def observe(self, record: CommitRecord) -> None:
        """Take in a mini-epoch of the present stage."""
        self._watch.observe(record.worker, record.samples, record.steps, record.loop_seconds)
        if self._watch.drifted and not (self._replan or self._reported):
            self._reported = True
            self._report(record.commit, adopted=False)

    def stage_from(self, number: int, stage: Stage) -> Stage:
        """The stage of the epoch that begins with mini-epoch `number` (from 0)."""
        if not (self._replan and self._watch.drifted):
            return stage
        plan = self._report(number, adopted=True)
        if plan is None:
            return stage
        self._watch.adopt()
        return self._make_stage(plan)

    def _report(self, commit: int, adopted: bool) -> DualBatchPlan | None:
        """Tell the observers; the plan that fits, None where there is none."""
        factors = self._watch.factors
        try:
            plan, problem = self._watch.fitting_plan(), None
        except UserError as error:
            plan, problem = None, str(error)
            # Nothing will change: once is enough.
            self._replan, self._reported = False, True
        record = DriftRecord(
            commit=commit,
            factors=tuple(factors),
            adopted=adopted and plan is not None,
            plan=None if plan is None else plan.as_dict(),
            problem=problem,
        )
        for observer in self._observers:
            observer.drifted(record)
        return plan
