"""The closures a worker runs: one mini-epoch, and one share of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf

from dbsl_tf.coordinator import moments
from dbsl_tf.coordinator.messages import MiniEpochResult, Orders
from dbsl_tf.engine.closure import Closure
from dbsl_tf.engine.engine import Engine
from dbsl_tf.shared_model.exchange import Exchange, Pulled
from dbsl_tf.training.local_loop import Sums, Trained, evaluate, train_steps
from dbsl_tf.training.network import Network
from dbsl_tf.training.sgd import SGD


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
        with tf.control_dependencies([moments.passing(moments.BEFORE_PULL, worker)]):
            started = tf.timestamp()
        with tf.control_dependencies([started]):
            pulled = exchange.pull(slot, worker)

        def train() -> MiniEpochResult:
            loop = _train(network, optimizer, batches, worker, mine, pulled)
            with tf.control_dependencies([loop.finished]):
                pieces = exchange.pack(pulled, loop.trained.weights, loop.trained.velocity)
            finished = _push(exchange, slot, pieces, worker)
            with tf.control_dependencies([finished]):
                passed = moments.passing(moments.AFTER_PUSH, worker)
            with tf.control_dependencies([passed]):
                trained_here = tf.constant(True)
            sums = loop.trained.sums
            return MiniEpochResult(
                trained=trained_here,
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
    worker: tf.Tensor,
    mine: Orders,
    pulled: Pulled,
) -> _Loop:
    with tf.control_dependencies(pulled.weights):
        passed = moments.passing(moments.IN_THE_LOOP, worker)
    with tf.control_dependencies([passed]):
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


def _push(
    exchange: Exchange,
    slot: Sequence[tf.Variable],
    pieces: Sequence[tf.Tensor],
    worker: tf.Tensor,
) -> tf.Tensor:
    """Push one half and then the other; the time at which all has arrived."""
    half = len(pieces) // 2
    pushed = exchange.push(slot, pieces, range(half))
    with tf.control_dependencies([pushed]):
        passed = moments.passing(moments.DURING_PUSH, worker)
    with tf.control_dependencies([passed]):
        pushed = exchange.push(slot, pieces, range(half, len(pieces)))
    with tf.control_dependencies([pushed]):
        return tf.timestamp()


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
        passed = moments.passing(moments.DURING_EVALUATION, Engine.worker_index())
        with tf.control_dependencies([passed]):
            weights = exchange.pull_snapshot()
        return evaluate(network, weights, test_dataset(start, stop))

    return evaluation
