"""The result of a simulated run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dbsl_tf.schedules.calendar import as_number
from dbsl_tf.simulation.scenario import Scenario

_PERCENTILES = (50, 90, 99)


@dataclass
class WorkerSeconds:
    """How all workers together spend their time, in seconds.

    Attributes:
        pulling: from the order to begin to the arrival of the weights.
        training: steps and overhead of mini-epochs that were merged.
        pushing: from the last step to the acknowledgement.
        evaluating: shares of evaluations and measurements of the batch noise.
        lost: training lost to a failure.
        down: from a failure until the worker rejoins.
    """

    pulling: float = 0.0
    training: float = 0.0
    pushing: float = 0.0
    evaluating: float = 0.0
    lost: float = 0.0
    down: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """A simulated run; arrays have an entry for each commit, in order, times are seconds.

    Attributes:
        scenario: what was simulated.
        numbers: of the mini-epoch that was merged, from 0, int [commits].
        workers: index of the worker that trained it, int [commits].
        staleness: commits between its pull and its merge, int [commits].
        started: when its worker began to pull, float [commits].
        finished: when its push was done, float [commits].
        merged_at: when the coordinator knew that it was merged, float [commits].
        worker_seconds: what workers did.
        pull_link_seconds: in which the busiest server sent at its full bandwidth.
        push_link_seconds: in which the busiest server received at its full bandwidth.
        lock_seconds: in which the lock of the global weights was held.
        merging_seconds: in which the coordinator had something to merge and could.
        failures: of workers.
    """

    scenario: Scenario
    numbers: np.ndarray
    workers: np.ndarray
    staleness: np.ndarray
    started: np.ndarray
    finished: np.ndarray
    merged_at: np.ndarray
    worker_seconds: WorkerSeconds
    pull_link_seconds: float
    push_link_seconds: float
    lock_seconds: float
    merging_seconds: float
    failures: int

    @property
    def seconds(self) -> float:
        """Time of the run."""
        return float(self.merged_at[-1])

    @property
    def epoch_ends(self) -> np.ndarray:
        """When each epoch was complete, [epochs]; local epochs are complete together, as one."""
        calendar = self.scenario.calendar
        ends = {calendar.first_number(epoch + 1) for epoch in range(1, calendar.epochs + 1)}
        return self.merged_at[np.array(sorted(ends - {0})) - 1]

    @property
    def epoch_seconds(self) -> float:
        """Mean time of an epoch."""
        return self.seconds / self.scenario.epochs

    @property
    def commits_per_second(self) -> float:
        """Commits of the run over its time."""
        return len(self.workers) / self.seconds

    @cached_property
    def staleness_histogram(self) -> dict[int, int]:
        """How many commits have each staleness."""
        values, counts = np.unique(self.staleness, return_counts=True)
        return dict(zip(values.tolist(), counts.tolist()))

    @property
    def mean_staleness(self) -> float:
        """Mean over all commits."""
        return float(self.staleness.mean())

    @property
    def staleness_percentiles(self) -> dict[int, float]:
        """Staleness that so many percent of the commits do not exceed."""
        values = np.percentile(self.staleness, _PERCENTILES).tolist()
        return dict(zip(_PERCENTILES, values))

    @property
    def load_imbalance(self) -> float | None:
        """Median mini-epoch of small over that of large workers; None where a role is missing."""
        small = np.array([role == "small" for role in self.scenario.roles])[self.workers]
        seconds = self.finished - self.started
        if small.all() or not small.any():
            return None
        return float(np.median(seconds[small]) / np.median(seconds[~small]))

    @property
    def commits_of_workers(self) -> tuple[int, int]:
        """Fewest and most commits of a worker."""
        counts = np.bincount(self.workers, minlength=self.scenario.workers)
        return int(counts.min()), int(counts.max())

    @cached_property
    def worker_shares(self) -> dict[str, float]:
        """Parts of the workers' time; "waiting" is all else: for the merge and for others."""
        time = self.seconds * self.scenario.workers
        shares = {name: value / time for name, value in asdict(self.worker_seconds).items()}
        return {**shares, "waiting": max(0.0, 1 - sum(shares.values()))}

    @cached_property
    def utilisation(self) -> dict[str, float]:
        """How busy each thing is that can limit a run, 0 to 1.

        The workers' network counts as busy in as much of the time of workers as transfers would
        take if only workers limited them.
        """
        scenario = self.scenario
        sent = 2 * len(self.workers) * scenario.model_bytes / scenario.worker_bandwidth
        links = max(self.pull_link_seconds, self.push_link_seconds)
        merging = max(self.merging_seconds, self.lock_seconds)
        return {
            "workers' compute": self.worker_shares["training"],
            "workers' network": sent / (self.seconds * scenario.workers),
            "server network": links / self.seconds,
            "merging": merging / self.seconds,
        }

    @property
    def bottleneck(self) -> str:
        """The busiest of `utilisation`."""
        return max(self.utilisation, key=lambda name: self.utilisation[name])

    def as_dict(self) -> dict[str, Any]:
        """Returns JSON values; seconds, and null where a role has no worker."""
        fewest, most = self.commits_of_workers
        return {
            "workers": self.scenario.workers,
            "small_workers": self.scenario.roles.count("small"),
            "epochs": self.scenario.epochs,
            "mini_epochs_per_epoch": as_number(self.scenario.calendar.mini_epochs_per_epoch),
            "local_epochs": self.scenario.local_epochs,
            "commits": len(self.workers),
            "seconds": self.seconds,
            "epoch_seconds": self.epoch_seconds,
            "each_epoch_seconds": np.diff(self.epoch_ends, prepend=0.0).tolist(),
            "commits_per_second": self.commits_per_second,
            "mean_staleness": self.mean_staleness,
            "staleness_percentiles": {
                str(percent): value for percent, value in self.staleness_percentiles.items()
            },
            "staleness_histogram": {
                str(value): count for value, count in self.staleness_histogram.items()
            },
            "load_imbalance": self.load_imbalance,
            "fewest_commits_of_a_worker": fewest,
            "most_commits_of_a_worker": most,
            "worker_shares": self.worker_shares,
            "utilisation": self.utilisation,
            "bottleneck": self.bottleneck,
            "offered_load": self.scenario.offered_load,
            "failures": self.failures,
        }
