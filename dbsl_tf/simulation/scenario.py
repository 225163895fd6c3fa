"""What is simulated: a plan, the coordinator's rule, and the hardware around them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import DualBatchPlan, TimeModel, WorkerPlan
from dbsl_tf.planning.noise_batches import noise_seconds
from dbsl_tf.resolved import RunSettings, settings_of, time_models_of
from dbsl_tf.schedules.calendar import Calendar, Stretch
from dbsl_tf.schedules.synchronization import Synchronization
from dbsl_tf.simulation.model_size import merge_factor, sent_numbers
from dbsl_tf.simulation.simulated_calendar import simulated_calendar

if TYPE_CHECKING:
    from dbsl_tf.config import Config
    from dbsl_tf.config.simulate_section import SimulateSection

# Bytes of a number as it is sent, and as it is stored.
_SENT_BYTES = {"float32": 4, "bfloat16": 2}
_STORED_BYTES = 4
# Each takes some 50 bytes.
_MOST_COMMITS = 20_000_000
# Mean failures of a mini-epoch; with 3 one of 20 tries is finished.
_MOST_FAILURES = 3.0


@dataclass(frozen=True)
class Randomness:
    """The distributions of what differs from mini-epoch to mini-epoch; see `simulate` in `Config`.

    Attributes:
        variation: of training times between mini-epochs, standard deviation of the logarithm.
        worker_variation: likewise between workers.
        straggler_probability: of a mini-epoch that is held up.
        straggler_slowdown: mean factor of its training time.
        straggler_distribution: "constant", "exponential" or "pareto".
        failures_per_second: mean failures of a worker in a second of training, exponential.
        restart_seconds: mean time until it rejoins.
        restart_distribution: as `straggler_distribution`.
        seed: of all draws.
    """

    variation: float = 0.0
    worker_variation: float = 0.0
    straggler_probability: float = 0.0
    straggler_slowdown: float = 1.0
    straggler_distribution: str = "exponential"
    failures_per_second: float = 0.0
    restart_seconds: float = 0.0
    restart_distribution: str = "constant"
    seed: int = 0


@dataclass(frozen=True)
class Scenario:
    """A cluster to simulate; seconds, bytes and bytes a second throughout.

    Attributes:
        roles: "small" or "large", of each worker.
        training_seconds: what the steps of a mini-epoch and its overhead take, of each worker.
        epochs: of the run.
        stretches, local_epochs, eval_every: as in `Calendar`.
        seconds_by_merges: in place of `training_seconds` where an epoch has this number of
            mini-epochs of every worker.
        synchronization: the coordinator's rule.
        model_bytes: what a pull or a push sends.
        shard_bytes: the most of it that one server has: all servers work at once, so the one with
            the most decides.
        server_bandwidth: each way, of a server; infinite: no limit.
        worker_bandwidth: of a worker; infinite: no limit.
        latency: of a message.
        copy_seconds: to copy the shard for a pull, under the lock: with a merge, or after it.
        merge_seconds: to merge the shard, under the lock.
        commit_seconds: of the coordinator for a commit beside the merge.
        randomness: what is drawn.
        evaluation_seconds: of each worker for its share of an evaluation; empty: there is none.
        noise_seconds: likewise for a measurement of the batch noise after every epoch.
    """

    roles: tuple[str, ...]
    training_seconds: tuple[float, ...]
    epochs: int
    synchronization: Synchronization = Synchronization()
    model_bytes: float = 0.0
    shard_bytes: float = 0.0
    server_bandwidth: float = math.inf
    worker_bandwidth: float = math.inf
    latency: float = 0.0
    copy_seconds: float = 0.0
    merge_seconds: float = 0.0
    commit_seconds: float = 0.0
    randomness: Randomness = Randomness()
    stretches: tuple[Stretch, ...] = ()
    local_epochs: int = 0
    seconds_by_merges: Mapping[Fraction, tuple[float, ...]] = field(default_factory=dict)
    eval_every: int = 1
    evaluation_seconds: tuple[float, ...] = ()
    noise_seconds: tuple[float, ...] = ()

    @property
    def workers(self) -> int:
        """Number of workers (n)."""
        return len(self.roles)

    @cached_property
    def calendar(self) -> Calendar:
        """Which mini-epochs are an epoch."""
        return Calendar(
            self.workers,
            self.epochs,
            eval_every=self.eval_every,
            stretches=self.stretches,
            local_epochs=self.local_epochs,
        )

    def shared_work(self, commit: int) -> list[tuple[float, ...]]:
        """Returns what the workers do with the weights of a commit beside the training.

        Each entry is work of which every worker has a share, and what that takes each.
        """
        due = []
        if self.evaluation_seconds and self.calendar.evaluation_due(commit):
            due.append(self.evaluation_seconds)
        if self.noise_seconds and self.calendar.ends_epoch(commit):
            due.append(self.noise_seconds)
        return due

    def seconds_of(self, number: int) -> tuple[float, ...]:
        """Returns what a mini-epoch takes each worker to train."""
        if not self.seconds_by_merges:
            return self.training_seconds
        merges = self.calendar.mini_epochs(self.calendar.epoch_at(number))
        return self.seconds_by_merges.get(merges, self.training_seconds)

    @property
    def receiver_bandwidth(self) -> float:
        """Part of a worker's bandwidth that the largest shard has."""
        if not self.model_bytes:
            return math.inf
        return self.worker_bandwidth * self.shard_bytes / self.model_bytes

    @property
    def transfer_seconds(self) -> float:
        """Time of an undisturbed pull's or push's bytes."""
        return self.shard_bytes / min(self.server_bandwidth, self.receiver_bandwidth)

    @property
    def exchange_seconds(self) -> float:
        """Time of an undisturbed pull and push as the worker sees them."""
        return 3 * self.latency + 2 * self.transfer_seconds

    @property
    def merging_seconds(self) -> float:
        """Time of an undisturbed merge as the coordinator sees it: one at a time."""
        return self.commit_seconds + 2 * self.latency + self.merge_seconds + self.copy_seconds

    @property
    def undisturbed_rate(self) -> float:
        """Commits a second if no worker waited for another, by expectation of all draws."""
        stretch = 1 + self.randomness.straggler_probability * (
            self.randomness.straggler_slowdown - 1
        )
        other = 2 * self.latency + self.exchange_seconds + self.merging_seconds
        return sum(1 / (stretch * seconds + other) for seconds in self.training_seconds)

    @property
    def server_limits(self) -> dict[str, float]:
        """Commits a second that the network of the servers, and the merging, can do at most."""
        network = self.shard_bytes / self.server_bandwidth
        merging = self.merging_seconds
        return {
            "server network": 1 / network if network else math.inf,
            "merging": 1 / merging if merging else math.inf,
        }

    @property
    def offered_load(self) -> float:
        """Commits of undisturbed workers over what the parameter servers can do; 1: saturated."""
        return self.undisturbed_rate / min(self.server_limits.values())


