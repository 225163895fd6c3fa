"""The closures a worker runs: one mini-epoch, and one share of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from dbsl_tf.engine.closure import Closure
from dbsl_tf.engine.engine import Engine
from dbsl_tf.shared_model.exchange import Exchange, Pulled
from dbsl_tf.training.local_loop import Sums, Trained, evaluate, train_steps
from dbsl_tf.training.network import Network
from dbsl_tf.training.sgd import SGD


class Orders(NamedTuple):
    """What differs between the workers; whichever takes the mini-epoch picks its own entry.

    Arrays where it is ordered, tensors in the closure; [workers] each.
    """

    steps: Any  # int64
    learning_rates: Any  # float32
    seeds: Any  # int64, of dropout
    allowed: Any  # bool: whether it may begin

    @classmethod
    def of(
        cls,
        steps: Sequence[int],
        learning_rates: Sequence[float],
        seeds: Sequence[int],
        allowed: Sequence[bool],
    ) -> Orders:
        """The arrays."""
        return cls(
            np.array(steps, np.int64),
            np.array(learning_rates, np.float32),
            np.array(seeds, np.int64),
            np.array(allowed, bool),
        )

    @classmethod
    def same(cls, steps: Sequence[int], learning_rate: float = 0.0) -> Orders:
        """Orders that differ by steps alone; a mini-epoch of no steps loads the closure."""
        workers = len(steps)
        return cls.of(steps, [learning_rate] * workers, [0] * workers, [True] * workers)


class MiniEpochResult(NamedTuple):
    """What comes back of a mini-epoch; scalars, tensors in the closure and numpy values after it.

    Where it was not trained, as the worker was not allowed to begin or the weights to begin with
    were gone, only the worker counts.
    """

    trained: Any  # bool
    worker: Any  # int64, index of the worker
    loss: Any  # float32, cross-entropy summed over the samples
    correct: Any  # int64, samples classified correctly while training
    samples: Any  # int64
    finite: Any  # bool, whether loss and weights are
    started: Any  # float64, when it began to pull, Unix time in seconds of the worker's clock
    seconds: Any  # float64, from then to the end of the push
    loop_seconds: Any  # float64, of `seconds`, those in the steps alone


def mini_epoch_closure(
    engine: Engine, exchange: Exchange, network: Network, optimizer: SGD
) -> Closure:
    """A mini-epoch: pull once, train locally, push once (Lu et al., COMPSAC 2022, section III).

    The closure takes the per-worker iterator of batches, the variables of the slot to push into
    and the `Orders`, of which the worker picks its own, and returns a `MiniEpochResult`. A worker
    that is not allowed to begin returns at once, as does one whose slot is not intact.
    """

    @engine.closure
    def mini_epoch(
        batches: Iterator, slot: Sequence[tf.Variable], orders: Orders
    ) -> MiniEpochResult:
        worker = Engine.worker_index()
        mine = Orders(*(tf.gather(values, worker) for values in orders))
        started = tf.timestamp()
        with tf.control_dependencies([started]):
            pulled = exchange.pull(slot, worker)

        def train() -> MiniEpochResult:
            loop = _train(network, optimizer, batches, mine, pulled)
            with tf.control_dependencies([loop.finished]):
                pieces = exchange.pack(pulled, loop.trained.weights, loop.trained.velocity)
            with tf.control_dependencies([exchange.push(slot, pieces)]):
                finished = tf.timestamp()
            sums = loop.trained.sums
            return MiniEpochResult(
                trained=tf.constant(True),
                worker=worker,
                loss=sums.loss,
                correct=sums.correct,
                samples=sums.samples,
                finite=_all_finite([sums.loss, *pieces]),
                started=started,
                seconds=finished - started,
                loop_seconds=loop.finished - loop.started,
            )

        return tf.cond(tf.logical_and(mine.allowed, pulled.intact), train, lambda: _nothing(worker))

    return mini_epoch


class _Loop(NamedTuple):
    """The steps of a mini-epoch, between two timestamps."""

    started: tf.Tensor
    trained: Trained
    finished: tf.Tensor


def _train(
    network: Network,
    optimizer: SGD,
    batches: Iterator,
    mine: Orders,
    pulled: Pulled,
) -> _Loop:
    with tf.control_dependencies(pulled.weights):
        started = tf.timestamp()
    with tf.control_dependencies([started]):
        trained = train_steps(
            network,
            optimizer,
            pulled.weights,
            batches,
            mine.steps,
            mine.learning_rates,
            mine.seeds,
            pulled.velocity,
        )
    with tf.control_dependencies(trained.weights):
        finished = tf.timestamp()
    return _Loop(started, trained, finished)


def _nothing(worker: tf.Tensor) -> MiniEpochResult:
    none, no_time = tf.constant(0, tf.int64), tf.constant(0.0, tf.float64)
    return MiniEpochResult(
        trained=tf.constant(False),
        worker=worker,
        loss=tf.constant(0.0),
        correct=none,
        samples=none,
        finite=tf.constant(True),
        started=no_time,
        seconds=no_time,
        loop_seconds=no_time,
    )


def _all_finite(values: Sequence[tf.Tensor]) -> tf.Tensor:
    # A NaN or Inf anywhere makes the sum of absolute values one; so can a sum of huge values, of
    # which nothing good would come either.
    return tf.math.is_finite(tf.add_n([tf.reduce_sum(tf.abs(value)) for value in values]))


def evaluation_closure(
    engine: Engine,
    exchange: Exchange,
    network: Network,
    test_dataset: Callable[[tf.Tensor, tf.Tensor], tf.data.Dataset],
) -> Closure:
    """The snapshot's loss and hits on test samples `start` to `stop` (int64 scalars).

    The range is an argument and the result a sum, so a share that is run again after its worker
    died counts once.
    """

    @engine.closure
    def evaluation(start: tf.Tensor, stop: tf.Tensor) -> Sums:
        return evaluate(network, exchange.pull_snapshot(), test_dataset(start, stop))

    return evaluation
