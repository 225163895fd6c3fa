"""Models from outside: what training changes in them, and which are refused."""

import keras
import numpy as np
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.models.own import build_own_model
from dbsl_tf.training.network import Network

FEATURES = tf.TensorSpec([None, 6], tf.float32)


class Subclassed(keras.Model):
    """With dropout and batch normalisation, built only when it is called."""

    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(5)
        self.dropout = keras.layers.Dropout(0.5)
        self.normalise = keras.layers.BatchNormalization()

    def call(self, inputs, training=False):
        dropped = self.dropout(self.first(inputs), training=training)
        return self.normalise(dropped, training=training)


class Counting(keras.layers.Layer):
    """Counts its calls in a variable that Keras does not know of."""

    def __init__(self):
        super().__init__(name="counting")
        self.calls = tf.Variable(0.0)

    def call(self, inputs):
        self.calls.assign_add(1.0)
        return inputs


def with_frozen_part():
    base = keras.Sequential(
        [keras.Input([6]), keras.layers.Dense(4), keras.layers.BatchNormalization()], name="base"
    )
    base.trainable = False
    return keras.Sequential([keras.Input([6]), base, keras.layers.Dense(3)])


class OwnModelTest(tf.test.TestCase):
    def network(self, builder, inputs=FEATURES, **settings):
        own = build_own_model(builder, inputs, **settings)
        return own.model, Network(own.model, fixed=own.fixed)

    def refused(self, builder, *parts, inputs=FEATURES):
        with self.assertRaises(UserError) as caught:
            build_own_model(builder, inputs)
        for part in parts:
            self.assertIn(part, str(caught.exception))

    def test_a_subclassed_model_is_built_and_predicts_as_itself(self):
        model, network = self.network(Subclassed)
        weights = network.initial_weights()
        self.assertLen(weights, len(model.trainable_variables) + 2)
        inputs = np.random.default_rng(0).normal(size=[4, 6]).astype(np.float32)
        self.assertAllClose(
            network.predict([tf.constant(w) for w in weights], inputs), model(inputs)
        )

    def test_training_moves_the_statistics_and_the_seeds(self):
        _, network = self.network(Subclassed)
        trainable, statistics = network.split([tf.constant(w) for w in network.initial_weights()])
        seeds = network.seed_states(tf.constant(3))
        _, moved, drawn, _ = network.train(trainable, statistics, seeds, tf.ones([4, 6]))
        self.assertNotAllClose(moved[0], statistics[0])
        self.assertNotAllEqual(drawn[0], seeds[0])

    def test_weights_of_frozen_layers_are_fixed(self):
        model, network = self.network(with_frozen_part)
        # A kernel, a bias, and all four of the normalisation.
        self.assertLen(network.fixed_weights, 6)
        weights = network.initial_weights()
        self.assertLen(weights, 2)
        network = network.with_fixed([tf.constant(w) for w in network.fixed_weights])
        inputs = np.ones([2, 6], np.float32)
        self.assertAllClose(
            network.predict([tf.constant(w) for w in weights], inputs), model(inputs)
        )

    def test_several_inputs(self):
        def builder():
            words, number = (
                keras.Input([3], name="words", dtype="int32"),
                keras.Input([1], name="number"),
            )
            embedded = keras.layers.Flatten()(keras.layers.Embedding(10, 2)(words))
            joined = keras.layers.Concatenate()([embedded, number])
            return keras.Model({"words": words, "number": number}, keras.layers.Dense(1)(joined))

        inputs = {
            "words": tf.TensorSpec([None, 3], tf.int32),
            "number": tf.TensorSpec([None, 1], tf.float32),
        }
        _, network = self.network(builder, inputs)
        batch = {"words": tf.zeros([2, 3], tf.int32), "number": tf.ones([2, 1])}
        weights = [tf.constant(w) for w in network.initial_weights()]
        self.assertEqual(network.predict(weights, batch).shape, [2, 1])

    def test_assigned_weights_are_those_of_the_model(self):
        model, network = self.network(Subclassed)
        weights = [w + 1 for w in network.initial_weights()]
        network.assign(weights)
        self.assertAllClose(model.trainable_variables[0].numpy(), weights[0])
        self.assertAllClose(network.initial_weights()[-1], weights[-1])

    def test_a_seed_gives_the_same_weights_again(self):
        _, first = self.network(Subclassed, seed=1)
        _, same = self.network(Subclassed, seed=1)
        _, other = self.network(Subclassed, seed=2)
        self.assertAllEqual(first.initial_weights()[0], same.initial_weights()[0])
        self.assertNotAllEqual(first.initial_weights()[0], other.initial_weights()[0])

    def test_mixed_precision_holds_for_this_model_alone(self):
        model, network = self.network(Subclassed, precision="mixed_bfloat16")
        self.assertEqual(model.first.compute_dtype, "bfloat16")
        self.assertEqual(network.initial_weights()[0].dtype, np.float32)
        self.assertEqual(keras.config.dtype_policy().name, "float32")

    def test_a_constraint_is_refused_by_the_name_of_its_weight(self):
        layer = {"kernel_constraint": "non_neg", "name": "first"}
        self.refused(
            lambda: keras.Sequential([keras.Input([6]), keras.layers.Dense(2, **layer)]),
            "first/kernel",
            "NonNeg",
        )

    def test_images_are_normalised_by_the_fused_operation_with_the_same_numbers(self):
        def builder():
            return keras.Sequential(
                [
                    keras.Input([5, 5, 2]),
                    keras.layers.Conv2D(3, 3),
                    keras.layers.BatchNormalization(momentum=0.9, epsilon=0.01),
                ]
            )

        inputs = tf.TensorSpec([None, 5, 5, 2], tf.float32)
        images = tf.random.stateless_normal([4, 5, 5, 2], [1, 2])
        fused, network = self.network(builder, inputs, seed=1)
        keras.utils.set_random_seed(1)
        stock = builder()
        weights = [tf.constant(w) for w in network.initial_weights()]
        trainable, statistics = network.split(weights)
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            outputs, moved, _, _ = network.train(trainable, statistics, [], images)
            loss = tf.reduce_sum(outputs**3)
        with tf.GradientTape() as stock_tape:
            expected = stock(images, training=True)
            stock_loss = tf.reduce_sum(expected**3)
        self.assertAllClose(outputs, expected, rtol=1e-4, atol=1e-5)
        stock_gradients = stock_tape.gradient(stock_loss, stock.trainable_weights)
        for gradient, other in zip(tape.gradient(loss, trainable), stock_gradients):
            self.assertAllClose(gradient, other, rtol=1e-3, atol=1e-3)
        for value, variable in zip(moved, stock.non_trainable_variables):
            self.assertAllClose(value, variable.numpy(), rtol=1e-4, atol=1e-5)
        self.assertAllClose(
            network.predict([*trainable, *moved], images), stock(images), rtol=1e-4, atol=1e-5
        )
        graph = tf.function(network.predict).get_concrete_function(weights, inputs).graph
        self.assertIn("FusedBatchNormV3", {op.type for op in graph.get_operations()})

    def test_a_variable_keras_does_not_know_of_is_refused_by_the_name_of_its_layer(self):
        self.refused(
            lambda: keras.Sequential([keras.Input([6]), keras.layers.Dense(2), Counting()]),
            "layer counting (Counting)",
            "add_weight",
        )

    def test_what_is_no_model_is_refused(self):
        self.refused(lambda: "a model", "builtins.str", "keras.Model")

    def test_inputs_that_do_not_fit_are_refused_with_their_shapes(self):
        self.refused(
            with_frozen_part,
            "does not accept the data",
            "float32[None, 9]",
            "incompatible",
            inputs=tf.TensorSpec([None, 9], tf.float32),
        )

    def test_a_model_without_trainable_weights_is_refused(self):
        self.refused(
            lambda: keras.Sequential([keras.Input([6]), keras.layers.Rescaling(2.0)]),
            "no trainable weights",
        )

    def test_weights_of_another_type_are_refused_by_name(self):
        self.refused(
            lambda: keras.Sequential([keras.Input([6]), keras.layers.Dense(2, dtype="bfloat16")]),
            "kernel",
            "is bfloat16",
        )


if __name__ == "__main__":
    tf.test.main()
