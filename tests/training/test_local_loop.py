"""The local loop against the same steps done by hand."""

from __future__ import annotations

import keras
import keras_core
import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.models import build_model
from dbsl_tf.training.compute import Compute
from dbsl_tf.training.local_loop import Steps, evaluate, train_steps
from dbsl_tf.training.network import Network
from dbsl_tf.training.objective import Objective
from dbsl_tf.training.objective_settings import ObjectiveSettings
from dbsl_tf.training.optimizers import LARS, SGD, AdamW
from tests.support.softmax_regression import (
    batches,
    build_network,
    logits_and_losses,
    train_by_hand,
)

SIZES = [4, 4, 4, 1]


def as_dataset(data) -> tf.data.Dataset:
    return tf.data.Dataset.from_generator(
        lambda: iter(data),
        output_signature=(
            tf.TensorSpec([None, None, None, 3]),
            tf.TensorSpec([None, data[0][1].shape[1]]),
        ),
    )


def steps_of(count, batch, rate, seed=0) -> Steps:
    return Steps(tf.cast(count, tf.int64), tf.constant(batch), tf.cast(rate, tf.float32), seed)


def run_loop(
    network,
    optimizer,
    data,
    learning_rate,
    seed=0,
    state=(),
    weights=None,
    objective=None,
    batch=None,
):
    initial = weights or network.initial_weights()
    objective = objective or Objective()

    @tf.function(autograph=False)
    def loop(iterator, rate, seed):
        weights = [tf.constant(weight) for weight in initial]
        steps = steps_of(len(data), batch or max(len(x) for x, _ in data), rate, seed)
        return train_steps(network, objective, optimizer, weights, iterator, steps, state)

    iterator = iter(as_dataset(data))
    return loop(iterator, tf.constant(learning_rate), tf.constant(seed, tf.int64))


