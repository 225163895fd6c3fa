"""The settings of a run: all that follows from its configuration and data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from dbsl_tf.config.cluster_sections import ClusterSection, DualBatchSection
from dbsl_tf.config.data_section import DataSection, Sharing
from dbsl_tf.config.evaluation_section import EvaluationSection
from dbsl_tf.config.merge_section import MergeSection
from dbsl_tf.config.names import PrecisionSetting, Stem
from dbsl_tf.config.time_sections import ProfileSection
from dbsl_tf.config.training_sections import ComputeSection, OptimizerSection, TrainingSection
from dbsl_tf.planning import (
    DualBatchPlan,
    PlannedSubStage,
    PlanRequest,
    TimeModel,
    TrainingSchedule,
    plan_dual_batch,
    plan_with_batches,
)
from dbsl_tf.planning.present_workers import batches_for_present, request_for_present
from dbsl_tf.schedules import LearningRates, ResolutionSettings, SubStage, scale_factor
from dbsl_tf.schedules.calendar import Calendar
from dbsl_tf.schedules.synchronization import Synchronization


@dataclass(frozen=True)
class ModelSettings:
    """The network.

    Attributes:
        name: one of `dbsl_tf.config.registries.MODELS`, or an import path.
        stem: first layers of a built-in one; what suits the data where the configuration leaves
            it open.
        seed: of its initial weights.
        options: keyword arguments of the function at an import path.
        weights: to begin with: a file of Keras, or the directory of a run; None: fresh ones.
    """

    name: str
    stem: Stem
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None


@dataclass(frozen=True)
class TimeSource:
    """Where the time models of a run come from; see `time_models_of`.

    Attributes:
        profile: a file of `dbsl_tf.profile`; takes precedence.
        given: the coefficients in the configuration, for each resolution; empty: none.
    """

    profile: Path | None = None
    given: Mapping[int, TimeModel] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether there is a source."""
        return self.profile is not None or bool(self.given)


