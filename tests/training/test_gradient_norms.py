"""Squared norms of gradients against those of single samples, worked out by hand."""

from __future__ import annotations

import keras_core
import numpy as np
import tensorflow as tf

from dbsl_tf.planning.batch_noise import batch_noise
from dbsl_tf.training.compute import Compute
from dbsl_tf.training.gradient_norms import GradientNorms, gradient_norms
from dbsl_tf.training.network import Network
from dbsl_tf.training.objective import Objective
from tests.support.softmax_regression import CLASSES, batches, build_network, logits_and_losses


def norms_of(network, weights, data, groups, small_batch, seed=0) -> GradientNorms:
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(data),
        output_signature=(tf.TensorSpec([None, 2, 2, 3]), tf.TensorSpec([None, CLASSES])),
    )

    @tf.function(autograph=False)
    def measure(size, drawn):
        tensors = [tf.constant(weight) for weight in weights]
        return gradient_norms(network, Objective(), tensors, dataset, groups, size, drawn)

    found = measure(tf.constant(small_batch, tf.int64), tf.constant(seed, tf.int64))
    return GradientNorms(*(norms.numpy() for norms in found))


def sample_gradients(weights, images, labels) -> np.ndarray:
    """The gradient of every sample's loss, [samples, parameters], in float64."""
    kernel, bias = (np.asarray(weight, np.float64) for weight in weights)
    features, _, log_probabilities, _ = logits_and_losses((kernel, bias), images, labels)
    error = np.exp(log_probabilities) - labels
    by_kernel = features[:, :, np.newaxis] * error[:, np.newaxis]
    return np.concatenate([by_kernel.reshape(len(images), -1), error], axis=1)


def squared_norm(gradients: np.ndarray) -> float:
    return float(np.sum(gradients.mean(axis=0) ** 2))


class GradientNormsTest(tf.test.TestCase):
    def test_norms_are_those_worked_out_by_hand(self):
        network, data = build_network(), batches([10, 10, 10])
        weights = network.initial_weights()
        found = norms_of(network, weights, data, groups=4, small_batch=4)
        for number, (images, labels) in enumerate(data):
            gradients = sample_gradients(weights, images, labels)
            # The last two of ten samples make no batch of four.
            small = np.mean([squared_norm(gradients[i : i + 4]) for i in (0, 4)])
            self.assertAllClose(found.small[number], small, rtol=1e-5)
            self.assertAllClose(found.large[number], squared_norm(gradients), rtol=1e-5)
        self.assertEqual((found.small[3], found.large[3]), (0, 0))

    def test_a_loss_scale_makes_no_difference(self):
        plain, data = build_network(), batches([10])
        scaled = Network(plain.model, compute=Compute("mixed_float16"))
        self.assertIsNotNone(scaled.compute.loss_scale)
        weights = plain.initial_weights()
        self.assertAllClose(
            *(norms_of(network, weights, data, 1, 5) for network in (plain, scaled)), rtol=1e-5
        )

    def test_it_is_the_mode_of_training(self):
        """Dropout draws by the seed, and batches are normalised by their own statistics."""
        inputs = keras_core.Input((2, 2, 3))
        outputs = keras_core.layers.BatchNormalization()(inputs)
        outputs = keras_core.layers.Dropout(0.5)(keras_core.layers.Flatten()(outputs))
        outputs = keras_core.layers.Dense(CLASSES)(outputs)
        network, data = Network(keras_core.Model(inputs, outputs)), batches([12, 12])
        weights = network.initial_weights()
        one, again, other = (norms_of(network, weights, data, 2, 4, seed) for seed in (1, 1, 2))
        self.assertAllEqual(one.small, again.small)
        self.assertNotAllClose(one.small, other.small)
        shifted = [(5 * images + 3, labels) for images, labels in data]
        self.assertAllClose(norms_of(network, weights, shifted, 2, 4, 1).small, one.small, 1e-2)

    def test_the_noise_scale_is_that_of_all_samples_gradients(self):
        network = build_network()
        random = np.random.default_rng(3)
        weights = [random.normal(size=w.shape, scale=0.5) for w in network.initial_weights()]
        weights = [weight.astype(np.float32) for weight in weights]
        ((images, labels),) = batches([4096], seed=4)
        gradients = sample_gradients(weights, images, labels)
        variance = float(np.sum(gradients.var(axis=0)))
        gradient = squared_norm(gradients)
        data = [(images[i : i + 128], labels[i : i + 128]) for i in range(0, 4096, 128)]
        found = norms_of(network, weights, data, groups=32, small_batch=8)
        noise = batch_noise(found.small.tolist(), found.large.tolist(), 8, 128)
        self.assertAllClose(noise.variance, variance, rtol=0.05)
        self.assertAllClose(noise.gradient, gradient, rtol=0.25)
        low, high = noise.low, noise.high
        self.assertIsNotNone(high)
        self.assertBetween(variance / gradient, low, high)
        # The bounds say something.
        self.assertLess(high / low, 3)
