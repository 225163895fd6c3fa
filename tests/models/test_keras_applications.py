"""ResNet-50 and MobileNetV2 are those of keras.applications: the same weights, the same logits."""

import keras
import keras_core
import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.models import build_model
from dbsl_tf.models.mobilenet_v2 import STAGES
from dbsl_tf.models.resnet import ARCHITECTURES

CLASSES = 7


def resnet50_names():
    """Ours and theirs of every convolution."""
    yield "stem", "conv1"
    for stage, blocks in enumerate(ARCHITECTURES["resnet50"].blocks, 1):
        for block in range(1, blocks + 1):
            ours, theirs = f"stage{stage}_block{block}", f"conv{stage + 1}_block{block}"
            if block == 1:
                yield f"{ours}_shortcut", f"{theirs}_0"
            for number in (1, 2, 3):
                yield f"{ours}_{number}", f"{theirs}_{number}"


def mobilenet_v2_names():
    """Ours and theirs of every convolution between the first and the last."""
    blocks = [(s, b) for s, stage in enumerate(STAGES, 1) for b in range(1, stage.blocks + 1)]
    for number, (stage, block) in enumerate(blocks):
        ours = f"stage{stage}_block{block}"
        theirs = f"block_{number}" if number else "expanded_conv"
        if number:
            yield f"{ours}_expansion", f"{theirs}_expand"
        yield f"{ours}_depthwise", f"{theirs}_depthwise"
        yield f"{ours}_projection", f"{theirs}_project"


class KerasApplicationsTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_resnet50(self):
        # Theirs pads evenly where it halves the size, as "same" does where the size is odd.
        size = 65
        theirs = keras.applications.ResNet50(
            weights=None,
            input_shape=(size, size, 3),
            classes=CLASSES,
            classifier_activation=None,
        )
        names = [(ours, f"{name}_conv", f"{name}_bn") for ours, name in resnet50_names()]
        self.check_same("resnet50", theirs, names, size)

    def test_mobilenet_v2(self):
        size = 64
        theirs = keras.applications.MobileNetV2(
            weights=None,
            input_shape=(size, size, 3),
            classes=CLASSES,
            classifier_activation=None,
        )
        names = [(ours, name, f"{name}_BN") for ours, name in mobilenet_v2_names()]
        names += [("stem", "Conv1", "bn_Conv1"), ("last", "Conv_1", "Conv_1_bn")]
        self.check_same("mobilenet_v2", theirs, names, size)

    def check_same(self, name, theirs, names, size):
        ours = build_model(keras_core, name, CLASSES, 0.0, stem="imagenet")
        random = np.random.default_rng(4)
        for layer in ours.layers:
            if layer.name.endswith("_normalization"):
                shape = layer.gamma.shape
                drawn = [random.uniform(0.5, 1.5, shape) for _ in range(4)]
                layer.set_weights([drawn[0], drawn[1] - 1, drawn[2] - 1, drawn[3]])
        for our_name, convolution, normalization in names:
            (kernel,) = ours.get_layer(f"{our_name}_convolution").get_weights()
            layer = theirs.get_layer(convolution)
            # Those of ResNet-50 have a bias before the normalisation.
            layer.set_weights([kernel, *(np.zeros(b.shape) for b in layer.weights[1:])])
            normalized = ours.get_layer(f"{our_name}_normalization")
            gamma, beta, mean, variance = normalized.get_weights()
            layer = theirs.get_layer(normalization)
            # The constants that are added to the variance differ.
            variance = variance + normalized.epsilon - layer.epsilon
            layer.set_weights([gamma, beta, mean, variance])
        theirs.get_layer("predictions").set_weights(ours.get_layer("logits").get_weights())
        # What is not copied would be left: all is, the biases of convolutions apart.
        biases = sum(
            layer.bias.shape[0]
            for layer in theirs.layers
            if layer.name.endswith("_conv") and layer.use_bias
        )
        self.assertEqual(ours.count_params(), theirs.count_params() - biases)

        images = random.normal(size=(2, size, size, 3)).astype(np.float32)
        expected = np.asarray(theirs(images))
        scale = float(np.abs(expected).max())
        self.assertGreater(float(expected.std()), 0.01 * scale)
        self.assertAllClose(ours(images), expected, rtol=0, atol=1e-4 * scale)
