"""Squared norms of the gradients of large batches and of the small batches in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from dbsl_tf.training.network import Network
from dbsl_tf.training.objective import Objective

# Between the seeds of two large batches; more than there are small ones in one.
_APART = 1_000_003


class GradientNorms(NamedTuple):
    """|G|^2 of some batches, all at the same weights; float64 [groups] each.

    Tensors in a closure and numpy values afterwards.
    """

    small: Any  # the mean of those made of the samples of a large one
    large: Any


# AutoGraph would rewrite this and all of Keras's call below it, see `local_loop.train_steps`.
@tf.autograph.experimental.do_not_convert
def gradient_norms(
    network: Network,
    objective: Objective,
    weights: Sequence[tf.Tensor],
    batches: tf.data.Dataset,
    groups: int,
    small_batch: tf.Tensor,
    seed: tf.Tensor,
) -> GradientNorms:
    """Returns squared norms of the gradients that training takes, without training anything.

    They are those of the mean loss of a batch in training mode, by the trainable weights. Samples
    of a large batch that are too few for another small one are in none of the small ones.

    Args:
        network: the model as a pure function; its precision is that of training.
        objective: what would be minimised.
        weights: in the network's order; the same for all batches.
        batches: at most `groups` large ones, (x, y); for those that there are fewer, the norms
            are 0.
        groups: length of the result.
        small_batch: samples in a small batch, int64 scalar; at most those of a large one.
        seed: of dropout, int64 scalar.
    """
    trainable, statistics = network.split(weights)

    def squared_norm(x: Any, y: Any, drawn: tf.Tensor) -> tf.Tensor:
        loss_scale = network.compute.loss_scale
        scale = loss_scale.initial_state().scale if loss_scale else tf.constant(1.0)
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            prediction, _, _, own = network.train(
                trainable, statistics, network.seed_states(drawn), x
            )
            loss = scale * tf.reduce_mean(objective.losses(y, prediction, own))
        gradients = tape.gradient(loss, trainable, unconnected_gradients="zero")
        squares = [tf.square(tf.convert_to_tensor(gradient) / scale) for gradient in gradients]
        return tf.cast(tf.add_n([tf.reduce_sum(square) for square in squares]), tf.float64)

    def mean_of_small(x: Any, y: Any, first_seed: tf.Tensor) -> tf.Tensor:
        count = tf.shape(tf.nest.flatten(y)[0], tf.int64)[0] // small_batch

        def add(number: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            start = number * small_batch
            some_x, some_y = tf.nest.map_structure(
                lambda tensor: tensor[start : start + small_batch], (x, y)
            )
            return number + 1, total + squared_norm(some_x, some_y, first_seed + number)

        _, total = tf.while_loop(
            lambda number, _: number < count,
            add,
            (tf.constant(0, tf.int64), tf.constant(0.0, tf.float64)),
            parallel_iterations=1,
        )
        return total / tf.cast(count, tf.float64)

    def add_group(
        number: tf.Tensor, norms: GradientNorms, x: Any, y: Any
    ) -> tuple[tf.Tensor, GradientNorms]:
        first_seed = seed + number * _APART
        found = (mean_of_small(x, y, first_seed + 1), squared_norm(x, y, first_seed))
        place = tf.reshape(number, [1, 1])
        return number + 1, GradientNorms(
            *(
                tf.tensor_scatter_nd_update(values, place, value[tf.newaxis])
                for values, value in zip(norms, found)
            )
        )

    none = GradientNorms(tf.zeros([groups], tf.float64), tf.zeros([groups], tf.float64))
    _, norms = batches.reduce(
        (tf.constant(0, tf.int64), none), lambda state, batch: add_group(*state, *batch)
    )
    return norms
