"""The local loop against the same steps done by hand."""

from __future__ import annotations

import keras_core
import numpy as np
import tensorflow as tf

from dbsl_tf.models import build_model
from dbsl_tf.training.local_loop import evaluate, train_steps
from dbsl_tf.training.network import Network
from dbsl_tf.training.sgd import SGD
from tests.support.softmax_regression import (
    batches,
    build_network,
    logits_and_losses,
    train_by_hand,
)

SIZES = [4, 4, 4, 1]


def as_dataset(data) -> tf.data.Dataset:
    return tf.data.Dataset.from_generator(
        lambda: iter(data),
        output_signature=(
            tf.TensorSpec([None, None, None, 3]),
            tf.TensorSpec([None, data[0][1].shape[1]]),
        ),
    )


def run_loop(network, optimizer, data, learning_rate, seed=0, velocity=()):
    initial = network.initial_weights()

    @tf.function(autograph=False)
    def loop(iterator, rate, seed):
        weights = [tf.constant(weight) for weight in initial]
        steps = tf.constant(len(data), tf.int64)
        return train_steps(network, optimizer, weights, iterator, steps, rate, seed, velocity)

    iterator = iter(as_dataset(data))
    return loop(iterator, tf.constant(learning_rate), tf.constant(seed, tf.int64))


class TrainStepsTest(tf.test.TestCase):
    def test_weights_and_loss_are_those_worked_out_by_hand(self):
        network, data = build_network(), batches(SIZES)
        optimizer = SGD(momentum=0.9, nesterov=False, weight_decay=0.01, decay_mode="l2")
        weights, velocity, sums = run_loop(network, optimizer, data, learning_rate=0.5)
        expected, speed, loss = train_by_hand(network.initial_weights(), data, 0.5, 0.9, 0.01)
        for weight, by_hand in zip([*weights, *velocity], [*expected, *speed], strict=True):
            self.assertAllClose(weight, by_hand, atol=1e-6)
        self.assertAllClose(sums.loss, loss, rtol=1e-6)
        self.assertEqual(sums.samples, sum(SIZES))

    def test_momentum_goes_on_where_it_was(self):
        network, data = build_network(), batches([4, 4])
        start = network.initial_weights()
        velocity = [np.full_like(weight, 0.25) for weight in start]
        trained = run_loop(network, SGD(momentum=0.9), data, 0.5, velocity=velocity)
        expected, speed, _ = train_by_hand(start, data, 0.5, 0.9, 0.0, velocity)
        for ours, by_hand in zip(
            [*trained.weights, *trained.velocity], [*expected, *speed], strict=True
        ):
            self.assertAllClose(ours, by_hand, atol=1e-6)

    def test_hits_are_counted_before_each_step(self):
        network, data = build_network(), batches([6])
        _, logits, _, _ = logits_and_losses(network.initial_weights(), *data[0])
        sums = run_loop(network, SGD(), data, learning_rate=0.1).sums
        self.assertEqual(sums.correct, np.sum(logits.argmax(1) == data[0][1].argmax(1)))

    def test_batch_statistics_advance_and_dropout_depends_on_the_seed(self):
        network = Network(build_model(keras_core, "resnet8", classes=2, dropout=0.5))
        data = [(8 * images, labels) for images, labels in batches([6, 6])]
        first = run_loop(network, SGD(), data, 0.01, seed=1).weights
        again = run_loop(network, SGD(), data, 0.01, seed=1).weights
        other = run_loop(network, SGD(), data, 0.01, seed=2).weights
        self.assertAllClose(first, again)
        self.assertNotAllClose(
            first[network.trainable_count - 1], other[network.trainable_count - 1]
        )
        _, statistics = network.split(first)
        _, initial = network.split(network.initial_weights())
        self.assertLen(statistics, 2 * 9)
        for before, after in zip(initial, statistics, strict=True):
            self.assertNotAllClose(before, after)


class EvaluateTest(tf.test.TestCase):
    def test_sums_over_batches_of_unequal_size(self):
        network, data = build_network(), batches([5, 5, 2])
        weights = network.initial_weights()
        sums = evaluate(network, weights, as_dataset(data))
        images, labels = (np.concatenate(parts) for parts in zip(*data))
        _, logits, _, losses = logits_and_losses(weights, images, labels)
        self.assertAllClose(sums.loss, losses.sum(), rtol=1e-5)
        self.assertEqual(sums.correct, np.sum(logits.argmax(1) == labels.argmax(1)))
        self.assertEqual(sums.samples, 12)


if __name__ == "__main__":
    tf.test.main()
