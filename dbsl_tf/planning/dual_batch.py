"""The dual-batch plan: what every worker trains between taking and giving back the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from dbsl_tf.errors import UserError
from dbsl_tf.planning.shares import (
    Demand,
    divide,
    exact,
    largest_extra_time_ratio,
    rounding_rule,
    solvable,
)
from dbsl_tf.planning.time_model import TimeModel

if TYPE_CHECKING:
    from dbsl_tf.config import Config

Role = Literal["small", "large"]


@dataclass(frozen=True)
class WorkerPlan:
    """One worker's mini-epoch.

    Attributes:
        index: the worker's index in the cluster.
        role: "small" or "large", after its batch size.
        batch: samples in a batch, B_S or B_L.
        samples: samples it trains in a mini-epoch, d_S or d_L.
        update_factor: weight of its update in the merge, f, above 0 and at most 1.
        predicted_seconds: training time of a mini-epoch by the time model, whole steps counted.
    """

    index: int
    role: Role
    batch: int
    samples: int
    update_factor: float
    predicted_seconds: float

    @property
    def steps(self) -> int:
        """Batches of a mini-epoch; the last one may be short."""
        return math.ceil(self.samples / self.batch)

    @property
    def last_batch(self) -> int:
        """Samples in the last batch, 1 to `batch`."""
        return self.samples - (self.steps - 1) * self.batch


@dataclass(frozen=True)
class DualBatchPlan:
    """What all workers do in an epoch.

    Properties named `small_…` and `large_…` are None where no worker has that role.

    Attributes:
        workers: one plan a worker, in order of their index; small ones first.
        baseline: the mini-epoch of every worker if all had the large batch and equal shares.
        samples: samples in an epoch, d. The shares of all workers together can differ from it
            by rounding: see `epoch_samples`.
        extra_time_ratio: k as asked for.
    """

    workers: tuple[WorkerPlan, ...]
    baseline: WorkerPlan
    samples: int
    extra_time_ratio: float

    def first(self, role: Role) -> WorkerPlan | None:
        """Returns the first worker of `role`; None where there is none."""
        return next((worker for worker in self.workers if worker.role == role), None)

    def count(self, role: Role) -> int:
        """Returns how many workers have `role`."""
        return sum(worker.role == role for worker in self.workers)

    @property
    def epoch_samples(self) -> int:
        """Samples all workers together train in an epoch."""
        return sum(worker.samples for worker in self.workers)

    @property
    def small_batch(self) -> int | None:
        """B_S."""
        return _attribute(self.first("small"), "batch")

    @property
    def large_batch(self) -> int | None:
        """B_L."""
        return _attribute(self.first("large"), "batch")

    @property
    def small_samples(self) -> int | None:
        """d_S."""
        return _attribute(self.first("small"), "samples")

    @property
    def large_samples(self) -> int | None:
        """d_L."""
        return _attribute(self.first("large"), "samples")

    @property
    def small_steps(self) -> int | None:
        """Steps of a small worker's mini-epoch."""
        return _attribute(self.first("small"), "steps")

    @property
    def large_steps(self) -> int | None:
        """Steps of a large worker's mini-epoch."""
        return _attribute(self.first("large"), "steps")

    @property
    def update_factor(self) -> float | None:
        """f of the small workers; that of large ones is 1."""
        return _attribute(self.first("small"), "update_factor")

    @property
    def predicted_small_seconds(self) -> float | None:
        """Predicted training time of a small worker's mini-epoch, in seconds."""
        return _attribute(self.first("small"), "predicted_seconds")

    @property
    def predicted_large_seconds(self) -> float | None:
        """Predicted training time of a large worker's mini-epoch, in seconds."""
        return _attribute(self.first("large"), "predicted_seconds")

    @property
    def baseline_seconds(self) -> float:
        """Predicted training time of a mini-epoch if all workers had the large batch."""
        return self.baseline.predicted_seconds

    @property
    def realised_extra_time_ratio(self) -> float:
        """Predicted time of the slowest worker over that of the baseline, whole steps counted."""
        slowest = max(worker.predicted_seconds for worker in self.workers)
        return slowest / self.baseline_seconds

    def as_dict(self) -> dict[str, Any]:
        """Returns the plan as JSON values; times in seconds, null where a role has no worker."""
        return {
            "workers": len(self.workers),
            "small_workers": self.count("small"),
            "large_workers": self.count("large"),
            "samples": self.samples,
            "epoch_samples": self.epoch_samples,
            "small_batch": self.small_batch,
            "large_batch": self.large_batch,
            "small_samples": self.small_samples,
            "large_samples": self.large_samples,
            "small_steps": self.small_steps,
            "large_steps": self.large_steps,
            "small_last_batch": _attribute(self.first("small"), "last_batch"),
            "large_last_batch": _attribute(self.first("large"), "last_batch"),
            "update_factor": self.update_factor,
            "predicted_small_seconds": self.predicted_small_seconds,
            "predicted_large_seconds": self.predicted_large_seconds,
            "baseline_seconds": self.baseline_seconds,
            "extra_time_ratio": self.extra_time_ratio,
            "realised_extra_time_ratio": self.realised_extra_time_ratio,
        }


