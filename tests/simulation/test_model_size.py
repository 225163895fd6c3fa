"""The sizes of the weights beside those of the real models."""

from __future__ import annotations

import keras_core as keras
import tensorflow as tf

from dbsl_tf.models import build_model, model_weights
from dbsl_tf.models.resnet import ARCHITECTURES
from dbsl_tf.simulation.model_size import variable_sizes


class ModelSizeTest(tf.test.TestCase):
    def test_every_weight_of_the_real_models(self):
        for name, classes, stem in (
            ("resnet8", 10, "cifar"),
            ("resnet20", 100, "cifar"),
            ("resnet18", 1000, "imagenet"),
        ):
            model = build_model(keras, name, classes, 0.1, stem=stem)
            trainable, others = variable_sizes(ARCHITECTURES[name], classes, stem)
            self.assertEqual(
                [*trainable, *others],
                [int(tf.size(weight)) for weight in model_weights(model)],
                name,
            )
            self.assertLen(trainable, len(model.trainable_weights))