@dataclass(frozen=True)
class RunSettings:
    """What a run does, except for the share of each worker; see `settings_of`.

    Attributes:
        data: which images, and how they are augmented.
        model: the network.
        compute: how the workers compute; its precision may still be auto.
        training: loss and metrics.
        optimizer: of the workers.
        cluster: its size, and how long to wait for it.
        dual_batch: how workers are split.
        merge: how updates are merged.
        evaluation: which weights are evaluated.
        profile: how the hardware is measured.
        time_source: where time models come from.
        samples: in an epoch, d.
        progressive: whether the resolution changes during the run.
        resolutions: settings of each resolution, from low to high; those of the data alone where
            it does not change.
        evaluated_resolutions: at which the weights are evaluated, from low to high.
        sub_stages: together they are all epochs, in order. A new one begins wherever the
            resolution or the milestone rate changes.
        learning_rate: before it follows a worker's batch.
        calendar: what is due after which commit.
        synchronization: who may begin a mini-epoch.
        seed: of shuffling, augmentation and dropout.
        allows_bfloat16: whether the images are large enough for mixed_bfloat16.
    """

    data: DataSection
    model: ModelSettings
    compute: ComputeSection
    training: TrainingSection
    optimizer: OptimizerSection
    cluster: ClusterSection
    dual_batch: DualBatchSection
    merge: MergeSection
    evaluation: EvaluationSection
    profile: ProfileSection
    time_source: TimeSource
    samples: int
    progressive: bool
    resolutions: tuple[ResolutionSettings, ...]
    evaluated_resolutions: tuple[int, ...]
    sub_stages: tuple[SubStage, ...]
    learning_rate: LearningRates
    calendar: Calendar
    synchronization: Synchronization
    seed: int
    allows_bfloat16: bool = True

    @property
    def highest(self) -> ResolutionSettings:
        """The settings of the highest resolution."""
        return self.resolutions[-1]

    @cached_property
    def by_resolution(self) -> dict[int, ResolutionSettings]:
        """The settings of each resolution, from low to high."""
        return {settings.resolution: settings for settings in self.resolutions}

    @property
    def keeps_optimizer_state(self) -> bool:
        """Whether what the optimiser of a worker remembers lasts from one mini-epoch to the next.

        It may have nothing to remember.
        """
        return self.optimizer.state == "keep"

    @property
    def some_in_rounds(self) -> bool:
        """Whether mini-epochs are merged in rounds: all, or those of local epochs at the end."""
        return self.synchronization.in_rounds or self.calendar.local_epochs > 0

    def with_precision(self, precision: PrecisionSetting) -> RunSettings:
        """Returns the same settings in another precision."""
        return replace(self, compute=self.compute.with_precision(precision))

    def with_sharing(self, sharing: Sharing) -> RunSettings:
        """Returns the same settings with samples shared otherwise among workers."""
        return replace(self, data=self.data.model_copy(update={"sharing": sharing}))

    def with_profile(self, path: Path) -> RunSettings:
        """Returns the same settings with the time models of a profile."""
        return replace(self, time_source=replace(self.time_source, profile=path))

    def with_split(self, small_workers: int, extra_time_ratio: float) -> RunSettings:
        """Returns the same settings with another n_S and k."""
        split = {"small_workers": small_workers, "extra_time_ratio": extra_time_ratio}
        return replace(self, dual_batch=self.dual_batch.model_copy(update=split))

    def plan_request(
        self,
        time_models: Sequence[TimeModel],
        resolution: int | None = None,
        mini_epochs: Fraction | None = None,
    ) -> PlanRequest:
        """Returns the request for the plan of a mini-epoch of every worker.

        Args:
            time_models: of each worker, at this resolution.
            resolution: one of the run's; None: the highest.
            mini_epochs: of every worker in an epoch, M; None: the most in an epoch of the run.

        Raises:
            ValueError: no part of the run has this resolution.
        """
        if resolution is not None and resolution not in self.by_resolution:
            raise ValueError(f"no part of the run has resolution {resolution}")
        part = self.highest if resolution is None else self.by_resolution[resolution]
        return PlanRequest(
            time_model=tuple(time_models),
            samples=self.samples,
            workers=self.cluster.workers,
            small_workers=self.dual_batch.small_workers,
            large_batch=part.large_batch,
            rounding=self.dual_batch.rounding,
            resolution=part.resolution if self.progressive else None,
            mini_epochs=mini_epochs or self.calendar.mini_epochs_per_epoch,
        )

    def plan(
        self,
        time_models: Sequence[TimeModel],
        resolution: int | None = None,
        batches: Sequence[int] | None = None,
        mini_epochs: Fraction | None = None,
    ) -> DualBatchPlan:
        """Returns the plan of a mini-epoch of every worker.

        Args:
            time_models, resolution, mini_epochs: see `plan_request`.
            batches: of each worker, if they are settled; None: they follow from the time models.

        Raises:
            UserError: there is none, as `plan_dual_batch`.
            ValueError: no part of the run has this resolution.
        """
        return self._planned(self.plan_request(time_models, resolution, mini_epochs), batches)

    def _planned(self, request: PlanRequest, batches: Sequence[int] | None) -> DualBatchPlan:
        ratio, factor = self.dual_batch.extra_time_ratio, self.dual_batch.update_factor
        if batches is not None:
            return plan_with_batches(request, batches, ratio, factor)
        return plan_dual_batch(request, ratio, factor)

    def plan_for_present(
        self,
        plan: DualBatchPlan,
        present: Sequence[int],
        resolution: int | None = None,
        settled: bool = False,
    ) -> DualBatchPlan:
        """Returns the plan of the workers that are there, and of them alone.

        Args:
            plan: of all workers.
            present: indices of those that are there, at least one, in ascending order.
            resolution: see `plan_request`.
            settled: whether the batches of `plan` are kept.

        Raises:
            UserError: there is none, as `plan_dual_batch`.
        """
        models = [worker.time_model for worker in plan.workers]
        request = request_for_present(
            self.plan_request(models, resolution, plan.mini_epochs), present
        )
        batches = batches_for_present(plan, present, request.small_workers) if settled else None
        return self._planned(request, batches)

    def schedule(
        self,
        time_models: Mapping[int, Sequence[TimeModel]],
        batches: Mapping[int, Sequence[int]] | None = None,
    ) -> TrainingSchedule:
        """Returns the plan of the whole run; sub-stages that differ in nothing have the same plan.

        Args:
            time_models: of each worker, for each resolution of the run.
            batches: of each worker, for each resolution at which they are settled; None: nowhere.

        Raises:
            UserError: a resolution has no plan, as `plan_dual_batch`.
        """
        settled = batches or {}
        plans = {
            (resolution, often): self.plan(
                time_models[resolution], resolution, settled.get(resolution), often
            )
            for resolution, often in sorted(
                {(part.resolution, part.mini_epochs) for part in self.sub_stages}
            )
        }
        return TrainingSchedule(
            tuple(
                PlannedSubStage(part, plans[part.resolution, part.mini_epochs])
                for part in self.sub_stages
            )
        )

    def learning_rates(
        self, plan: DualBatchPlan, settings: ResolutionSettings
    ) -> Callable[[float], list[float]]:
        """Returns a function from an epoch to every worker's learning rate, scaled by its batch.

        Args:
            plan: what the workers train.
            settings: of the resolution they train it at.
        """
        base_batch = self.optimizer.base_batch or settings.large_batch
        factors = [
            scale_factor(self.optimizer.lr_scaling, worker.batch, base_batch)
            for worker in plan.workers
        ]

        def learning_rates(epoch: float) -> list[float]:
            rate = self.learning_rate.learning_rate(epoch)
            return [rate * factor for factor in factors]

        return learning_rates
