"""Which plan is in force in an epoch, and how far each worker is in its training data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from dbsl_tf.coordinator.plans_for_present import Key, PlansForPresent
from dbsl_tf.engine.closure import Closure
from dbsl_tf.planning import DualBatchPlan, PlannedSubStage, TimeModel
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
        present: indices of the workers that it is for; those of others are what they do if they
            join.
        mini_epoch: the closure, see `mini_epoch_closure`.
        batches: per-worker iterator, see `Batches`.
        learning_rates: maps an epoch (a float) to the learning rate of every worker.
    """

    settings: ResolutionSettings
    plan: DualBatchPlan
    present: Sequence[int]
    mini_epoch: Closure
    batches: Iterator
    learning_rates: Callable[[float], Sequence[float]]

    @property
    def steps(self) -> list[int]:
        """Steps of every worker in a mini-epoch."""
        return [worker.steps for worker in self.plan.workers]

    @property
    def batch_sizes(self) -> list[int]:
        """Samples in a full batch of every worker."""
        return [worker.batch for worker in self.plan.workers]

    @property
    def update_factors(self) -> list[float]:
        """Of the workers that the plan is for."""
        return [self.plan.workers[worker].update_factor for worker in self.present]


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

    With `dual_batch.replan`, and in a run that has no time model to rely on, a plan that no longer
    fits is replaced at the start of an epoch; else the drift is reported, and so is its end. Not
    thread-safe. While a plan is not for all workers, nothing is concluded about their speed.

    Args:
        run: whose schedule is followed.
        activate: makes the `ActivePlan` of a plan, its resolution and the workers it is for.
        report: called with the record of a drift.
        for_present: plans for those present; None: workers are not meant to come and go.
    """

    def __init__(
        self,
        run: ResolvedRun,
        activate: Callable[[DualBatchPlan, ResolutionSettings, Sequence[int]], ActivePlan],
        report: Callable[[DriftRecord], None],
        for_present: PlansForPresent | None = None,
    ) -> None:
        self._settings = run.settings
        self._schedule = run.schedule
        self._watches = {
            resolution: DriftWatch(plan, partial(self._rebalanced, resolution))
            for resolution, plan in run.schedule.plans.items()
        }
        self._batches = dict(run.batches)
        # Resolutions whose plans are no longer those of the schedule.
        self._adopted: set[int] = set()
        self._activate = activate
        self._replan = run.settings.dual_batch.replan or run.provisional
        self._report = report
        self._for_present = for_present
        # Of the latest mini-epoch of each worker by the newest plan.
        self._seconds: dict[int, float] = {}
        self._active: dict[int, list[ActivePlan]] = {}
        self._newest_epoch = 0
        self._newest: ActivePlan | None = None

    @property
    def time_models(self) -> dict[int, tuple[TimeModel, ...]]:
        """Time model of each worker for each resolution, as used for the plans in force."""
        return {resolution: watch.time_models for resolution, watch in self._watches.items()}

    @property
    def batches(self) -> dict[int, tuple[int, ...]]:
        """Batch of each worker for each resolution whose shares alone follow from `time_models`."""
        return dict(self._batches)

    def observe(self, record: CommitRecord, active: ActivePlan) -> None:
        """Compares a merged mini-epoch of `active` with its plan; ignored once that is replaced."""
        if active is not self._newest:
            return
        self._seconds[record.worker] = record.seconds
        watch = self._watches[record.resolution]
        key = record.resolution, active.plan.mini_epochs
        if self._for_present and self._for_present.plan(key):
            return
        watch.observe(record.worker, record.samples, record.steps, record.loop_seconds)
        if not self._replan and (news := watch.news()) is not None:
            plan = watch.fitting_plan() if news == "drift" else None
            self._tell(watch, record.commit, plan, fits=news == "fits")
            watch.tell(news)

    def at(self, epoch: int, commit: int, may_replan: bool = True) -> ActivePlan:
        """Returns the plan in force in an epoch.

        Until replanned, epochs of one resolution that are merged equally often have the same.

        Activating a plan takes a worker seconds: it loads its data and prepares its input
        pipeline. An earlier epoch may be asked for late; its own resolution still applies.

        Args:
            epoch: counted from 1.
            commit: mini-epochs before the epoch.
            may_replan: whether the plan may be replaced now, if the epoch is a new one.
        """
        part = self._schedule.at(epoch)
        resolution = part.sub_stage.resolution
        watch = self._watches[resolution]
        is_new = epoch > self._newest_epoch
        if is_new and watch.plan.mini_epochs != part.plan.mini_epochs:
            watch.follow(self._plan(part))
        if is_new and self._replan and may_replan and watch.drifted:
            plan = watch.fitting_plan()
            if plan is not None:
                self._tell(watch, commit, plan, adopted=True)
                watch.adopt(plan)
                self._batches[resolution] = tuple(worker.batch for worker in plan.workers)
                self._adopted.add(resolution)
                self._active.pop(resolution, None)
                if self._for_present:
                    self._for_present.forget(resolution)
        if is_new and self._for_present:
            self._plan_for_present(self._for_present, part, epoch, commit)
        active = self._activated(part)
        if is_new:
            if active is not self._newest:
                self._seconds = {}
            self._newest_epoch, self._newest = epoch, active
        return active

    def of_other_resolutions(self, epoch: int) -> list[ActivePlan]:
        """Returns a plan of each resolution to come, with which its closure can be loaded.

        Args:
            epoch: the present one, whose resolution is left out.
        """
        present = self._schedule.at(epoch).sub_stage.resolution
        parts = {
            part.sub_stage.resolution: part
            for part in self._schedule.sub_stages
            if part.sub_stage.last_epoch >= epoch
        }
        return [
            self._activate(part.plan, part.sub_stage.settings, range(len(part.plan.workers)))
            for resolution, part in parts.items()
            if resolution != present
        ]

    def _activated(self, part: PlannedSubStage) -> ActivePlan:
        """Returns the plan of a sub-stage, of which workers may already have the data."""
        known = self._active.setdefault(part.sub_stage.resolution, [])
        for active in known:
            if active.plan.mini_epochs == part.plan.mini_epochs:
                return active
        # A mini-epoch of the epoch before may be handed out late; others are over.
        del known[:-1]
        plan = self._plan(part)
        present: Sequence[int] = range(len(plan.workers))
        if self._for_present and (made := self._for_present.plan(_key(part))):
            plan, present = made.complete, made.present
        known.append(self._activate(plan, part.sub_stage.settings, present))
        return known[-1]

    def _plan_for_present(
        self, plans: PlansForPresent, part: PlannedSubStage, epoch: int, commit: int
    ) -> None:
        """Has the plan of a new epoch made for those present, in place of that for others."""
        resolution, mini_epochs = key = _key(part)
        of_all = self._plan(part)
        in_force = self._newest.plan if self._newest else of_all
        patience = max(self._seconds.values(), default=in_force.mini_epoch_seconds)
        settled = resolution in self._batches
        if plans.update(key, of_all, settled, patience, epoch, commit):
            known = self._active.get(resolution, [])
            known[:] = [active for active in known if active.plan.mini_epochs != mini_epochs]

    def _plan(self, part: PlannedSubStage) -> DualBatchPlan:
        """Returns the plan in force in a sub-stage."""
        resolution, mini_epochs = part.sub_stage.resolution, part.plan.mini_epochs
        if resolution not in self._adopted:
            return part.plan
        watch = self._watches[resolution]
        if watch.plan.mini_epochs == mini_epochs:
            return watch.plan
        return self._settings.plan(
            watch.time_models, resolution, self._batches[resolution], mini_epochs
        )

    def _rebalanced(
        self, resolution: int, time_models: Sequence[TimeModel], batches: Sequence[int]
    ) -> DualBatchPlan:
        mini_epochs = self._watches[resolution].plan.mini_epochs
        return self._settings.plan(time_models, resolution, batches, mini_epochs)

    def _tell(
        self,
        watch: DriftWatch,
        commit: int,
        plan: DualBatchPlan | None,
        *,
        adopted: bool = False,
        fits: bool = False,
    ) -> None:
        self._report(
            DriftRecord(
                commit=commit,
                factors=tuple(watch.factors or ()),
                adopted=adopted,
                plan=None if plan is None else plan.as_dict(),
                problem=None if plan or fits else "no shares bring them closer together",
                fits=fits,
            )
        )


def _key(part: PlannedSubStage) -> Key:
    return part.sub_stage.resolution, part.plan.mini_epochs
