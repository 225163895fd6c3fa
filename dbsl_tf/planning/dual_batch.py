"""The dual-batch plan: what every worker trains between taking and giving back the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, get_args

from dbsl_tf.planning.time_model import TimeModel
from dbsl_tf.schedules.calendar import as_number

Role = Literal["small", "large"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class WorkerPlan:
    """One worker's mini-epoch.

    Attributes:
        index: the worker's index in the cluster.
        role: "small" or "large", after its batch size.
        batch: samples in a batch, B_S or B_L.
        samples: samples it trains in a mini-epoch, d_S or d_L.
        update_factor: weight of its update in the merge, f, above 0 and at most 1.
        time_model: its a, b and c.
    """

    index: int
    role: Role
    batch: int
    samples: int
    update_factor: float
    time_model: TimeModel

    @property
    def predicted_seconds(self) -> float:
        """Time of a mini-epoch by the time model, whole steps and the overhead counted."""
        return self.time_model.mini_epoch_seconds(self.samples, self.batch)

    @property
    def overhead_seconds(self) -> float:
        """Part of `predicted_seconds` beyond the steps, c."""
        return self.time_model.seconds_per_mini_epoch

    @property
    def steps(self) -> int:
        """Batches of a mini-epoch; the last one may be short."""
        return math.ceil(self.samples / self.batch)

    @property
    def last_batch(self) -> int:
        """Samples in the last batch, 1 to `batch`."""
        return self.samples - (self.steps - 1) * self.batch

    @property
    def batch_sizes(self) -> list[int]:
        """Samples in each batch of a mini-epoch, `steps` in number."""
        return [self.batch] * (self.steps - 1) + [self.last_batch]

    def as_dict(self) -> dict[str, Any]:
        """Returns the mini-epoch as JSON values; time in seconds."""
        return {
            "worker": self.index,
            "role": self.role,
            "batch": self.batch,
            "samples": self.samples,
            "steps": self.steps,
            "update_factor": self.update_factor,
            "predicted_seconds": self.predicted_seconds,
        }


@dataclass(frozen=True)
class DualBatchPlan:
    """What all workers do in a mini-epoch, or by default an epoch.

    Properties named `small_…` and `large_…` are those of the first worker of that role, and None
    where there is none. Workers of a role differ when their time models do, or by one sample.

    Attributes:
        workers: one plan a worker, in order of their index; small ones first, unless
            `dbsl_tf.planning.present_workers` says otherwise.
        baseline: the mini-epoch of every worker if all had the large batch and equal shares; of
            workers that differ, that of the last to finish if all had the large batch.
        samples: samples in an epoch, d. The shares of all workers together can differ from it
            by rounding: see `epoch_samples`.
        extra_time_ratio: k as asked for.
        mini_epochs: of every worker in an epoch, M; below 1 where it trains several epochs in one.
    """

    workers: tuple[WorkerPlan, ...]
    baseline: WorkerPlan
    samples: int
    extra_time_ratio: float
    mini_epochs: Fraction = Fraction(1)

    def first(self, role: Role) -> WorkerPlan | None:
        """Returns the first worker of `role`; None where there is none."""
        return next((worker for worker in self.workers if worker.role == role), None)

    def count(self, role: Role) -> int:
        """Returns how many workers have `role`."""
        return sum(worker.role == role for worker in self.workers)

    @property
    def epoch_samples(self) -> int:
        """Samples all workers together train in an epoch."""
        return round(self.mini_epochs * sum(worker.samples for worker in self.workers))

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
        """f of the first small worker; that of large ones is 1."""
        return _attribute(self.first("small"), "update_factor")

    @property
    def predicted_small_seconds(self) -> float | None:
        """Predicted time of a small worker's mini-epoch, in seconds."""
        return _attribute(self.first("small"), "predicted_seconds")

    @property
    def predicted_large_seconds(self) -> float | None:
        """Predicted time of a large worker's mini-epoch, in seconds."""
        return _attribute(self.first("large"), "predicted_seconds")

    @property
    def baseline_seconds(self) -> float:
        """Predicted time of a mini-epoch if all workers had the large batch, in seconds."""
        return self.baseline.predicted_seconds

    @property
    def epoch_seconds(self) -> float:
        """Predicted time of an epoch: that of the slowest worker's mini-epochs, in seconds."""
        return float(self.mini_epochs) * self.mini_epoch_seconds

    @property
    def mini_epoch_seconds(self) -> float:
        """Predicted time of a mini-epoch of the slowest worker, in seconds."""
        return max(worker.predicted_seconds for worker in self.workers)

    @property
    def overhead_seconds(self) -> float:
        """Largest overhead of a worker's mini-epoch, c, in seconds."""
        return max(worker.overhead_seconds for worker in self.workers)

    @property
    def small_batches(self) -> tuple[int, int]:
        """Smallest and largest B_S, which differ where workers do; there are small workers."""
        batches = [worker.batch for worker in self.workers if worker.role == "small"]
        return min(batches), max(batches)

    @property
    def small_fraction(self) -> float:
        """Part of the epoch's samples that small workers train, n_S d_S / d."""
        small = sum(worker.samples for worker in self.workers if worker.role == "small")
        return small / sum(worker.samples for worker in self.workers)

    @property
    def realised_extra_time_ratio(self) -> float:
        """Predicted time of the slowest worker over that of the baseline, whole steps counted."""
        return self.mini_epoch_seconds / self.baseline_seconds

    def as_dict(self) -> dict[str, Any]:
        """Returns the plan as JSON values; times in seconds, null where a role has no worker."""
        return {
            "workers": len(self.workers),
            "small_workers": self.count("small"),
            "large_workers": self.count("large"),
            "samples": self.samples,
            "mini_epochs_per_epoch": as_number(self.mini_epochs),
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
            "overhead_seconds": self.overhead_seconds,
            "per_worker": [worker.as_dict() for worker in self.workers],
        }


def _attribute(worker: WorkerPlan | None, name: str) -> Any:
    return None if worker is None else getattr(worker, name)
