"""Times the mini-epoch closure on every worker of a cluster at once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dbsl_tf.common.errors import ClusterError
from dbsl_tf.coordinator.closures import Assignments, MiniEpochResult
from dbsl_tf.coordinator.components import Components
from dbsl_tf.measuring.time_budget import TimeBudget
from dbsl_tf.profiling.measurement import OverheadSample, StepSample

Report = Callable[[str], None]

# The least steps of a short run: as many as the batches that the input pipeline may have ready when
# the run begins.
_SHORT_STEPS = 2
# The least duration: a worker must not end its run before another has begun, as it would then take
# the other's run.
_SHORT_SECONDS = 0.2
_LEAST_FACTOR = 3  # steps of the long run over those of the short one
_TRIES = 8


@dataclass(frozen=True)
class RunPair:
    """A short and a long run of all workers; each tuple has an entry for every worker.

    Attributes:
        batches: samples in a batch.
        short_steps: steps of the short run, which takes all workers about the same time.
        long_steps: steps of the long run, likewise.
    """

    batches: tuple[int, ...]
    short_steps: tuple[int, ...]
    long_steps: tuple[int, ...]

    @classmethod
    def lasting(
        cls, seconds: float, batches: Sequence[int], step_seconds: Sequence[float]
    ) -> RunPair:
        """Returns a pair that takes about `seconds`; more if that is too short for a few steps.

        Args:
            seconds: the wanted duration of both runs together.
            batches: samples in a batch of each worker.
            step_seconds: approximate seconds of a step of each worker.
        """
        slowest = max(step_seconds)
        short = max(_SHORT_STEPS, math.ceil(_SHORT_SECONDS / slowest))
        long = max(_LEAST_FACTOR * short, math.floor(seconds / slowest) - short)
        return cls(
            tuple(batches),
            tuple(round(short * slowest / step) for step in step_seconds),
            tuple(round(long * slowest / step) for step in step_seconds),
        )

    def longer(self) -> RunPair:
        """Returns a pair with twice as many steps."""
        return replace(
            self,
            short_steps=tuple(2 * steps for steps in self.short_steps),
            long_steps=tuple(2 * steps for steps in self.long_steps),
        )

    def double_round_seconds(self, step_seconds: Sequence[float]) -> float:
        """Returns about how long the pair takes twice, as often as it is timed at least.

        Args:
            step_seconds: approximate seconds of a step of each worker.
        """
        steps = zip(self.short_steps, self.long_steps)
        return 2 * max(
            (short + long) * seconds for (short, long), seconds in zip(steps, step_seconds)
        )

    def sizes_of(self, worker: int) -> list[int]:
        """Returns the sizes of a worker's batches in both runs, one after the other."""
        return [self.batches[worker]] * (self.short_steps[worker] + self.long_steps[worker])


@dataclass(frozen=True)
class Round:
    """The observations of every worker in one pass over some pairs."""

    steps: tuple[StepSample, ...]
    overheads: tuple[OverheadSample, ...]


def steps_of(rounds: Sequence[Round]) -> tuple[StepSample, ...]:
    """Returns all step times of `rounds`."""
    return tuple(sample for done in rounds for sample in done.steps)


