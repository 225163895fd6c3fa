"""Measures the batch noise scale of the global weights, beside the training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.patience import UsualTimes
from dbsl_tf.data.training_data import StreamSettings, TrainingData
from dbsl_tf.engine.closure import Closure
from dbsl_tf.engine.engine import Engine
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.planning.batch_noise import batch_noise
from dbsl_tf.planning.noise_batches import batches_each, small_batch_of
from dbsl_tf.resolved import ResolvedRun, RunSettings
from dbsl_tf.results.records import CommitRecord, NoiseRecord
from dbsl_tf.schedules.progressive import ResolutionSettings
from dbsl_tf.shared_model.exchange import Exchange
from dbsl_tf.shared_model.shared_model import SharedModel
from dbsl_tf.training.gradient_norms import GradientNorms, gradient_norms
from dbsl_tf.training.network import Network
from dbsl_tf.training.objective import Objective

# Far from the seeds of the training.
_FIRST_SEED = 1 << 48
_SEEDS = 1 << 62  # sent as int64

# From the number of the first batch, how many of them, and a seed (int64 scalars) to large
# training batches.
LargeBatches = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.data.Dataset]


def noise_closure(
    engine: Engine,
    exchange: Exchange,
    network: Network,
    objective: Objective,
    batches: LargeBatches,
) -> Closure:
    """Returns the closure that takes gradients of some batches at the weights of a slot.

    It takes the variables of the slot, the number of the first large batch and how many there are
    from there, the size of the small ones and a seed (int64 scalars), and returns `GradientNorms`
    of `batches_each` entries. As the batches are arguments, a call that is run again after its
    worker died gives the same.
    """
    groups = batches_each(engine.workers)

    @engine.closure
    def noise(
        slot: Sequence[tf.Variable],
        first: tf.Tensor,
        count: tf.Tensor,
        small_batch: tf.Tensor,
        seed: tf.Tensor,
    ) -> GradientNorms:
        return gradient_norms(
            network.bound(),
            objective,
            exchange.pull_weights(slot),
            batches(first, count, seed),
            groups,
            small_batch,
            seed + first,
        )

    return noise


class NoiseMeter:
    """Measures the batch noise scale of global weights that `keep` has set aside.

    Every worker takes as many gradients; nothing is trained by them.

    Args:
        engine: the connected cluster.
        shared_model: whose weights they are; the meter has a slot of its own.
        closures: for each training resolution, see `noise_closure`.
        large_batches: B_L of each, at least 2.
        seed: of the run.
        worker_timeout: see `Evaluator`.
    """

    def __init__(
        self,
        engine: Engine,
        shared_model: SharedModel,
        closures: Mapping[int, Closure],
        large_batches: Mapping[int, int],
        seed: int,
        worker_timeout: float | None = None,
    ) -> None:
        self._engine = engine
        self._shared_model = shared_model
        self._closures = closures
        self._large_batches = large_batches
        self._seed = seed
        self._slot = shared_model.new_slot()
        self._times = {
            resolution: UsualTimes(engine.limits, worker_timeout) for resolution in closures
        }

    def warm_up(self) -> None:
        """Makes every worker load the closures; nothing is measured."""
        nothing = (self._slot.variables(), *map(np.int64, (0, 0, 1, 0)))
        for closure in self._closures.values():
            self._engine.call_each(closure, [nothing] * self._engine.workers)

    def keep(self) -> None:
        """Copies the weights for `measure` to use, while nothing is merged."""
        self._shared_model.fill(self._slot)

    def measure(
        self, commit: int, epoch: int, resolution: int, plan: DualBatchPlan
    ) -> NoiseRecord | None:
        """Measures the noise at the weights that were kept.

        Args:
            commit: of these weights.
            epoch: epochs completed by then.
            resolution: of the training images now.
            plan: of the epoch now.

        Returns:
            What was found; None if too few of the gradients are finite, as in half precision.

        Raises:
            ParameterServerLost: a parameter server was lost.
        """
        workers, groups = self._engine.workers, batches_each(self._engine.workers)
        large_batch = self._large_batches[resolution]
        small_batch = small_batch_of(plan, large_batch)
        seed = (_FIRST_SEED + (self._seed << 24) + commit) % _SEEDS
        shares = [
            (self._slot.variables(), *map(np.int64, (w * groups, groups, small_batch, seed)))
            for w in range(workers)
        ]
        started, began = time.time(), time.monotonic()
        times = self._times[resolution]
        patience = times.patience([1.0] * workers)
        found = self._engine.call_each(self._closures[resolution], shares, patience)
        seconds = time.monotonic() - began
        for worker in range(workers):
            times.observe(worker, seconds, expected=1.0)
        small, large = (np.concatenate(norms) for norms in zip(*found))
        usable = np.isfinite(small) & np.isfinite(large) & (small > 0) & (large > 0)
        if usable.sum() < 2:
            return None
        noise = batch_noise(
            small[usable].tolist(), large[usable].tolist(), small_batch, large_batch
        )
        return NoiseRecord(
            commit=commit,
            epoch=epoch,
            resolution=resolution,
            small_batch=small_batch,
            large_batch=large_batch,
            batches=int(usable.sum()),
            gradient=noise.gradient,
            variance=noise.variance,
            noise=noise.noise,
            low=noise.low,
            high=noise.high,
            started=started,
            seconds=seconds,
        )


def build_noise_meter(
    settings: RunSettings,
    data: TrainingData,
    engine: Engine,
    shared_model: SharedModel,
    networks: Mapping[float, Network],
    objective: Objective,
    threads: int,
) -> NoiseMeter | None:
    """Returns what measures the batch noise; None: it is not measured.

    Args:
        networks: by dropout.
        threads: of a worker.

    Raises:
        UserError: a large batch is too small for a smaller one.
    """
    if not settings.dual_batch.measure_noise:
        return None
    sizes = {
        part.resolution: min(part.large_batch, settings.samples) for part in settings.resolutions
    }
    if min(sizes.values()) < 2:
        raise UserError(
            "dual_batch.measure_noise compares batches of two sizes, but the large batch "
            f"({'progressive' if settings.progressive else 'dual_batch'}.large_batch) is 1; use "
            "at least 2, or dual_batch.measure_noise=false"
        )

    def closure_at(part: ResolutionSettings) -> Closure:
        size = sizes[part.resolution]

        def batches(first: tf.Tensor, count: tf.Tensor, seed: tf.Tensor) -> tf.data.Dataset:
            stream = StreamSettings([size], seed, threads, first_sample=first * size)
            return data.training_batches(settings.samples, stream, part.resolution).take(count)

        return noise_closure(
            engine, shared_model.exchange, networks[part.dropout], objective, batches
        )

    closures = {part.resolution: closure_at(part) for part in settings.resolutions}
    timeout = settings.cluster.worker_timeout
    return NoiseMeter(engine, shared_model, closures, sizes, settings.seed, timeout)


@dataclass(frozen=True)
class Measurement:
    """A measurement of the weights of one commit that is to be made.

    Attributes:
        keep: copies the weights; to be called before anything else is merged.
        measure: measures and reports what was found.
    """

    keep: Callable[[], None]
    measure: Callable[[], None]


class EpochNoise:
    """Measures the batch noise after every epoch of a run.

    Args:
        meter: measures it; None: it is not measured.
        run: the run.
        report: called with each record.
    """

    def __init__(
        self, meter: NoiseMeter | None, run: ResolvedRun, report: Callable[[NoiseRecord], None]
    ) -> None:
        self._meter = meter
        self._run = run
        self._report = report

    def warm_up(self) -> None:
        """See `NoiseMeter.warm_up`."""
        if self._meter is not None:
            self._meter.warm_up()

    def due(self, record: CommitRecord) -> Measurement | None:
        """Returns the measurement to make after a commit, which ends an epoch; else None."""
        meter, calendar, commit = self._meter, self._run.settings.calendar, record.commit
        if meter is None or not calendar.ends_epoch(commit):
            return None
        epoch = calendar.epochs_done(commit)
        plan = self._run.schedule.at(epoch).plan

        def measure() -> None:
            found = meter.measure(commit, epoch, record.resolution, plan)
            if found is not None:
                self._report(found)

        return Measurement(meter.keep, measure)
