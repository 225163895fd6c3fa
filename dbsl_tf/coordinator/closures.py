"""The closures that workers run: one mini-epoch, and one share of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from dbsl_tf.engine.closure import Closure
from dbsl_tf.engine.engine import Engine
from dbsl_tf.schedules.epoch_shares import EpochShare
from dbsl_tf.shared_model.exchange import Exchange, Pulled
from dbsl_tf.training.local_loop import Steps, Trained, evaluate, train_steps
from dbsl_tf.training.network import Network
from dbsl_tf.training.objective import Objective, Sums
from dbsl_tf.training.optimizers import Optimizer


class Assignments(NamedTuple):
    """What each worker is to train in a mini-epoch; whichever takes it picks its own entry.

    Arrays on the coordinator, tensors in the closure; shape [workers] each. The entry that a
    worker has picked is scalars.
    """

    steps: Any  # int64
    batches: Any  # int64, samples in a full batch
    learning_rates: Any  # float32
    seeds: Any  # int64, for dropout
    allowed: Any  # bool, whether it may begin
    again: Any  # bool, the same though its last result is not merged yet
    attempts: Any  # int64, `Slot.attempt`, the same for all; 0: nothing of it will be merged

    @classmethod
    def of(
        cls,
        steps: Sequence[int],
        batches: Sequence[int],
        learning_rates: Sequence[float],
        seeds: Sequence[int],
        allowed: Sequence[bool],
        again: bool = False,
        attempt: int = 0,
    ) -> Assignments:
        """Returns the assignments as arrays, from one value of each for every worker."""
        return cls(
            np.array(steps, np.int64),
            np.array(batches, np.int64),
            np.array(learning_rates, np.float32),
            np.array(seeds, np.int64),
            np.array(allowed, bool),
            np.full(len(allowed), again),
            np.full(len(allowed), attempt, np.int64),
        )

    @classmethod
    def same(
        cls, steps: Sequence[int], batches: Sequence[int], learning_rate: float = 0.0
    ) -> Assignments:
        """Returns assignments that differ in their steps and batches alone.

        A mini-epoch of 0 steps only makes the worker load the closure.
        """
        workers = len(steps)
        return cls.of(steps, batches, [learning_rate] * workers, [0] * workers, [True] * workers)


class WorkerShares(NamedTuple):
    """Which samples each worker is to train where they are told with the mini-epoch.

    As in `Assignments`, whichever takes it picks its own entry; int64 [workers] each.
    """

    first: Any  # position of the first sample, see `dbsl_tf.schedules.epoch_shares.EpochShare`
    samples: Any

    @classmethod
    def same(cls, share: EpochShare, workers: int) -> WorkerShares:
        """Returns the same share for all workers, which train it in batches of their own."""
        first, samples = (np.full(workers, v, np.int64) for v in (share.first, share.samples))
        return cls(first, samples)


# From what the worker holds, see `TrainingData.held`, and a position, a number of samples and a
# batch, int64 scalars, to the batches of these samples.
ShareBatches = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tf.data.Dataset]


class MiniEpochResult(NamedTuple):
    """The result of a mini-epoch: tensors in the closure and numpy values afterwards.

    All but the sums are scalars.

    If it was not trained, because the worker was not allowed to begin, another has begun before or
    its own last result is not merged yet, only `worker`, `first` and `unmerged` have a meaning.
    """

    trained: Any  # bool
    worker: Any  # int64, index of the worker
    first: Any  # bool, whether no worker has begun before and may still push into the slot
    unmerged: Any  # int64, the attempt of this worker that is not merged; 0: none that matters
    sums: Sums  # of the objective over the samples, during training
    finite: Any  # bool, whether loss and weights are finite
    started: Any  # float64, start of the pull, Unix time in seconds by the worker's clock
    seconds: Any  # float64, from the start of the pull to the end of the push
    loop_seconds: Any  # float64, the part of `seconds` spent in training steps


def mini_epoch_closure(
    engine: Engine,
    exchange: Exchange,
    network: Network,
    objective: Objective,
    optimizer: Optimizer,
    share_batches: ShareBatches | None = None,
) -> Closure:
    """Returns the closure of a mini-epoch: pull once, train locally, push once.

    See Lu et al., COMPSAC 2022, section III. The closure takes the per-worker iterator of batches,
    the variables of the slot to push into and the `Assignments`, and returns a `MiniEpochResult`.
    With `share_batches` the iterator is one of what the worker holds, over and over, and the
    closure takes `WorkerShares` too.
    A worker that is not allowed to begin returns at once, as does one with whose slot another has
    begun. So does one whose own last result is not merged yet, if it needs the optimiser state of
    that one or has had its mini-epoch of the round.
    """

    @engine.closure
    def mini_epoch(
        batches: Iterator,
        slot: Sequence[tf.Variable],
        assignments: Assignments,
        shares: WorkerShares | None = None,
    ) -> MiniEpochResult:
        worker = Engine.worker_index()
        own = Assignments(*(tf.gather(values, worker) for values in assignments))
        started = tf.timestamp()
        with tf.control_dependencies([started]):
            pulled = exchange.pull(slot, worker)

        def nothing() -> MiniEpochResult:
            return _nothing(worker, pulled, objective.zero())

        def train() -> MiniEpochResult:
            own_batches = batches
            if share_batches is not None and shares is not None:
                first, samples = (tf.gather(values, worker) for values in shares)
                own_batches = iter(share_batches(next(batches), first, samples, own.batches))
            loop = _train(network, objective, optimizer, own_batches, own, pulled)
            with tf.control_dependencies([loop.finished]):
                pieces = exchange.pack(pulled, loop.trained.weights, loop.trained.optimizer_state)
            with tf.control_dependencies([exchange.push(slot, pieces, worker, own.attempts)]):
                finished = tf.timestamp()
            sums = loop.trained.sums
            return MiniEpochResult(
                trained=tf.constant(True),
                worker=worker,
                first=pulled.first,
                unmerged=pulled.unmerged,
                sums=sums,
                finite=_all_finite([sums.loss, *pieces]),
                started=started,
                seconds=finished - started,
                loop_seconds=loop.finished - loop.started,
            )

        merged = own.again | (pulled.unmerged == 0)
        return tf.cond(own.allowed & pulled.first & merged, train, nothing)

    return mini_epoch


class _Loop(NamedTuple):
    """The steps of a mini-epoch, between two timestamps."""

    started: tf.Tensor
    trained: Trained
    finished: tf.Tensor


def _train(
    network: Network,
    objective: Objective,
    optimizer: Optimizer,
    batches: Iterator,
    own: Assignments,
    pulled: Pulled,
) -> _Loop:
    network = network.bound()
    with tf.control_dependencies(pulled.weights):
        started = tf.timestamp()
    with tf.control_dependencies([started]):
        trained = train_steps(
            network,
            objective,
            optimizer,
            pulled.weights,
            batches,
            Steps(own.steps, own.batches, own.learning_rates, own.seeds),
            pulled.optimizer_state,
        )
    with tf.control_dependencies(trained.weights):
        finished = tf.timestamp()
    return _Loop(started, trained, finished)


def _nothing(worker: tf.Tensor, pulled: Pulled, none: Sums) -> MiniEpochResult:
    no_time = tf.constant(0.0, tf.float64)
    return MiniEpochResult(
        trained=tf.constant(False),
        worker=worker,
        first=pulled.first,
        unmerged=pulled.unmerged,
        sums=none,
        finite=tf.constant(True),
        started=no_time,
        seconds=no_time,
        loop_seconds=no_time,
    )


def _all_finite(values: Sequence[tf.Tensor]) -> tf.Tensor:
    # A NaN or Inf anywhere makes the sum of absolute values one. Huge values can overflow it too,
    # but weights of that size are of no use either.
    return tf.math.is_finite(tf.add_n([tf.reduce_sum(tf.abs(value)) for value in values]))


def evaluation_closure(
    engine: Engine,
    exchange: Exchange,
    network: Network,
    objective: Objective,
    test_dataset: Callable[[tf.Tensor, tf.Tensor], tf.data.Dataset],
) -> Closure:
    """Returns the closure that evaluates the snapshot on test samples `start` to `stop` (int64).

    It returns `Sums` over these samples. As the range is an argument and the result a sum, a share
    that is run again after its worker died counts once.
    """

    @engine.closure
    def evaluation(start: tf.Tensor, stop: tf.Tensor) -> Sums:
        weights = exchange.pull_snapshot()
        return evaluate(network.bound(), objective, weights, test_dataset(start, stop))

    return evaluation