class TrainStepsTest(tf.test.TestCase):
    def test_weights_and_loss_are_those_worked_out_by_hand(self):
        network, data = build_network(), batches(SIZES)
        optimizer = SGD(momentum=0.9, nesterov=False, weight_decay=0.01, decay_mode="l2")
        weights, velocity, sums = run_loop(network, optimizer, data, learning_rate=0.5)
        expected, speed, loss = train_by_hand(network.initial_weights(), data, 4, 0.5, 0.9, 0.01)
        for weight, by_hand in zip([*weights, *velocity], [*expected, *speed], strict=True):
            self.assertAllClose(weight, by_hand, atol=1e-6)
        self.assertAllClose(sums.loss, loss, rtol=1e-6)
        self.assertEqual(sums.samples, sum(SIZES))

    def test_momentum_goes_on_where_it_was(self):
        network, data = build_network(), batches([4, 4])
        start = network.initial_weights()
        velocity = [np.full_like(weight, 0.25) for weight in start]
        trained = run_loop(network, SGD(momentum=0.9), data, 0.5, state=velocity)
        expected, speed, _ = train_by_hand(start, data, 4, 0.5, 0.9, 0.0, velocity)
        for ours, by_hand in zip(
            [*trained.weights, *trained.optimizer_state], [*expected, *speed], strict=True
        ):
            self.assertAllClose(ours, by_hand, atol=1e-6)

    def test_any_optimizer_goes_on_where_it_was(self):
        network, data = build_network(), batches([4, 4, 3])
        for optimizer in (SGD(momentum=0.9), SGD(momentum=0.0), AdamW(), LARS()):
            with self.subTest(optimizer=optimizer):
                weights, state, _ = run_loop(network, optimizer, data, 0.1)
                half, kept, _ = run_loop(network, optimizer, data[:2], 0.1)
                rest = run_loop(
                    network, optimizer, data[2:], 0.1, state=kept, weights=half, batch=4
                )
                self.assertEqual(len(state), len(optimizer.initial_state(half)))
                for expected, ours in zip(
                    [*weights, *state], [*rest.weights, *rest.optimizer_state], strict=True
                ):
                    self.assertAllClose(expected, ours, rtol=1e-5)

    def test_losses_of_the_model_are_minimised_as_by_keras(self):
        class Penalised(keras.layers.Layer):
            def call(self, inputs):
                self.add_loss(0.01 * keras.ops.mean(keras.ops.square(inputs)))
                return inputs

        frozen = keras.layers.Dense(3, kernel_regularizer="l2", trainable=False)
        model = keras.Sequential(
            [
                keras.Input([2]),
                keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2)),
                Penalised(),
                keras.layers.Dense(4, activity_regularizer="l1", bias_regularizer="l2"),
                frozen,
            ]
        )
        numbers = np.random.default_rng(0)
        x, y = (numbers.normal(size=[12, size]).astype(np.float32) for size in (2, 3))
        network = Network(model, fixed=range(2))
        objective = ObjectiveSettings(keras.losses.MeanSquaredError()).build(
            *[tf.TensorSpec([None, 3])] * 2
        )

        start, kept = network.initial_weights(), network.fixed_weights

        @tf.function(autograph=False)
        def ours(iterator):
            weights, fixed = ([tf.constant(w) for w in part] for part in (start, kept))
            steps = steps_of(3, 4, 0.1)
            return train_steps(
                network.with_fixed(fixed), objective, SGD(momentum=0.9), weights, iterator, steps
            )

        trained = ours(iter(tf.data.Dataset.from_tensor_slices((x, y)).batch(4)))
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
        history = model.fit(x, y, batch_size=4, shuffle=False, verbose=0).history
        self.assertAllClose(trained.sums.loss / 12, history["loss"][0], rtol=1e-5)
        for weight, theirs in zip(trained.weights, model.trainable_variables, strict=True):
            self.assertAllClose(weight, theirs.numpy(), rtol=1e-5)

        @tf.function(autograph=False)
        def evaluated(weights, fixed):
            batches = tf.data.Dataset.from_tensors((x, y))
            return evaluate(network.with_fixed(fixed), objective, weights, batches).loss

        fixed = [tf.constant(weight) for weight in kept]
        self.assertAllClose(
            evaluated(trained.weights, fixed) / 12, model.evaluate(x, y, verbose=0), rtol=1e-5
        )

    def test_hits_are_counted_before_each_step(self):
        network, data = build_network(), batches([6])
        _, logits, _, _ = logits_and_losses(network.initial_weights(), *data[0])
        sums = run_loop(network, SGD(), data, learning_rate=0.1).sums
        self.assertEqual(sums.metrics[0], np.sum(logits.argmax(1) == data[0][1].argmax(1)))

    @pytest.mark.slow
    def test_a_large_model_takes_nesterov_steps(self):
        # Large enough for TensorFlow's memory optimiser to rewrite sums of three in the loop.
        network = Network(build_model(keras_core, "resnet18", 10, dropout=0.0))
        optimizer = SGD(momentum=0.9, nesterov=True, weight_decay=5e-4)
        weights = [tf.constant(weight) for weight in network.initial_weights()]
        batch = tf.ones([32, 32, 32, 3]), tf.one_hot(tf.range(32) % 10, 10)
        batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
        loop = tf.function(
            lambda steps: (
                train_steps(
                    network,
                    Objective(),
                    optimizer,
                    weights,
                    batches,
                    steps_of(steps, 32, 1e-3),
                ).sums
            ),
            autograph=False,
        )
        sums = loop(tf.constant(2, tf.int64))
        self.assertEqual(sums.samples, 2 * 32)
        self.assertTrue(np.isfinite(sums.loss))

    def test_batch_statistics_advance_and_dropout_depends_on_the_seed(self):
        network = Network(build_model(keras_core, "resnet8", classes=2, dropout=0.5))
        data = [(8 * images, labels) for images, labels in batches([6, 6])]
        first = run_loop(network, SGD(), data, 0.01, seed=1).weights
        again = run_loop(network, SGD(), data, 0.01, seed=1).weights
        other = run_loop(network, SGD(), data, 0.01, seed=2).weights
        self.assertAllClose(first, again)
        self.assertNotAllClose(
            first[network.trainable_count - 1], other[network.trainable_count - 1]
        )
        _, statistics = network.split(first)
        _, initial = network.split(network.initial_weights())
        self.assertLen(statistics, 2 * 9)
        for before, after in zip(initial, statistics, strict=True):
            self.assertNotAllClose(before, after)


