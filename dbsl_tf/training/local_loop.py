"""The custom training loop: some steps on one worker, inside one graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from dbsl_tf.training.loss_scale import ScaleState, all_finite
from dbsl_tf.training.network import Network
from dbsl_tf.training.objective import Objective, Sums
from dbsl_tf.training.optimizers import Optimizer


class Steps(NamedTuple):
    """Training steps to take; scalars."""

    count: tf.Tensor  # int64
    batch: tf.Tensor  # int64, samples in a full batch; a shorter one counts less
    learning_rate: tf.Tensor  # float32
    seed: tf.Tensor  # integer, for dropout


class Trained(NamedTuple):
    """The result of some training steps."""

    weights: list[tf.Tensor]  # after the last step, in the network's order
    optimizer_state: list[tf.Tensor]  # after it
    sums: Sums  # over all samples, in training mode


class _State(NamedTuple):
    trainable: list[tf.Tensor]
    statistics: list[tf.Tensor]
    optimizer_state: list[tf.Tensor]
    seeds: list[tf.Tensor]
    scale: ScaleState | tuple[()]
    sums: Sums


# AutoGraph would rewrite this and all of keras-core's call below it: four times the tracing time.
@tf.autograph.experimental.do_not_convert
def train_steps(
    network: Network,
    objective: Objective,
    optimizer: Optimizer,
    weights: Sequence[tf.Tensor],
    batches: Iterator,
    steps: Steps,
    optimizer_state: Sequence[tf.Tensor] = (),
) -> Trained:
    """Trains `steps.count` batches, starting from `weights`; returns the result as tensors.

    Args:
        network: the model as a pure function; its `compute` gives precision and XLA.
        objective: what the steps minimise, and what is measured beside it.
        optimizer: the update rule.
        weights: in the network's order.
        batches: yields x, which the model takes, and y, which the objective takes.
        steps: how many, and how they are taken.
        optimizer_state: from steps before; empty: the initial one.
    """

    def one_step(state: _State, batch: tuple[Any, Any], full: tf.Tensor, rate: tf.Tensor) -> _State:
        return _train_step(network, objective, optimizer, state, batch, full, rate)

    if network.compute.xla:
        # Not including the reading of batches, which XLA cannot compile.
        one_step = tf.function(one_step, autograph=False, jit_compile=True)

    def step(done: tf.Tensor, state: _State) -> tuple[tf.Tensor, _State]:
        return done + 1, one_step(state, next(batches), steps.batch, steps.learning_rate)

    loss_scale = network.compute.loss_scale
    trainable, statistics = network.split(weights)
    start = _State(
        trainable=list(trainable),
        statistics=list(statistics),
        optimizer_state=list(optimizer_state or optimizer.initial_state(trainable)),
        seeds=network.seed_states(steps.seed),
        scale=loss_scale.initial_state() if loss_scale else (),
        sums=objective.zero(),
    )
    _, end = tf.while_loop(
        lambda done, _: done < steps.count,
        step,
        (tf.constant(0, tf.int64), start),
        parallel_iterations=1,
    )
    return Trained([*end.trainable, *end.statistics], end.optimizer_state, end.sums)


def _train_step(
    network: Network,
    objective: Objective,
    optimizer: Optimizer,
    state: _State,
    batch: tuple[Any, Any],
    full_batch: tf.Tensor,
    learning_rate: tf.Tensor,
) -> _State:
    loss_scale = network.compute.loss_scale
    x, y = batch
    with tf.GradientTape() as tape:
        tape.watch(state.trainable)
        prediction, statistics, seeds, own_losses = network.train(
            state.trainable, state.statistics, state.seeds, x
        )
        losses = objective.losses(y, prediction, own_losses)
        # Not their mean, or the few samples of a short last batch would count as much as a full
        # one, with far more noise.
        loss = tf.reduce_sum(losses) / tf.cast(full_batch, losses.dtype)
        if isinstance(state.scale, ScaleState):
            loss *= state.scale.scale
    gradients = tape.gradient(loss, state.trainable)
    if isinstance(state.scale, ScaleState):
        gradients = [gradient / state.scale.scale for gradient in gradients]
    trainable, optimizer_state = optimizer.step(
        state.trainable, gradients, state.optimizer_state, learning_rate, network.decay
    )
    updated, scale = (list(trainable), statistics, list(optimizer_state)), state.scale
    if loss_scale:
        assert isinstance(state.scale, ScaleState)
        finite = all_finite(gradients)
        before = (state.trainable, state.statistics, state.optimizer_state)
        updated = tf.nest.map_structure(
            lambda new, old: tf.where(finite, new, old), updated, before
        )
        scale = loss_scale.after(state.scale, finite)
    sums = objective.add(state.sums, losses, y, prediction)
    return _State(*updated, seeds, scale, sums)


@tf.autograph.experimental.do_not_convert
def evaluate(
    network: Network,
    objective: Objective,
    weights: Sequence[tf.Tensor],
    dataset: tf.data.Dataset,
) -> Sums:
    """Returns the sums over every sample of `dataset`, in inference mode; see `train_steps`."""

    def add(sums: Sums, x: Any, y: Any) -> Sums:
        prediction, own_losses = network.predict_with_losses(weights, x)
        return objective.add(sums, objective.losses(y, prediction, own_losses), y, prediction)

    return dataset.reduce(objective.zero(), lambda sums, batch: add(sums, *batch))
