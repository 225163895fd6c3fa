"""MobileNetV2: size, layers and weights in both Keras; its logits: test_keras_applications.py."""

import keras
import keras_core
import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.models import build_model, decayed_weights, model_weights
from dbsl_tf.models.batch_normalization import FusedBatchNormalization


class MobileNetV2Test(tf.test.TestCase):
    def test_published_parameter_count(self):
        # torchvision's and keras.applications' networks: 3,504,872 trained parameters.
        for stem in ("cifar", "imagenet"):
            model = build_model(keras_core, "mobilenet_v2", 1000, 0.0, stem=stem)
            counts = [int(np.prod(variable.shape)) for variable in model.trainable_variables]
            self.assertEqual(sum(counts), 3_504_872)
            self.assertEqual(model.count_params() - sum(counts), 34_112)

    @pytest.mark.slow
    def test_stems(self):
        for stem, size, features in (("imagenet", 224, 7), ("cifar", 32, 4)):
            model = build_model(keras_core, "mobilenet_v2", 5, 0.0, stem=stem)
            inner = keras_core.Model(model.inputs, model.get_layer("pooling").input)
            self.assertEqual(
                inner(tf.zeros([1, size, size, 3])).shape, (1, features, features, 1280)
            )

    def test_every_normalization_is_fused_and_every_activation_has_a_maximum(self):
        model = build_model(keras_core, "mobilenet_v2", 10, 0.0)
        normalizations = [
            layer
            for layer in model.layers
            if isinstance(layer, keras_core.layers.BatchNormalization)
        ]
        self.assertLen(normalizations, 52)
        for layer in normalizations:
            self.assertIsInstance(layer, FusedBatchNormalization)
        activations = [layer for layer in model.layers if isinstance(layer, keras_core.layers.ReLU)]
        self.assertLen(activations, 35)
        self.assertEqual({layer.max_value for layer in activations}, {6.0})

    @pytest.mark.slow
    def test_both_keras_have_the_same_weights_in_order(self):
        models = [build_model(module, "mobilenet_v2", 10, 0.1) for module in (keras_core, keras)]
        paths = [[(v.path, tuple(v.shape)) for v in model_weights(model)] for model in models]
        self.assertEqual(paths[0], paths[1])

    def test_depthwise_kernels_are_he_normal_and_decayed(self):
        model = build_model(keras_core, "mobilenet_v2", 10, 0.0)
        layer = model.get_layer("stage7_block1_depthwise_convolution")
        kernel = layer.kernel.numpy()
        self.assertEqual(kernel.shape, (3, 3, 960, 1))
        # An output has nine inputs.
        self.assertNear(float(kernel.std()), (2 / 9) ** 0.5, 0.02)
        decayed = dict(zip((v.path for v in model.trainable_variables), decayed_weights(model)))
        self.assertTrue(decayed[layer.kernel.path])
