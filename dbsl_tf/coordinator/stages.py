"""Which stage an epoch belongs to: by the schedule, and by how fast the workers turn out to be."""

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
class Stage:
    """A plan and what follows from it; a mini-epoch belongs to one stage from start to merge.

    Attributes:
        settings: resolution of the images, dropout and B_L.
        plan: batch, samples and steps of every worker.
        mini_epoch: the closure, see `mini_epoch_closure`.
        batches: per-worker iterator of the batches of such mini-epochs.
        learning_rates: maps an epoch (a float) to the learning rate of every worker.
    """

    settings: ResolutionSettings
    plan: DualBatchPlan
    mini_epoch: Closure
    batches: Iterator
    learning_rates: Callable[[float], Sequence[float]]

    @property
    def steps(self) -> list[int]:
        """Steps of every worker."""
        return [worker.steps for worker in self.plan.workers]


class Streams:
    """How far each worker is in its endless streams of training data. Not thread-safe.

    There is one for each resolution, with an order of its own. Exact where no worker fails and no
    plan is replaced while mini-epochs are in flight: those are not counted yet, and a worker that
    is started again begins where its stream was made.

    Args:
        workers: number of workers (n).
        samples: samples that each worker has taken, [workers] for each resolution; absent: none.
    """

    def __init__(self, workers: int, samples: Mapping[int, Sequence[int]]) -> None:
        self._workers = workers
        self._samples = {resolution: list(taken) for resolution, taken in samples.items()}

    @property
    def samples(self) -> dict[int, tuple[int, ...]]:
        """Samples that each worker has taken, [workers] for each resolution."""
        return {resolution: tuple(taken) for resolution, taken in self._samples.items()}

    def taken(self, resolution: int) -> list[int]:
        """Samples that each worker has taken at this resolution."""
        return self._samples.setdefault(resolution, [0] * self._workers)

    def took(self, resolution: int, worker: int, samples: int) -> None:
        """Take note of a merged mini-epoch; what other mini-epochs took is taken again."""
        self.taken(resolution)[worker] += samples


class Stages:
    """Makes the stage of each epoch; reports once that workers are not as fast as planned.

    A plan that no longer fits is replaced at the next epoch where `dual_batch.replan` asks for it.
    Not thread-safe: it is called one call at a time.

    Args:
        run: whose epochs they are.
        make_stage: makes the stage of a plan and its settings.
        report: told of a drift.
    """

    def __init__(
        self,
        run: ResolvedRun,
        make_stage: Callable[[DualBatchPlan, ResolutionSettings], Stage],
        report: Callable[[DriftRecord], None],
    ) -> None:
        self._schedule = run.schedule
        self._plans = dict(run.schedule.plans)
        self._watches = {
            resolution: DriftWatch(models, partial(run.settings.plan, resolution=resolution))
            for resolution, models in run.time_models.items()
        }
        self._make_stage = make_stage
        self._replan = run.settings.dual_batch.replan
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