def _attribute(worker: WorkerPlan | None, name: str) -> Any:
    return None if worker is None else getattr(worker, name)


def plan_from_config(config: Config, samples: int) -> DualBatchPlan:
    """Returns the plan of a configuration for epochs of `samples` samples.

    Raises:
        UserError: as `plan_dual_batch`.
    """
    return plan_dual_batch(
        Demand(
            time_model=TimeModel(config.time_model.a, config.time_model.b),
            samples=samples,
            workers=config.cluster.workers,
            small_workers=config.dual_batch.small_workers,
            large_batch=config.dual_batch.large_batch,
            rounding=config.dual_batch.rounding,
        ),
        extra_time_ratio=config.dual_batch.extra_time_ratio,
        update_factor=config.dual_batch.update_factor,
    )


def plan_dual_batch(
    demand: Demand, extra_time_ratio: float, update_factor: str = "linear"
) -> DualBatchPlan:
    """Solves Eq. 4-8 of COMPSAC 2022 and arXiv 2509.26092 for every worker.

    Workers 0 to n_S - 1 are small, the others large. With n_S = n the large share k d / n still
    enters B_S and the update factor, though no worker trains it.

    Args:
        demand: time model, samples, workers, large batch and rounding.
        extra_time_ratio: k, at least 1.
        update_factor: f of a small worker: "linear" d_S / d_L, "sqrt" its root, "none" 1.

    Raises:
        UserError: there are fewer samples than workers, or k leaves a small worker no sample or
            a batch below 1. The line names the keys to change and the k that would work.
    """
    if demand.samples < demand.workers:
        raise UserError(
            f"cluster.workers is {demand.workers} and exceeds the number of training samples, "
            f"{demand.samples}; use {demand.samples} at most, or raise data.train_samples"
        )
    ratio = exact(extra_time_ratio)
    if not solvable(demand, ratio):
        raise UserError(_no_solution(demand, ratio))
    shares = divide(demand, ratio)
    fraction = min(1.0, shares.small_samples / shares.large_samples)
    factor = {"linear": fraction, "sqrt": math.sqrt(fraction), "none": 1.0}[update_factor]

    def worker(index: int, role: Role, batch: int, samples: int) -> WorkerPlan:
        seconds = demand.time_model.training_seconds(samples, batch)
        return WorkerPlan(index, role, batch, samples, factor if role == "small" else 1.0, seconds)

    equal_share = rounding_rule(demand.rounding)(Fraction(demand.samples, demand.workers))
    return DualBatchPlan(
        workers=tuple(
            worker(index, "small", shares.small_batch, shares.small_samples)
            if index < demand.small_workers
            else worker(index, "large", demand.large_batch, shares.large_samples)
            for index in range(demand.workers)
        ),
        baseline=worker(0, "large", demand.large_batch, equal_share),
        samples=demand.samples,
        extra_time_ratio=float(extra_time_ratio),
    )


def _no_solution(demand: Demand, ratio: Fraction) -> str:
    """Returns why `ratio` has no solution, which k have one, and what else would help."""
    remedies = []
    if demand.small_workers < demand.workers:
        remedies.append("more dual_batch.small_workers")
    if divide(demand, ratio).small_samples < 1:
        fault = "no samples"
    else:
        fault = "a batch below 1"
        model = demand.time_model
        remedies += [
            f"a larger dual_batch.large_batch ({demand.large_batch})",
            f"a larger time_model.b ({model.seconds_per_batch})",
            f"a smaller time_model.a ({model.seconds_per_sample})",
        ]
    largest = largest_extra_time_ratio(demand)
    allowed = "1" if largest == 1 else f"1 to {float(largest)}"
    return (
        f"dual_batch.extra_time_ratio is {float(ratio)}, which leaves {fault} to the small "
        f"workers; with dual_batch.small_workers {demand.small_workers} of {demand.workers} use "
        f"{allowed}, or {', or '.join(remedies)}"
    )
