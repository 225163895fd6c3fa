"""Winograd's filtering against the definition of a convolution, and where it is used."""

import keras
import keras_core
import numpy as np
import tensorflow as tf

from dbsl_tf.models import build_model
from dbsl_tf.models.winograd import convolution, is_faster, use_winograd

# Batch, height, width, channels, filters: tiles alone, several, cut off, and groups of tiles.
SHAPES = [
    (2, 4, 4, 3, 5),
    (1, 8, 8, 4, 4),
    (3, 7, 6, 2, 3),
    (2, 16, 8, 3, 2),
    (1, 32, 20, 2, 2),
    (5, 1, 3, 2, 2),
]


def values(seed, *shape):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def by_definition(images, kernel):
    """The convolution in float64, one place of the kernel after the other."""
    images, kernel = (np.asarray(array, np.float64) for array in (images, kernel))
    _, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return sum(
        padded[:, row : row + height, column : column + width] @ kernel[row, column]
        for row in range(3)
        for column in range(3)
    )


def with_gradients(function, images, kernel, of_outputs):
    with tf.GradientTape() as tape:
        tape.watch([images, kernel])
        outputs = function(images, kernel)
    return [outputs, *tape.gradient(outputs, [images, kernel], output_gradients=of_outputs)]


def stock(images, kernel):
    return tf.nn.conv2d(images, kernel, 1, "SAME")