def simulated_settings(config: Config) -> RunSettings:
    """Returns the settings of a configuration with the epochs that are to be simulated.

    Raises:
        UserError: the data cannot be counted.
    """
    each = config.simulate.samples_per_worker
    return settings_of(config, None if each is None else each * config.cluster.workers)


def scenario_of(settings: RunSettings, section: SimulateSection) -> tuple[Scenario, DualBatchPlan]:
    """Returns the cluster to simulate for a run, and the plan of its highest resolution.

    Args:
        settings: of the run; see `simulated_settings`.
        section: the hardware.

    Raises:
        UserError: there is no time model, no plan, or no size of the model; or there are too many
            commits to simulate.
    """
    calendar = simulated_calendar(settings, section.epochs)
    if calendar.total > _MOST_COMMITS:
        each = calendar.workers * int(calendar.mini_epochs_per_epoch)
        raise UserError(
            f"simulate.epochs is {section.epochs}, which with {calendar.workers} workers "
            f"(cluster.workers) is {calendar.total:,} commits; give at most "
            f"{_MOST_COMMITS // each}"
        )
    models = time_models_of(settings)[settings.highest.resolution]
    plan = settings.plan(models)
    number_bytes = _SENT_BYTES[settings.cluster.transfer_dtype]
    total = section.model_bytes or number_bytes * sent_numbers(settings)
    # The model is spread evenly, and kept as float32 whatever is sent.
    shard = total / settings.cluster.parameter_servers
    stored = shard * _STORED_BYTES / number_bytes
    network = Scenario(
        roles=(),
        training_seconds=(),
        epochs=section.epochs,
        synchronization=settings.synchronization,
        model_bytes=total,
        shard_bytes=shard,
        server_bandwidth=section.server_bandwidth or math.inf,
        worker_bandwidth=section.worker_bandwidth or math.inf,
        latency=section.latency,
        copy_seconds=section.copy_seconds_per_byte * stored,
        merge_seconds=section.merge_seconds_per_byte * stored * merge_factor(settings),
        commit_seconds=section.commit_seconds,
        randomness=_randomness(section),
    )
    scenario = with_workers(network, plan, section.overhead)
    scenario = _with_other_lengths(scenario, calendar, settings, models, section.overhead)
    scenario = _with_shared_work(scenario, plan, settings, section.evaluation_seconds)
    _check_failures(scenario)
    return scenario, plan


