"""The fused layer against Keras's own: outputs, gradients, moving statistics."""

import keras
import keras_core
import numpy as np
import tensorflow as tf

from dbsl_tf.models.batch_normalization import FusedBatchNormalization

SHAPES = [(8, 5, 7, 3), (32, 4, 4, 16), (2, 1, 1, 4), (1, 6, 6, 8), (1, 1, 1, 2)]
STOCK_KERAS_CORE = keras_core.layers.BatchNormalization
STOCK_KERAS_3 = keras.layers.BatchNormalization


def make_layer(layer_class, channels, **arguments):
    """A built layer whose weights depend on the number of channels only."""
    layer = layer_class(**{"momentum": 0.9, "epsilon": 1e-3, **arguments})
    layer.build((None, None, None, channels))
    generator = np.random.default_rng(7)
    layer.set_weights([generator.uniform(0.5, 2.0, channels) for _ in layer.weights])
    return layer


def call(layer, inputs, training):
    """Outputs, updated statistics and gradients (inputs, trainable weights) of one call."""
    trainable = [tf.constant(v.numpy()) for v in layer.trainable_variables]
    statistics = [tf.constant(v.numpy()) for v in layer.non_trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch([inputs, *trainable])
        outputs, statistics = layer.stateless_call(trainable, statistics, inputs, training=training)
        # Not the sum, whose gradient batch normalisation cancels.
        loss = tf.reduce_sum(tf.sin(tf.cast(outputs, tf.float32)))
    return outputs, statistics, tape.gradient(loss, [inputs, *trainable])


class FusedBatchNormalizationTest(tf.test.TestCase):
    def images(self, shape, dtype=tf.float32):
        generator = np.random.default_rng(sum(shape))
        return tf.constant(generator.normal(1.0, 2.0, shape), dtype)

    def assert_same_numbers(self, expected, actual):
        """Compares lists of tensors, each to 1e-5 of its largest value."""
        for a, b in zip(expected, actual, strict=True):
            self.assertAllClose(a, b, rtol=0, atol=1e-5 * max(1.0, np.abs(a).max()))

    def assert_same_call(self, inputs, training, **arguments):
        layers = (FusedBatchNormalization, STOCK_KERAS_CORE, STOCK_KERAS_3)
        fused, keras_core_s, keras_3_s = (
            call(make_layer(layer, inputs.shape[-1], **arguments), inputs, training)
            for layer in layers
        )
        for stock in (keras_core_s, keras_3_s):
            self.assert_same_numbers([stock[0], *stock[1]], [fused[0], *fused[1]])
        self.assert_same_numbers(keras_3_s[2], fused[2])
        # keras-core's gradient in training lacks the part through the mean; see the layer.
        same = slice(1, None) if training else slice(None)
        self.assert_same_numbers(keras_core_s[2][same], fused[2][same])

    def test_training_mode(self):
        for shape in SHAPES:
            with self.subTest(shape=shape):
                self.assert_same_call(self.images(shape), training=True)

    def test_inference_mode(self):
        for shape in SHAPES:
            with self.subTest(shape=shape):
                self.assert_same_call(self.images(shape), training=False)

    def test_without_scale_or_offset(self):
        for arguments in ({"scale": False}, {"center": False}, {"scale": False, "center": False}):
            for training in (True, False):
                with self.subTest(training=training, **arguments):
                    self.assert_same_call(self.images((8, 3, 3, 4)), training, **arguments)

    def test_gradient_is_that_of_the_definition(self):
        """In float64, from mean, variance and scaling as Ioffe and Szegedy define them."""
        inputs = self.images((8, 5, 7, 3))
        layer = make_layer(FusedBatchNormalization, 3)
        x = tf.cast(inputs, tf.float64)
        gamma, beta = (tf.cast(v.value, tf.float64) for v in layer.trainable_variables)
        with tf.GradientTape() as tape:
            tape.watch([x, gamma, beta])
            centred = x - tf.reduce_mean(x, [0, 1, 2])
            variance = tf.reduce_mean(centred**2, [0, 1, 2])
            outputs = centred / tf.sqrt(variance + layer.epsilon) * gamma + beta
            loss = tf.reduce_sum(tf.sin(outputs))
        expected = tape.gradient(loss, [x, gamma, beta])
        self.assert_same_numbers(expected, call(layer, inputs, True)[2])

    def test_frozen_layer_uses_moving_statistics(self):
        inputs = self.images((8, 3, 3, 4))
        layer = make_layer(FusedBatchNormalization, 4)
        moving = layer(inputs, training=False)
        layer.trainable = False
        before = [weight.numpy() for weight in layer.weights]
        self.assertAllClose(layer(inputs, training=True), moving)
        self.assertAllEqual(before, [weight.numpy() for weight in layer.weights])

    def test_stateful_call_moves_the_same_statistics(self):
        stock = make_layer(STOCK_KERAS_CORE, 3)
        fused = make_layer(FusedBatchNormalization, 3)
        for batch in (8, 3, 1):
            inputs = self.images((batch, 4, 4, 3))
            self.assertAllClose(stock(inputs, training=True), fused(inputs, training=True))
        for a, b in zip(stock.weights, fused.weights, strict=True):
            self.assertAllClose(a.numpy(), b.numpy(), rtol=1e-5)

    def test_unknown_batch_size_inside_a_loop(self):
        """Four passes over batches of changing size in a graph, as in the local loop."""
        sizes = tf.constant([4, 1, 7, 3])
        images = self.images((15, 2, 2, 3))
        expected, actual = (
            self.pass_over_batches(make_layer(layer, 3), images, sizes)
            for layer in (STOCK_KERAS_CORE, FusedBatchNormalization)
        )
        self.assert_same_numbers(expected, actual)

    def pass_over_batches(self, layer, images, sizes):
        trainable = [tf.constant(v.numpy()) for v in layer.trainable_variables]
        initial = [tf.constant(v.numpy()) for v in layer.non_trainable_variables]

        @tf.function
        def run(images, sizes):
            statistics, start, total = initial, 0, 0.0
            for step in tf.range(tf.size(sizes)):
                batch = images[start : start + sizes[step]]
                outputs, statistics = layer.stateless_call(
                    trainable, statistics, batch, training=True
                )
                start += sizes[step]
                total += tf.reduce_sum(outputs**2)
            return [total, *statistics]

        return run(images, sizes)

    def test_half_precision_keeps_float32_statistics(self):
        for dtype in (tf.bfloat16, tf.float16):
            with self.subTest(dtype=dtype.name):
                inputs = self.images((16, 4, 4, 8), dtype)
                fused = make_layer(FusedBatchNormalization, 8, dtype=f"mixed_{dtype.name}")
                outputs, statistics, gradients = call(fused, inputs, True)
                self.assertEqual(outputs.dtype, dtype)
                self.assertEqual([s.dtype for s in statistics], [tf.float32] * 2)
                self.assertEqual([g.dtype for g in gradients], [dtype, tf.float32, tf.float32])
                exact, exact_statistics, _ = call(fused, tf.cast(inputs, tf.float32), True)
                self.assertAllClose(tf.cast(outputs, tf.float32), exact, rtol=1e-2, atol=1e-2)
                self.assertAllClose(statistics, exact_statistics, rtol=1e-5)

    def test_other_ranks_and_axes_are_refused(self):
        with self.assertRaisesRegex(ValueError, r"\[batch, height, width, channels\]"):
            FusedBatchNormalization().build((None, 8))
        with self.assertRaisesRegex(ValueError, "axis 1"):
            FusedBatchNormalization(axis=1).build((None, 3, 8, 8))

    def test_config_round_trip(self):
        layer = FusedBatchNormalization(momentum=0.8, epsilon=0.01, scale=False, name="norm")
        again = FusedBatchNormalization.from_config(layer.get_config())
        self.assertEqual(again.get_config(), layer.get_config())
