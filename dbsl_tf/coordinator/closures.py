"""The closures a worker runs: one mini-epoch, and one share of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from dbsl_tf.coordinator.engine import Engine
from dbsl_tf.coordinator.shared_model import SharedModel
from dbsl_tf.training.local_loop import evaluate, train_steps
from dbsl_tf.training.network import Network
from dbsl_tf.training.sgd import SGD

Closure = Callable[..., dict[str, tf.Tensor]]


def mini_epoch_closure(shared_model: SharedModel, network: Network, optimizer: SGD) -> Closure:
    """A mini-epoch: pull once, train locally, push once (Lu et al., COMPSAC 2022, section III).

    The closure takes the per-worker iterator of batches, the slot to push into, and what was
    decided when it was scheduled: `steps` [workers] int64 and `learning_rates` [workers] float32,
    of which the worker picks its own, and the `seed` scalar int64. It returns scalars.
    """

    @tf.function(autograph=False)
    def mini_epoch(
        batches: Iterator,
        slot: Sequence[tf.Variable],
        steps: tf.Tensor,
        learning_rates: tf.Tensor,
        seed: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        worker = Engine.worker_index()
        started = tf.timestamp()
        with tf.control_dependencies([started]):
            commit, pulled = shared_model.pull()
        with tf.control_dependencies(pulled):
            loop_started = tf.timestamp()
        with tf.control_dependencies([loop_started]):
            trained, sums = train_steps(
                network,
                optimizer,
                pulled,
                batches,
                tf.gather(steps, worker),
                tf.gather(learning_rates, worker),
                seed,
            )
        with tf.control_dependencies(trained):
            loop_finished = tf.timestamp()
        with tf.control_dependencies([loop_finished]):
            pushed = shared_model.push(slot, trained)
        with tf.control_dependencies([pushed]):
            finished = tf.timestamp()
        return {
            "worker": worker,
            "pulled_commit": commit,
            "loss": sums.loss,
            "correct": sums.correct,
            "samples": sums.samples,
            "started": started,
            "seconds": finished - started,
            "loop_seconds": loop_finished - loop_started,
        }

    return mini_epoch


def evaluation_closure(
    shared_model: SharedModel,
    network: Network,
    test_dataset: Callable[[tf.Tensor, tf.Tensor], tf.data.Dataset],
) -> Closure:
    """The snapshot's loss and hits on test samples `start` to `stop` (int64 scalars).

    The range is an argument and the result a sum, so a share that is run again after its worker
    died counts once.
    """

    @tf.function(autograph=False)
    def evaluation(start: tf.Tensor, stop: tf.Tensor) -> dict[str, tf.Tensor]:
        weights = [variable.read_value() for variable in shared_model.snapshot_variables]
        return evaluate(network, weights, test_dataset(start, stop))._asdict()

    return evaluation
