"""Which plan is in force in an epoch, and how far each worker is in its training data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from dbsl_tf.common.errors import UserError
from dbsl_tf.engine.closure import Closure
from dbsl_tf.planning import DualBatchPlan, TimeModel
from dbsl_tf.planning.drift import DriftWatch
from dbsl_tf.resolved import ResolvedRun
from dbsl_tf.results.records import CommitRecord, DriftRecord
from dbsl_tf.schedules.progressive import ResolutionSettings


@dataclass(frozen=True)
class ActivePlan:
    """A plan with what it takes to train by it; a mini-epoch keeps its plan until it is merged.

    Attributes:
        settings: image resolution, dropout and B_L.
        plan: batch, samples and steps of every worker.
        mini_epoch: the closure, see `mini_epoch_closure`.
        batches: per-worker iterator over the batches of such mini-epochs.
        learning_rates: maps an epoch (a float) to the learning rate of every worker.
    """

    settings: ResolutionSettings
    plan: DualBatchPlan
    mini_epoch: Closure
    batches: Iterator
    learning_rates: Callable[[float], Sequence[float]]

    @property
    def steps(self) -> list[int]:
        """Steps of every worker in a mini-epoch."""
        return [worker.steps for worker in self.plan.workers]


class StreamCursors:
    """How far each worker is in its endless streams of training data. Not thread-safe.

    There is one stream for each resolution, in an order of its own. A cursor counts merged
    mini-epochs only: it is exact as long as no worker fails and no plan is replaced while
    mini-epochs are in flight. A restarted worker begins where its stream was made.

    Args:
        workers: number of workers (n).
        samples: samples that each worker has trained, [workers] for each resolution; a resolution
            that is missing has had none.
    """

    def __init__(self, workers: int, samples: Mapping[int, Sequence[int]]) -> None:
        self._workers = workers
        self._samples = {resolution: list(cursors) for resolution, cursors in samples.items()}

    @property
    def samples(self) -> dict[int, tuple[int, ...]]:
        """Samples that each worker has trained, [workers] for each resolution."""
        return {resolution: tuple(cursors) for resolution, cursors in self._samples.items()}

    def at(self, resolution: int) -> list[int]:
        """Returns the samples that each worker has trained at `resolution`, [workers]."""
        return self._samples.setdefault(resolution, [0] * self._workers)

    def advance(self, resolution: int, worker: int, samples: int) -> None:
        """Moves a worker's cursor past the `samples` samples of a merged mini-epoch."""
        self.at(resolution)[worker] += samples


class ActivePlans:
    """Finds the plan in force in each epoch, and reports if workers are not as fast as planned.

    With `dual_batch.replan` a plan that no longer fits is replaced at the start of an epoch;
    without, the drift is reported once. Not thread-safe.

    Args:
        run: whose schedule is followed.
        activate: makes the `ActivePlan` of a plan and its resolution.
        report: called with the record of a drift.
    """

    def __init__(
        self,
        run: ResolvedRun,
        activate: Callable[[DualBatchPlan, ResolutionSettings], ActivePlan],
        report: Callable[[DriftRecord], None],
    ) -> None:
        self._schedule = run.schedule
        self._plans = dict(run.schedule.plans)
        self._watches = {
            resolution: DriftWatch(models, partial(run.settings.plan, resolution=resolution))
            for resolution, models in run.time_models.items()
        }
        self._activate = activate
        self._replan = run.settings.dual_batch.replan
        self._report = report
        self._reported = False
        self._active: dict[int, ActivePlan] = {}
        self._newest_epoch = 0
        self._newest: ActivePlan | None = None

    @property
    def time_models(self) -> dict[int, tuple[TimeModel, ...]]:
        """Time model of each worker for each resolution, as used for the plans in force."""
        return {resolution: watch.time_models for resolution, watch in self._watches.items()}

    def observe(self, record: CommitRecord, active: ActivePlan) -> None:
        """Compares a merged mini-epoch of `active` with its plan; ignored once that is replaced."""
        if active is not self._newest:
            return
        watch = self._watches[record.resolution]
        watch.observe(record.worker, record.samples, record.steps, record.loop_seconds)
        if not (self._replan or self._reported) and watch.drifted:
            self._reported = True
            self._report_drift(watch, record.commit, adopted=False)

    def at(self, epoch: int, commit: int, may_replan: bool = True) -> ActivePlan:
        """Returns the plan in force in an epoch; a resolution keeps the same one until replanned.

        Activating a plan takes a worker seconds: it loads its data and prepares its input
        pipeline. An earlier epoch may be asked for late; its own resolution still applies.

        Args:
            epoch: counted from 1.
            commit: mini-epochs before the epoch.
            may_replan: whether the plan may be replaced now, if the epoch is a new one.
        """
        settings = self._schedule.at(epoch).sub_stage.settings
        watch = self._watches[settings.resolution]
        is_new = epoch > self._newest_epoch
        if is_new and self._replan and may_replan and watch.drifted:
            plan = self._report_drift(watch, commit, adopted=True)
            if plan is not None:
                watch.adopt()
                self._plans[settings.resolution] = plan
                self._active.pop(settings.resolution, None)
        if settings.resolution not in self._active:
            plan = self._plans[settings.resolution]
            self._active[settings.resolution] = self._activate(plan, settings)
        active = self._active[settings.resolution]
        if is_new:
            self._newest_epoch, self._newest = epoch, active
        return active

    def _report_drift(self, watch: DriftWatch, commit: int, adopted: bool) -> DualBatchPlan | None:
        """Reports a drift; returns the plan that fits the observed speeds, None if there is none.

        Args:
            watch: whose workers drifted.
            commit: the latest one.
            adopted: whether that plan is going to replace the present one.
        """
        factors = watch.factors
        try:
            plan, problem = watch.fitting_plan(), None
        except UserError as error:
            plan, problem = None, str(error)
            # It would fail in every epoch: one report is enough.
            self._replan, self._reported = False, True
        record = DriftRecord(
            commit=commit,
            factors=tuple(factors),
            adopted=adopted and plan is not None,
            plan=None if plan is None else plan.as_dict(),
            problem=problem,
        )
        self._report(record)
        return plan
