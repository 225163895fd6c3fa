"""The networks: sizes, layers, reproducible weights and training as a pure function."""

import keras
import keras_core
import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.models import build_model, is_seed_state, model_weights
from dbsl_tf.models.batch_normalization import FusedBatchNormalization
from dbsl_tf.models.resnet import ARCHITECTURES
from dbsl_tf.training.optimizers import SGD


def trainable_parameters(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


class ResNetTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_published_parameter_counts(self):
        # ResNet-20…56: He et al., CVPR 2016, Table 6, in millions with two digits.
        for name, millions in [
            ("resnet20", 0.27),
            ("resnet32", 0.46),
            ("resnet44", 0.66),
            ("resnet56", 0.85),
        ]:
            with self.subTest(name=name):
                model = build_model(keras_core, name, 10, 0.0)
                self.assertNear(trainable_parameters(model) / 1e6, millions, 0.01)
        # With the stem for small images and 10 classes: 11.17, 21.28 and 23.52 M.
        for name, parameters in [
            ("resnet18", 11_173_962),
            ("resnet34", 21_282_122),
            ("resnet50", 23_520_842),
        ]:
            with self.subTest(name=name):
                model = build_model(keras_core, name, 10, 0.0)
                self.assertEqual(trainable_parameters(model), parameters)

        # Figures of torchvision's models, which have this stem and 1000 classes.
        for name, parameters in [
            ("resnet18", 11_689_512),
            ("resnet34", 21_797_672),
            ("resnet50", 25_557_032),
        ]:
            with self.subTest(name=name, stem="imagenet"):
                model = build_model(keras_core, name, 1000, 0.0, stem="imagenet")
                self.assertEqual(trainable_parameters(model), parameters)

    def test_stem_for_large_images(self):
        model = build_model(keras_core, "resnet18", 5, 0.0, stem="imagenet")
        inner = keras_core.Model(model.inputs, model.get_layer("pooling").input)
        for size, features in ((224, 7), (160, 5), (33, 2)):
            self.assertEqual(
                inner(tf.zeros([1, size, size, 3])).shape, (1, features, features, 512)
            )

    @pytest.mark.slow
    def test_name_counts_the_layers_with_weights(self):
        for name in ARCHITECTURES:
            model = build_model(keras_core, name, 10, 0.0)
            on_the_main_path = [
                layer
                for layer in model.layers
                if hasattr(layer, "kernel") and "shortcut" not in layer.name
            ]
            self.assertEqual(f"resnet{len(on_the_main_path)}", name)

    def test_every_normalization_is_fused_with_the_stated_constants(self):
        model = build_model(keras_core, "resnet8", 10, 0.0)
        normalizations = [
            layer
            for layer in model.layers
            if isinstance(layer, keras_core.layers.BatchNormalization)
        ]
        self.assertLen(normalizations, 9)
        for layer in normalizations:
            self.assertIsInstance(layer, FusedBatchNormalization)
            self.assertEqual((layer.momentum, layer.epsilon), (0.9, 1e-5))

    def test_any_resolution(self):
        model = build_model(keras_core, "resnet8", 7, 0.0)
        for height, width in [(32, 32), (24, 24), (1, 1), (17, 40)]:
            logits = model(tf.zeros([2, height, width, 3]))
            self.assertEqual(logits.shape, (2, 7))
            self.assertEqual(logits.dtype, tf.float32)
        deep = build_model(keras_core, "resnet18", 7, 0.0)
        for size in (24, 32, 65):
            self.assertEqual(deep(tf.zeros([1, size, size, 3])).shape, (1, 7))

    def test_seed_decides_the_initial_weights(self):
        def weights(seed):
            return [v.numpy() for v in build_model(keras_core, "resnet8", 10, 0.1, seed).weights]

        for seed in (0, 5):
            for a, b in zip(weights(seed), weights(seed), strict=True):
                self.assertAllEqual(a, b)
        kernels = [w for w in weights(0) if w.ndim == 4]
        others = [w for w in weights(1) if w.ndim == 4]
        for a, b in zip(kernels, others, strict=True):
            self.assertNotAllClose(a, b)
        # Layers of one shape must not start alike.
        self.assertNotAllClose(kernels[1], kernels[2])

    def test_initial_kernels_are_he_normal(self):
        model = build_model(keras_core, "resnet18", 10, 0.0)
        kernel = model.get_layer("stage4_block2_2_convolution").kernel.numpy()
        self.assertNear(float(kernel.std()), (2 / (3 * 3 * 512)) ** 0.5, 1e-4)

    @pytest.mark.slow
    def test_both_keras_have_the_same_weights_in_order(self):
        for name, stem in (
            ("resnet8", "cifar"),
            ("resnet18", "imagenet"),
            ("resnet50", "cifar"),
        ):
            models = [
                build_model(module, name, 10, 0.1, stem=stem) for module in (keras_core, keras)
            ]
            paths = [[(v.path, tuple(v.shape)) for v in model_weights(model)] for model in models]
            self.assertEqual(paths[0], paths[1])

    def test_mixed_precision_keeps_float32_weights_and_logits(self):
        for precision in ("mixed_bfloat16", "mixed_float16"):
            for stem in ("cifar", "imagenet"):
                with self.subTest(precision=precision, stem=stem):
                    self.check_mixed_precision(precision, stem)

    def check_mixed_precision(self, precision, stem):
        model = build_model(keras_core, "resnet8", 10, 0.1, stem=stem, precision=precision)
        for layer in model.layers[1:]:
            inner = layer.name not in ("pooling", "dropout", "logits")
            normalization = isinstance(layer, FusedBatchNormalization)
            expected = precision.removeprefix("mixed_") if inner else "float32"
            self.assertEqual(layer.compute_dtype, "float32" if normalization else expected)
        state = [v.value for v in model.non_trainable_variables]
        weights = [v.value for v in model.trainable_variables]
        images = tf.random.stateless_normal([4, 8, 8, 3], [1, 2])
        with tf.GradientTape() as tape:
            tape.watch(weights)
            logits, state = model.stateless_call(weights, state, images, training=True)
        self.assertEqual(logits.dtype, tf.float32)
        for weight, gradient in zip(weights, tape.gradient(logits, weights), strict=True):
            self.assertEqual((weight.dtype, gradient.dtype), (tf.float32, tf.float32))
        for variable, value in zip(model.non_trainable_variables, state, strict=True):
            self.assertEqual(value.dtype, tf.uint32 if is_seed_state(variable) else tf.float32)

    def test_trains_as_a_pure_function_in_a_graph_loop(self):
        """stateless_call, gradient and SGD in tf.range: the loss falls, all state advances."""
        model = build_model(keras_core, "resnet8", 4, 0.3)
        sgd = SGD(momentum=0.9)
        generator = np.random.default_rng(3)
        images = tf.constant(generator.normal(size=(16, 8, 8, 3)), tf.float32)
        labels = tf.constant(generator.integers(0, 4, 16))

        def step(weights, state, velocity):
            with tf.GradientTape() as tape:
                tape.watch(weights)
                logits, state = model.stateless_call(weights, state, images, training=True)
                loss = tf.reduce_mean(
                    tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
                )
            gradients = tape.gradient(loss, weights)
            decay = [False] * len(weights)
            return *sgd.step(weights, gradients, velocity, 0.05, decay), state, loss

        step = tf.autograph.experimental.do_not_convert(step)

        @tf.function
        def train(steps):
            weights = [tf.identity(v.value) for v in model.trainable_variables]
            state = [tf.identity(v.value) for v in model.non_trainable_variables]
            velocity = sgd.initial_state(weights)
            losses = tf.TensorArray(tf.float32, steps)
            for index in tf.range(steps):
                weights, velocity, state, loss = step(weights, state, velocity)
                losses = losses.write(index, loss)
            return losses.stack(), weights, state

        losses, weights, state = train(tf.constant(30))
        self.assertLess(np.mean(losses[-5:]), 0.5 * np.mean(losses[:5]))
        self.assertNotAllClose(weights[0], model.trainable_variables[0].value)
        seeds = 0
        for variable, value in zip(model.non_trainable_variables, state, strict=True):
            if is_seed_state(variable):
                seeds += 1
                self.assertAllEqual(value, variable.numpy() + np.array([0, 30], np.uint32))
            else:
                self.assertNotAllClose(value, variable.numpy())
        self.assertEqual(seeds, 1)