class Float32Test(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        # What GPUs multiply with instead has 10 bits.
        self.addCleanup(
            tf.config.experimental.enable_tensor_float_32_execution,
            tf.config.experimental.tensor_float_32_execution_enabled(),
        )
        tf.config.experimental.enable_tensor_float_32_execution(False)


class ConvolutionTest(Float32Test):
    def test_it_is_the_convolution(self):
        for batch, height, width, channels, filters in SHAPES:
            images = values(1, batch, height, width, channels)
            kernel = values(2, 3, 3, channels, filters)
            actual = convolution(images, kernel)
            self.assertAllClose(actual, by_definition(images, kernel), rtol=0, atol=1e-4)

    def test_gradients_are_those_of_the_convolution(self):
        for batch, height, width, channels, filters in SHAPES:
            arguments = (
                values(1, batch, height, width, channels),
                values(2, 3, 3, channels, filters),
                values(3, batch, height, width, filters),
            )
            expected = with_gradients(stock, *arguments)
            for one, other in zip(expected, with_gradients(convolution, *arguments), strict=True):
                self.assertAllClose(one, other, rtol=0, atol=1e-4 * np.abs(one).max())

    def test_rounding_is_small_beside_the_values(self):
        images, kernel = values(1, 8, 16, 16, 64), values(2, 3, 3, 64, 64)
        exact = by_definition(images, kernel)
        self.assertLess(np.abs(convolution(images, kernel) - exact).max(), 2e-5 * exact.std())

    def test_batches_of_any_size_take_one_trace(self):
        kernel = values(2, 3, 3, 3, 2)
        traced = tf.function(
            lambda images: with_gradients(
                convolution, images, kernel, tf.ones_like(images[..., :2])
            ),
            input_signature=[tf.TensorSpec([None, 8, 8, 3])],
        )
        for batch in (4, 1, 7):
            images = values(batch, batch, 8, 8, 3)
            expected = with_gradients(stock, images, kernel, tf.ones([batch, 8, 8, 2]))
            for one, other in zip(expected, traced(images), strict=True):
                self.assertAllClose(one, other, rtol=0, atol=1e-3)

    def test_an_empty_batch(self):
        empty = tf.zeros([0, 8, 8, 3]), values(2, 3, 3, 3, 2), tf.zeros([0, 8, 8, 2])
        outputs, of_images, of_kernel = with_gradients(convolution, *empty)
        self.assertEqual((outputs.shape, of_images.shape), ((0, 8, 8, 2), (0, 8, 8, 3)))
        self.assertAllEqual(of_kernel, tf.zeros([3, 3, 3, 2]))


class UseTest(Float32Test):
    def used(self, model, size, channels=64):
        """Whether the first layer runs by products of matrices after `use_winograd`."""
        use_winograd(model)
        spec = tf.TensorSpec([None, size, size, channels])
        traced = tf.function(lambda x: model(x)).get_concrete_function(spec)
        definition = traced.graph.as_graph_def()
        branches = [node for branch in definition.library.function for node in branch.node_def]
        return "BatchMatMulV2" in {node.op for node in [*definition.node, *branches]}

    def layer(self, module=keras, channels=64, **arguments):
        arguments = {"filters": 64, "kernel_size": 3, "padding": "same", **arguments}
        inputs = module.Input((None, None, channels))
        return module.Model(inputs, module.layers.Conv2D(**arguments)(inputs))

    def test_outputs_stay_those_of_the_layer(self):
        for module in (keras, keras_core):
            model = self.layer(module, activation="relu", bias_initializer="ones")
            images = values(1, 4, 8, 8, 64)
            before = model(images)
            self.assertTrue(self.used(model, 8))
            self.assertNotAllEqual(before, model(images))
            self.assertAllClose(before, model(images), atol=1e-3)

    def test_a_few_tiles_alone_are_left_to_the_layer(self):
        """In a loop and for batches of any size, as in training."""
        kernel = values(2, 3, 3, 64, 64)

        def trained(convolve):
            def step(done, images, kernel):
                return done + 1, *with_gradients(convolve, images, kernel, 2 * images)[1:]

            @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 64])])
            def once(images):
                return tf.while_loop(lambda done, *_: done < 1, step, (0, images, kernel))[1:]

            return [once(values(1, batch, 4, 4, 64)) for batch in (15, 16)]

        model = self.layer()
        use_winograd(model)
        of_few, of_enough = zip(
            trained(stock), trained(model.layers[-1].convolution_op), strict=True
        )
        for expected, actual in (of_few, of_enough):
            for one, other in zip(expected, actual, strict=True):
                self.assertAllClose(one, other, rtol=0, atol=1e-3 * np.abs(one).max())
        self.assertNotAllEqual(*(gradients[0] for gradients in of_enough))

    def test_twice_is_once(self):
        model = self.layer()
        use_winograd(model)
        before = model.layers[-1].convolution_op
        use_winograd(model)
        self.assertIs(model.layers[-1].convolution_op, before)

    def test_channels_that_are_not_known(self):
        model = self.layer()
        use_winograd(model)
        kernel = values(2, 3, 3, 64, 64)
        traced = tf.function(
            lambda images: model.layers[-1].convolution_op(images, kernel),
            input_signature=[tf.TensorSpec([None, 8, 8, None])],
        )
        images = values(1, 4, 8, 8, 64)
        self.assertAllClose(traced(images), stock(images, kernel), atol=1e-3)

    def test_which_layers_it_is_for(self):
        for arguments in (
            {"strides": 2},
            {"kernel_size": 1},
            {"kernel_size": 5},
            {"padding": "valid"},
            {"dilation_rate": 2},
            {"groups": 2},
            {"filters": 16},
            {"channels": 16},
            {"dtype": "mixed_bfloat16"},
        ):
            model = self.layer(**arguments)
            self.assertFalse(self.used(model, 8, arguments.get("channels", 64)), arguments)

    def test_sizes_that_are_not_known_or_too_large(self):
        self.assertTrue(self.used(self.layer(), 32))
        self.assertFalse(self.used(self.layer(), 40))
        self.assertFalse(self.used(self.layer(), None))

    def test_where_it_is_faster(self):
        faster = [(4, 512), (6, 256), (7, 512), (8, 64), (14, 256), (16, 48), (28, 128), (32, 64)]
        for size, channels in faster:
            self.assertTrue(is_faster(size, size, channels, channels), (size, channels))
        for size, channels in [(2, 512), (3, 512), (5, 512), (32, 32), (16, 32), (56, 64)]:
            self.assertFalse(is_faster(size, size, channels, channels), (size, channels))
        self.assertFalse(is_faster(8, 8, 64, 16))
        self.assertFalse(is_faster(8, 8, 16, 64))

    def test_gradients_of_a_whole_network(self):
        model = build_model(keras_core, "resnet18", 10, 0.0)
        images, trainable = values(1, 16, 32, 32, 3), [v.value for v in model.trainable_variables]

        def gradients():
            with tf.GradientTape() as tape:
                tape.watch(trainable)
                logits = model.stateless_call(
                    trainable, [v.value for v in model.non_trainable_variables], images
                )[0]
                loss = tf.reduce_mean(tf.square(logits))
            return tape.gradient(loss, trainable)

        before = gradients()
        use_winograd(model)
        # Rounding moves values across the kink of ReLU: inputs scaled by 1 + 1e-6 do as much.
        for one, other in zip(before, gradients(), strict=True):
            self.assertLess(tf.norm(one - other), 5e-3 * tf.norm(one))


if __name__ == "__main__":
    tf.test.main()
