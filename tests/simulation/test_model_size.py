"""The numbers of weights beside those of the real models."""

from __future__ import annotations

import keras_core as keras
import pytest
import tensorflow as tf

from dbsl_tf.config.registries import MERGE_RULES
from dbsl_tf.models import build_model, model_weights
from dbsl_tf.shared_model.outer import DelayedNesterov, Delta, Nesterov, SlowMo
from dbsl_tf.simulation.model_size import KEPT_COPIES, weight_counts


class ModelSizeTest(tf.test.TestCase):
    def test_what_outer_optimisers_keep(self):
        for rule in (Delta, DelayedNesterov, Nesterov, SlowMo):
            (name,) = (n for n in KEPT_COPIES if MERGE_RULES.get(n) is rule)
            self.assertEqual(KEPT_COPIES[name], len(rule.copies))

    @pytest.mark.slow
    def test_those_of_the_real_models(self):
        for name, classes, stem in (
            ("resnet8", 10, "cifar"),
            ("resnet20", 100, "cifar"),
            ("resnet18", 1000, "imagenet"),
            ("resnet50", 10, "cifar"),
            ("mobilenet_v2", 10, "imagenet"),
        ):
            model = build_model(keras, name, classes, 0.1, stem=stem)
            sizes = [int(tf.size(weight)) for weight in model_weights(model)]
            trainable = len(model.trainable_weights)
            self.assertEqual(
                weight_counts(name, classes, stem),
                (sum(sizes[:trainable]), sum(sizes[trainable:])),
                name,
            )