def photos(sizes: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images [B, 16, 16, 3] and labels [B, 2]."""
    random = np.random.default_rng(0)
    return [
        (random.normal(size=(size, 16, 16, 3)).astype(np.float32), labels)
        for size, (_, labels) in zip(sizes, batches(sizes))
    ]


def resnet(precision: str, xla: bool = False) -> Network:
    model = build_model(keras_core, "resnet8", classes=2, dropout=0.2, precision=precision)
    return Network(model, compute=Compute(precision, xla))


def relative_difference(weights, expected, initial) -> float:
    """How far `weights` are from the expected ones, as a part of the way from the initial ones."""

    def distance(one, other):
        return np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(one, other, strict=True)))

    return distance(weights, expected) / distance(expected, initial)


class PrecisionTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_half_precision_takes_about_the_same_steps(self):
        data = photos([8] * 4)
        network = resnet("float32")
        expected, _, sums = run_loop(network, SGD(), data, 0.01)
        for precision in ("mixed_bfloat16", "mixed_float16"):
            weights, _, half_sums = run_loop(resnet(precision), SGD(), data, 0.01)
            self.assertEqual({weight.dtype for weight in weights}, {tf.float32})
            self.assertAllClose(half_sums.loss, sums.loss, rtol=0.02)
            difference = relative_difference(weights, expected, network.initial_weights())
            self.assertBetween(difference, 1e-6, 0.2)

    def test_evaluated_in_the_same_precision(self):
        data = photos([8])
        losses = {}
        for precision in ("float32", "mixed_bfloat16"):
            network = resnet(precision)
            losses[precision] = evaluate(
                network, Objective(), network.initial_weights(), as_dataset(data)
            ).loss.numpy()
        self.assertNotEqual(*losses.values())
        self.assertAllClose(*losses.values(), rtol=0.05)

    def test_the_loss_scale_changes_nothing_where_nothing_overflows(self):
        plain = build_network()
        scaled = Network(plain.model, compute=Compute("mixed_float16"))
        data = batches(SIZES)
        for weight, other in zip(
            run_loop(plain, SGD(), data, 0.5)[0], run_loop(scaled, SGD(), data, 0.5)[0]
        ):
            self.assertAllClose(weight, other, rtol=1e-5)

    def test_a_step_that_overflows_is_skipped(self):
        network = Network(build_network().model, compute=Compute("mixed_float16"))
        good, bad = batches([4, 4])
        # The loss is finite, but not the gradient of the scaled loss.
        bad = (1e35 * bad[0], bad[1])
        optimizer = SGD(momentum=0.9, weight_decay=0.01)
        untouched, _, sums = run_loop(network, optimizer, [bad], 0.5)
        self.assertAllClose(untouched, network.initial_weights(), rtol=0)
        self.assertTrue(np.isfinite(sums.loss))
        alone, _, _ = run_loop(network, optimizer, [good], 0.5)
        for data in ([bad, good], [good, bad]):
            skipped, _, sums = run_loop(network, optimizer, data, 0.5)
            self.assertAllClose(skipped, alone, rtol=1e-6)
            self.assertEqual(sums.samples, 8)

    def test_the_state_of_a_skipped_step_is_what_it_was(self):
        network = Network(build_network().model, compute=Compute("mixed_float16"))
        good, bad = batches([4, 4])
        bad = (1e35 * bad[0], bad[1])
        for optimizer in (AdamW(clip_norm=0.1), LARS(clip_norm=0.1)):
            alone = run_loop(network, optimizer, [good], 0.5)
            with_bad = run_loop(network, optimizer, [bad, good, bad], 0.5)
            for expected, ours in zip(
                [*alone.weights, *alone.optimizer_state],
                [*with_bad.weights, *with_bad.optimizer_state],
                strict=True,
            ):
                self.assertAllClose(expected, ours, rtol=1e-5)

    def test_gradients_are_clipped_without_the_loss_scale(self):
        plain = build_network()
        scaled = Network(plain.model, compute=Compute("mixed_float16"))
        data, optimizer = batches(SIZES), SGD(clip_norm=0.1)
        clipped = run_loop(plain, optimizer, data, 0.5).weights
        self.assertNotAllClose(clipped[0], run_loop(plain, SGD(), data, 0.5).weights[0])
        for weight, other in zip(clipped, run_loop(scaled, optimizer, data, 0.5).weights):
            self.assertAllClose(weight, other, rtol=1e-5)


class XlaTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_compiled_and_the_same(self):
        for precision, sizes, most in (("float32", [6, 6, 2], 0.1), ("mixed_bfloat16", [6], 0.2)):
            data = photos(sizes)
            network = resnet(precision)
            plain, _, _ = run_loop(network, SGD(), data, 0.01)
            compiled, _, sums = run_loop(resnet(precision, xla=True), SGD(), data, 0.01)
            self.assertEqual(sums.samples, sum(sizes))
            difference = relative_difference(compiled, plain, network.initial_weights())
            self.assertLess(difference, most)

    def test_the_step_must_compile(self):
        for xla in (False, True):
            network = Network(build_network().model, compute=Compute(xla=xla))
            graph = self.graph_of_a_loop(network)
            compiled = [f for f in graph.library.function if f.attr["_XlaMustCompile"].b]
            self.assertLen(compiled, int(xla))

    def graph_of_a_loop(self, network):
        initial = network.initial_weights()

        @tf.function(autograph=False)
        def loop(iterator):
            weights = [tf.constant(weight) for weight in initial]
            steps = steps_of(2, 4, 0.1)
            return train_steps(network, Objective(), SGD(), weights, iterator, steps)

        return loop.get_concrete_function(iter(as_dataset(batches([4])))).graph.as_graph_def()


class ObjectiveTest(tf.test.TestCase):
    def test_another_loss_is_what_the_steps_minimise(self):
        """With squared errors: worked out by hand for the linear model that it is."""
        network, data = build_network(), batches([4])
        ((images, labels),) = data
        kernel, bias = network.initial_weights()
        features = images.mean(axis=(1, 2))
        error = features @ kernel + bias - labels
        gradient = 2 / error.size * features.T @ error, 2 / error.size * error.sum(0)
        settings = ObjectiveSettings(
            keras.losses.MeanSquaredError(), [keras.metrics.MeanAbsoluteError()]
        )
        objective = settings.build(*[tf.TensorSpec([None, 2])] * 2)
        trained = run_loop(network, SGD(momentum=0.0), data, 0.5, objective=objective)
        self.assertAllClose(trained.weights[0], kernel - 0.5 * gradient[0], atol=1e-6)
        self.assertAllClose(trained.weights[1], bias - 0.5 * gradient[1], atol=1e-6)
        sums = tf.nest.map_structure(lambda tensor: tensor.numpy(), trained.sums)
        measured = objective.measured([sums])
        self.assertAllClose(measured.loss, np.mean(error**2), rtol=1e-5)
        self.assertIsNone(measured.accuracy)
        self.assertAllClose(
            measured.metrics, {"mean_absolute_error": np.mean(np.abs(error))}, rtol=1e-5
        )


class EvaluateTest(tf.test.TestCase):
    def test_sums_over_batches_of_unequal_size(self):
        network, data = build_network(), batches([5, 5, 2])
        weights = network.initial_weights()
        sums = evaluate(network, Objective(), weights, as_dataset(data))
        images, labels = (np.concatenate(parts) for parts in zip(*data))
        _, logits, _, losses = logits_and_losses(weights, images, labels)
        self.assertAllClose(sums.loss, losses.sum(), rtol=1e-5)
        self.assertEqual(sums.metrics[0], np.sum(logits.argmax(1) == labels.argmax(1)))
        self.assertEqual(sums.samples, 12)


if __name__ == "__main__":
    tf.test.main()
