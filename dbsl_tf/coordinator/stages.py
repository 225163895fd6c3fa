"""Which stage an epoch belongs to: by the schedule, and by how fast the workers turn out to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dbsl_tf.common.errors import UserError
from dbsl_tf.coordinator.stage import Stage
from dbsl_tf.planning import DualBatchPlan, TimeModel
from dbsl_tf.planning.drift import DriftWatch
from dbsl_tf.planning.progressive import TrainingSchedule
from dbsl_tf.results.records import CommitRecord, DriftRecord
from dbsl_tf.schedules.progressive import ResolutionSettings


class Stages:
    """Makes the stage of each epoch; reports once that workers are not as fast as planned.

    Not thread-safe: the trainer calls it one call at a time.

    Args:
        schedule: resolution, dropout and plan of every epoch.
        watches: compare times with the plan, one for each resolution.
        make_stage: makes the stage of a plan and its settings.
        replan: whether a plan that no longer fits is replaced at the next epoch.
        report: told of a drift.
    """

    def __init__(
        self,
        schedule: TrainingSchedule,
        watches: Mapping[int, DriftWatch],
        make_stage: Callable[[DualBatchPlan, ResolutionSettings], Stage],
        replan: bool,
        report: Callable[[DriftRecord], None],
    ) -> None:
        self._schedule = schedule
        self._plans = dict(schedule.plans)
        self._watches = watches
        self._make_stage = make_stage
        self._replan = replan
        self._tell = report
        self._reported = False
        self._stages: dict[int, Stage] = {}
        self._newest_epoch = 0
        self._newest: Stage | None = None

    @property
    def time_models(self) -> dict[int, tuple[TimeModel, ...]]:
        """One a worker for each resolution, those that the plans in force were made with."""
        return {resolution: watch.time_models for resolution, watch in self._watches.items()}

    def observe(self, record: CommitRecord, stage: Stage) -> None:
        """Take in a mini-epoch of `stage`, which says nothing when another plan is in force."""
        if stage is not self._newest:
            return
        watch = self._watches[record.resolution]
        watch.observe(record.worker, record.samples, record.steps, record.loop_seconds)
        if not (self._replan or self._reported) and watch.drifted:
            self._reported = True
            self._report(watch, record.commit, adopted=False)

    def at(self, epoch: int, commit: int, may_replan: bool = True) -> Stage:
        """The stage of an epoch, from 1; that of a resolution is the same as long as its plan is.

        Making one takes a worker seconds: it loads its data and prepares its input pipeline.
        A mini-epoch of an earlier epoch may be asked for late: it has its own resolution still.

        Args:
            epoch: its number.
            commit: mini-epochs before the epoch.
            may_replan: whether the plan may be replaced now, if the epoch is a new one.
        """
        settings = self._schedule.at(epoch).sub_stage.settings
        watch = self._watches[settings.resolution]
        is_new = epoch > self._newest_epoch
        if is_new and self._replan and may_replan and watch.drifted:
            plan = self._report(watch, commit, adopted=True)
            if plan is not None:
                watch.adopt()
                self._plans[settings.resolution] = plan
                self._stages.pop(settings.resolution, None)
        if settings.resolution not in self._stages:
            plan = self._plans[settings.resolution]
            self._stages[settings.resolution] = self._make_stage(plan, settings)
        stage = self._stages[settings.resolution]
        if is_new:
            self._newest_epoch, self._newest = epoch, stage
        return stage

    def _report(self, watch: DriftWatch, commit: int, adopted: bool) -> DualBatchPlan | None:
        """Tell of a drift; the plan that fits, None where there is none."""
        factors = watch.factors
        try:
            plan, problem = watch.fitting_plan(), None
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
        self._tell(record)
        return plan
