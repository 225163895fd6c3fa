"""A mini-epoch from when it is handed out until it is merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dbsl_tf.coordinator.active_plans import ActivePlan
from dbsl_tf.coordinator.closures import Assignments, MiniEpochResult, WorkerShares
from dbsl_tf.coordinator.given_shares import GivenShare
from dbsl_tf.planning import WorkerPlan
from dbsl_tf.results.records import CommitRecord
from dbsl_tf.shared_model.stored_model import Slot
from dbsl_tf.training.objective import Objective


class Begun(NamedTuple):
    """What is settled of a mini-epoch while nothing is merged; see `MiniEpoch`."""

    number: int
    active_plan: ActivePlan
    slot: Slot
    start: int


@dataclass(frozen=True)
class MiniEpoch:
    """What is settled when a mini-epoch is handed out, and stays so until it is merged.

    Attributes:
        number: its position among all mini-epochs of the run, from 0.
        slot: holds the weights that it begins with, and receives those it pushes.
        start: the commit of the weights that it begins with.
        active_plan: the plan it belongs to.
        base_learning_rate: before it follows a worker's batch.
        learning_rates: one for each worker.
        assignments: one for each worker; the worker that takes the mini-epoch picks its own.
        given: the samples that it trains; None: those that come next on the worker that takes it.
    """

    number: int
    slot: Slot
    start: int
    active_plan: ActivePlan
    base_learning_rate: float
    learning_rates: Sequence[float]
    assignments: Assignments
    given: GivenShare | None = None

    @property
    def arguments(self) -> tuple[Any, ...]:
        """Those of the closure that trains it."""
        shares = self.given.shares if self.given else None
        return closure_arguments(self.active_plan, self.slot, self.assignments, shares)


@dataclass(frozen=True)
class CompletedMiniEpoch:
    """A mini-epoch that a worker has finished, before it is merged.

    Attributes:
        mini_epoch: what was handed out.
        result: what the closure returned.
    """

    mini_epoch: MiniEpoch
    result: MiniEpochResult

    @property
    def plan(self) -> WorkerPlan:
        """The plan of the worker that trained it."""
        return self.mini_epoch.active_plan.plan.workers[int(self.result.worker)]

    def record(self, commit: int, epoch: int, staleness: int, objective: Objective) -> CommitRecord:
        """Returns the record of its commit.

        Args:
            commit: its number.
            epoch: that the commit belongs to.
            staleness: commits between those of the weights that it began with and its own.
            objective: of the training.
        """
        begun, plan, result = self.mini_epoch, self.plan, self.result
        measured = objective.measured([result.sums])
        return CommitRecord(
            commit=commit,
            epoch=epoch,
            worker=plan.index,
            role=plan.role,
            resolution=begun.active_plan.settings.resolution,
            batch=plan.batch,
            samples=int(result.sums.samples),
            steps=int(begun.assignments.steps[plan.index]),
            started=float(result.started),
            seconds=float(result.seconds),
            loop_seconds=float(result.loop_seconds),
            learning_rate=begun.learning_rates[plan.index],
            update_factor=plan.update_factor,
            staleness=staleness,
            train_loss=measured.loss,
            train_accuracy=measured.accuracy,
            train_metrics=measured.metrics,
            first_sample=begun.given.share.first if begun.given else None,
        )


def closure_arguments(
    active: ActivePlan, slot: Slot, assignments: Assignments, shares: WorkerShares | None
) -> tuple[Any, ...]:
    """Returns the arguments of the closure of a mini-epoch; see `mini_epoch_closure`."""
    common = active.batches, slot.variables(), assignments
    return common if shares is None else (*common, shares)
