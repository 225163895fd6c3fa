"""Sorting a model's variables into weights, decayed weights and random state."""

import keras_core
import tensorflow as tf

from dbsl_tf.models import build_model, decayed_weights, is_seed_state, model_weights


class VariablesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.model = build_model(keras_core, "resnet8", 10, 0.1)

    def test_only_kernels_are_decayed(self):
        variables = self.model.trainable_variables
        decay = decayed_weights(self.model)
        decayed = [v.path for v, decays in zip(variables, decay, strict=True) if decays]
        kept = [v.path for v, decays in zip(variables, decay, strict=True) if not decays]
        # 7 convolutions, 2 shortcuts, 1 classifier; a scale and an offset each, one bias.
        self.assertLen(decayed, 10)
        self.assertLen(kept, 2 * 9 + 1)
        for path in decayed:
            self.assertEndsWith(path, "/kernel")

    def test_the_state_of_the_dropout_is_the_only_seed_state(self):
        states = [v for v in self.model.non_trainable_variables if is_seed_state(v)]
        self.assertLen(states, 1)
        self.assertIs(states[0], self.model.get_layer("dropout").seed_generator.state)

    def test_weights_are_trainable_then_moving_statistics(self):
        trainable = self.model.trainable_variables
        weights = model_weights(self.model)
        self.assertEqual([v.path for v in weights[: len(trainable)]], [v.path for v in trainable])
        names = [v.name for v in weights[len(trainable) :]]
        self.assertEqual(names, ["moving_mean", "moving_variance"] * 9)