class TimedRuns:
    """Runs the closure that training runs, pull, steps and push, on all workers at once.

    Args:
        components: the components of the cluster.
        resolution: one of the run's resolutions.
        learning_rate: used in the steps; nothing is merged, so the weights do not change.
        keep: called with the times of each pair of runs as soon as it is done.
    """

    def __init__(
        self,
        components: Components,
        resolution: int,
        learning_rate: float,
        keep: Callable[[Sequence[StepSample], Sequence[OverheadSample]], None] = lambda *_: None,
    ) -> None:
        self._components = components
        self.workers = components.engine.workers
        self._learning_rate = learning_rate
        self._keep = keep
        self.resolution = resolution
        self._slots = [components.shared_model.new_slot() for _ in range(self.workers)]
        self._batches: Any = None
        self._batch_sizes: Sequence[int] = ()

    @property
    def all_present(self) -> bool:
        """Whether every worker answers, as far as known."""
        return len(self._components.engine.membership.present) == self.workers

    def load(self, sizes: Sequence[Sequence[int]]) -> None:
        """Starts input pipelines whose batches have the given sizes for each worker, repeatedly."""
        # Otherwise the old and the new pipelines would both take memory.
        self._batches = None
        self._batches = self._components.batches[self.resolution].iterator(
            sizes, [0] * self.workers
        )
        self._batch_sizes = [max(of_worker) for of_worker in sizes]
        # A worker whose pipeline is ready early would take the run of one that is still starting.
        no_steps = [0] * self.workers
        for _ in range(_TRIES):
            if self.run(no_steps) is not None:
                break
            time.sleep(_SHORT_SECONDS)

    def run(self, steps: Sequence[int]) -> dict[int, MiniEpochResult] | None:
        """Runs the given number of steps on each worker.

        Returns:
            The closure's results by worker; None if a worker took another's run.
        """
        by_worker = {int(result.worker): result for result in self.run_somewhere(steps)}
        return by_worker if len(by_worker) == self.workers else None

    def run_somewhere(self, steps: Sequence[int]) -> list[MiniEpochResult]:
        """Starts one run per worker, whichever workers take them, and returns the results."""
        assignments = Assignments.same(steps, self._batch_sizes, self._learning_rate)
        for slot in self._slots:
            self._components.shared_model.fill(slot)
        return self._components.engine.call_each(
            self._components.mini_epochs[self.resolution],
            [(self._batches, slot.variables(), assignments) for slot in self._slots],
            self._components.engine.limits.patience_with,
        )

    def time_rounds(
        self, pairs: Sequence[RunPair], budget: TimeBudget, report: Report, what: str
    ) -> list[Round]:
        """Times the pairs forwards, backwards, forwards and so on.

        Successive rounds run in opposite orders, so that a machine that gradually becomes slower or
        faster favours none of the pairs. There are at least two rounds. If many workers share
        cores, one may end a short run before another has begun its own; then all runs are made
        longer.

        Args:
            pairs: the pairs of each round; see `double_round_seconds`.
            budget: the time to spend, which has begun.
            report: called with one line at each forward round.
            what: what is timed, for `report`.

        Returns:
            The rounds; none if the workers did not run at the same time until the time was over.

        Raises:
            ClusterError: the workers would not run at the same time.
        """
        rounds: list[Round] = []
        failures = 0
        self._load_there_and_back(pairs)
        while not rounds or _another_fits(budget.spent, len(rounds) / 2, budget.seconds):
            report(f"{what}, round {len(rounds) + 1}")
            both = [
                done for order in (pairs, pairs[::-1]) if (done := self._round(order)) is not None
            ]
            if len(both) < 2:
                failures += 1
                if failures == _TRIES or not self.all_present:
                    raise ClusterError(
                        "the workers do not run at the same time: one is hung or dead; restart "
                        "its server, and measure again"
                    )
                if budget.left == 0:
                    return rounds
                pairs = [pair.longer() for pair in pairs]
                # The input pipelines are no longer at their start.
                self._load_there_and_back(pairs)
                continue
            rounds += both
        return rounds

    def _load_there_and_back(self, pairs: Sequence[RunPair]) -> None:
        there_and_back = [*pairs, *reversed(pairs)]
        self.load(
            [
                [size for pair in there_and_back for size in pair.sizes_of(worker)]
                for worker in range(self.workers)
            ]
        )

    def _round(self, pairs: Sequence[RunPair]) -> Round | None:
        steps: list[StepSample] = []
        overheads: list[OverheadSample] = []
        for pair in pairs:
            short, long = self.run(pair.short_steps), self.run(pair.long_steps)
            if short is None or long is None:
                return None
            for worker in range(self.workers):
                step, overhead = _samples(worker, pair, short[worker], long[worker])
                steps.append(step)
                overheads.append(overhead)
            self._keep(steps[-self.workers :], overheads[-self.workers :])
        return Round(tuple(steps), tuple(overheads))


def _another_fits(passed: float, done: float, seconds: float) -> bool:
    return passed * (done + 1) / done < seconds


def _samples(
    worker: int, pair: RunPair, short: MiniEpochResult, long: MiniEpochResult
) -> tuple[StepSample, OverheadSample]:
    """Returns the time of a step, from the difference of two runs, and a run's overhead.

    One-off costs cancel in the difference. The short run's time beyond its steps is the overhead of
    a mini-epoch.
    """
    few, many = pair.short_steps[worker], pair.long_steps[worker]
    step = (float(long.loop_seconds) - float(short.loop_seconds)) / (many - few)
    return (
        StepSample(worker, pair.batches[worker], step),
        OverheadSample(worker, float(short.seconds) - few * step),
    )