def with_workers(scenario: Scenario, plan: DualBatchPlan, overhead: float | None) -> Scenario:
    """Returns the scenario with the workers of a plan.

    Args:
        scenario: all but the workers.
        plan: what they train.
        overhead: seconds of a mini-epoch beyond steps, pull and push; None: that of the time
            model, which was measured with a pull and a push in it, without these.
    """

    def seconds(worker: WorkerPlan) -> float:
        steps = worker.time_model.training_seconds(worker.samples, worker.batch)
        if overhead is not None:
            return steps + overhead
        return steps + max(0.0, worker.overhead_seconds - scenario.exchange_seconds)

    return replace(
        scenario,
        roles=tuple(worker.role for worker in plan.workers),
        training_seconds=tuple(map(seconds, plan.workers)),
    )


def _with_other_lengths(
    scenario: Scenario,
    calendar: Calendar,
    settings: RunSettings,
    models: Sequence[TimeModel],
    overhead: float | None,
) -> Scenario:
    """Returns the scenario with a calendar, and the times of mini-epochs of all its lengths."""
    lengths = {stretch.mini_epochs for stretch in calendar.all_stretches}
    others = {
        each: with_workers(
            scenario, settings.plan(models, mini_epochs=each), overhead
        ).training_seconds
        for each in lengths - {calendar.mini_epochs_per_epoch}
    }
    return replace(
        scenario,
        stretches=calendar.stretches,
        local_epochs=calendar.local_epochs,
        seconds_by_merges=others,
    )


def _with_shared_work(
    scenario: Scenario, plan: DualBatchPlan, settings: RunSettings, evaluation_seconds: float
) -> Scenario:
    """Returns the scenario with evaluations and measurements of the batch noise."""
    workers = scenario.workers
    share = evaluation_seconds / workers
    noise: tuple[float, ...] = ()
    if settings.dual_batch.measure_noise:
        large_batch = settings.highest.large_batch
        noise = tuple(noise_seconds(w.time_model, plan, large_batch) for w in plan.workers)
    return replace(
        scenario,
        eval_every=settings.calendar.eval_every,
        evaluation_seconds=(share,) * workers if share else (),
        noise_seconds=noise,
    )


def _check_failures(scenario: Scenario) -> None:
    """Refuses failures that hardly ever let a mini-epoch end."""
    longest = max([*scenario.training_seconds, *chain(*scenario.seconds_by_merges.values())])
    if scenario.randomness.failures_per_second * longest > _MOST_FAILURES:
        raise UserError(
            f"simulate.failures_per_hour is {3600 * scenario.randomness.failures_per_second:g}, "
            f"at which mini-epochs of {longest:.3g} s hardly ever finish; give at most "
            f"{3600 * _MOST_FAILURES / longest:.3g}"
        )


def _randomness(section: SimulateSection) -> Randomness:
    return Randomness(
        variation=section.variation,
        worker_variation=section.worker_variation,
        straggler_probability=section.straggler_probability,
        straggler_slowdown=section.straggler_slowdown,
        straggler_distribution=section.straggler_distribution,
        failures_per_second=section.failures_per_hour / 3600,
        restart_seconds=section.restart_seconds,
        restart_distribution=section.restart_distribution,
        seed=section.seed,
    )
