"""Losses and metrics against numbers worked out by hand and against Keras's own."""

from __future__ import annotations

import pickle

import keras
import keras_core
import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.sample_weights import WeightedLabels
from dbsl_tf.training.objective import Accuracy, Objective
from dbsl_tf.training.objective_settings import ObjectiveSettings

# Unequal, as the last batch of a share and the shares of an evaluation are.
PARTS = [[4, 4, 1], [3], [5, 2]]


def targets(kind: str, samples: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """y and predictions of a kind: numbers, one-hot, classes, several labels."""
    if kind == "numbers":
        return random.normal(size=(samples, 2)), random.normal(size=(samples, 2))
    if kind == "labels":
        return random.integers(2, size=(samples, 3)), random.uniform(size=(samples, 3))
    prediction = random.dirichlet(np.ones(6), size=samples)
    classes = random.integers(6, size=samples)
    return (np.eye(6)[classes] if kind == "one-hot" else classes), prediction


def specs(y: np.ndarray, prediction: np.ndarray) -> tuple[tf.TensorSpec, tf.TensorSpec]:
    return spec(y), spec(prediction)


def spec(array: np.ndarray) -> tf.TensorSpec:
    return tf.TensorSpec([None, *array.shape[1:]], array.dtype)


def distance_of_kind(y: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """How far apart two logits are, whatever y is."""
    return prediction[:, 0] - prediction[:, 1]


def typed(y: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kind = np.float32 if np.issubdtype(y.dtype, np.floating) else np.int32
    return y.astype(kind), prediction.astype(np.float32)


def sums_of(objective: Objective, y: np.ndarray, prediction: np.ndarray) -> list:
    """The sums of every part, whose batches are added up in a graph, as numpy values."""
    signature = specs(y, prediction)

    @tf.function(autograph=False, input_signature=[*signature])
    def batch(y, prediction):
        sums = objective.zero()
        return objective.add(sums, objective.losses(y, prediction), y, prediction)

    begin, parts = 0, []
    for sizes in PARTS:
        total = objective.zero()
        for size in sizes:
            one = batch(y[begin : begin + size], prediction[begin : begin + size])
            total = tf.nest.map_structure(tf.add, total, one)
            begin += size
        parts.append(tf.nest.map_structure(lambda tensor: tensor.numpy(), total))
    return parts


SAMPLES = sum(map(sum, PARTS))
CASES = {
    "mean squared error": (
        "numbers",
        keras.losses.MeanSquaredError,
        {},
        [keras.metrics.MeanAbsoluteError, keras.metrics.RootMeanSquaredError],
    ),
    "mean absolute error": ("numbers", keras.losses.MeanAbsoluteError, {}, [keras.metrics.R2Score]),
    "of keras-core": (
        "numbers",
        keras_core.losses.Huber,
        {"delta": 0.5},
        [keras_core.metrics.RootMeanSquaredError, keras_core.metrics.MeanSquaredError],
    ),
    "several labels": (
        "labels",
        keras.losses.BinaryCrossentropy,
        {"label_smoothing": 0.1},
        [keras.metrics.AUC, keras.metrics.BinaryAccuracy, keras.metrics.Precision],
    ),
    "one-hot": (
        "one-hot",
        keras.losses.CategoricalCrossentropy,
        {"label_smoothing": 0.2},
        [keras.metrics.TopKCategoricalAccuracy, keras.metrics.CategoricalAccuracy],
    ),
    "classes": (
        "classes",
        keras.losses.SparseCategoricalCrossentropy,
        {},
        [
            keras.metrics.SparseCategoricalAccuracy,
            keras.metrics.SparseTopKCategoricalAccuracy,
            keras_core.metrics.SparseCategoricalAccuracy,
        ],
    ),
    "one mean over all that is reduced otherwise": (
        "numbers",
        keras.losses.MeanSquaredError,
        {"reduction": "sum"},
        [],
    ),
}


class AgainstKerasTest(tf.test.TestCase):
    def test_loss_and_metrics_of_uneven_parts_are_those_of_all_samples(self):
        random = np.random.default_rng(0)
        for case, (kind, loss, options, metrics) in CASES.items():
            with self.subTest(case):
                y, prediction = typed(*targets(kind, SAMPLES, random))
                ours = [m(name=f"m{n}") for n, m in enumerate(metrics)]
                settings = ObjectiveSettings(loss(**options), ours)
                objective = settings.build(*specs(y, prediction))
                measured = objective.measured(sums_of(objective, y, prediction))
                options.pop("reduction", None)
                self.assertAllClose(measured.loss, loss(**options)(y, prediction), rtol=1e-5)
                self.assertLen(measured.metrics, len(metrics))
                for name, metric in zip(measured.metrics, metrics):
                    theirs = metric()
                    theirs.update_state(y, prediction)
                    self.assertAllClose(measured.metrics[name], theirs.result(), rtol=1e-5)

    def test_a_metric_of_classification_is_the_accuracy_too(self):
        y, prediction = typed(*targets("one-hot", SAMPLES, np.random.default_rng(1)))
        expected = np.mean(y.argmax(1) == prediction.argmax(1))
        top, categorical = keras.metrics.TopKCategoricalAccuracy(2), keras.metrics.BinaryAccuracy()
        for metrics, accuracy, others in (
            (None, expected, []),
            ([], None, []),
            (["accuracy"], expected, []),
            ([top], None, ["top_k_categorical_accuracy"]),
            ([keras.metrics.CategoricalAccuracy()], expected, ["categorical_accuracy"]),
            ([keras.metrics.CategoricalAccuracy(name="accuracy")], expected, []),
            # That of this name, wherever it stands.
            ([categorical, "accuracy"], expected, ["binary_accuracy"]),
        ):
            objective = ObjectiveSettings(metrics=metrics).build(*specs(y, prediction))
            measured = objective.measured(sums_of(objective, y, prediction))
            self.assertAllClose([measured.accuracy or -1], [accuracy or -1], rtol=1e-6)
            self.assertEqual([*measured.metrics], others)


class DefaultTest(tf.test.TestCase):
    def test_hits_are_counted_exactly_and_losses_are_cross_entropies(self):
        random = np.random.default_rng(2)
        y, logits = np.eye(5, dtype=np.float32)[random.integers(5, size=SAMPLES)], None
        logits = random.normal(size=(SAMPLES, 5)).astype(np.float32)
        objective = Objective()
        sums = sums_of(objective, y, logits)
        self.assertEqual({part.metrics[0].dtype for part in sums}, {np.dtype(np.int64)})
        hits = int(np.sum(y.argmax(1) == logits.argmax(1)))
        self.assertEqual(sum(int(part.metrics[0]) for part in sums), hits)
        shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
        log_shares = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        measured = objective.measured(sums)
        self.assertEqual(measured.accuracy, hits / SAMPLES)
        self.assertEqual(measured.metrics, {})
        self.assertAllClose(measured.loss, -np.mean(np.sum(y * log_shares, 1)), rtol=1e-6)

    def test_numbers_of_classes_are_counted_as_well(self):
        prediction = tf.constant([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
        for y in ([1, 1, 1], [[1], [1], [1]]):
            (hits,) = Accuracy().of_batch(tf.constant(y), prediction)
            self.assertEqual(hits, 2)

    def test_labels_that_are_not_one_hot_are_refused(self):
        with self.assertRaisesRegex(UserError, r"y is int64 \[batch\] and .*Sparse"):
            tf.function(Objective().losses, autograph=False).get_concrete_function(
                tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, 10])
            )


def distance(y, prediction):
    return tf.reduce_sum(tf.abs(y - prediction), axis=-1)


class FunctionsTest(tf.test.TestCase):
    def test_functions_are_losses_and_metrics(self):
        random = np.random.default_rng(3)
        y, prediction = typed(*targets("numbers", SAMPLES, random))
        settings = ObjectiveSettings(distance, [distance])
        objective = settings.build(*specs(y, prediction))
        measured = objective.measured(sums_of(objective, y, prediction))
        expected = np.mean(np.abs(y - prediction).sum(1))
        self.assertAllClose(measured.loss, expected, rtol=1e-5)
        self.assertAllClose(measured.metrics, {"distance": expected}, rtol=1e-5)

    def test_all_positions_of_a_sample_count(self):
        y, prediction = np.zeros([3, 4, 5], np.float32), np.full([3, 4, 5], 2, np.float32)
        objective = ObjectiveSettings(lambda y, p: tf.square(y - p)).build(*specs(y, prediction))
        self.assertAllClose(objective.losses(y, prediction), [4.0, 4.0, 4.0])

    def test_labels_without_a_dimension_that_the_predictions_have(self):
        """As in `compile`, they are not subtracted from one another as [B, B]."""
        y, prediction = np.float32([1, 2, 4]), np.float32([[1], [4], [1]])
        difference = ObjectiveSettings(lambda y, p: tf.abs(y - p), [lambda y, p: tf.square(y - p)])
        for one, other in ((y, prediction), (prediction, y), (y, prediction[:, 0])):
            objective = difference.build(*specs(one, other))
            losses = objective.losses(one, other)
            self.assertAllClose(losses, [0.0, 2.0, 3.0])
            sums = objective.add(objective.zero(), losses, one, other)
            self.assertAllClose(sums.metrics[0], 13.0)
        # Classes are left as they are.
        classes, logits = np.int32([0, 1, 1]), np.float32([[2, 1], [0, 3], [1, 1]])
        sparse = ObjectiveSettings(tf.nn.sparse_softmax_cross_entropy_with_logits)
        expected = tf.nn.sparse_softmax_cross_entropy_with_logits(classes, logits)
        losses = sparse.build(*specs(classes, logits)).losses(classes, logits)
        self.assertAllClose(losses, expected)

    def test_names_of_keras(self):
        random = np.random.default_rng(4)
        y, prediction = typed(*targets("numbers", SAMPLES, random))
        settings = ObjectiveSettings("mse", ["mae", "MeanSquaredError"])
        sums = sums_of(settings.build(*specs(y, prediction)), y, prediction)
        measured = settings.build(*specs(y, prediction)).measured(sums)
        self.assertAllClose(measured.loss, np.mean((y - prediction) ** 2))
        self.assertAllClose(
            measured.metrics,
            {
                "mean_absolute_error": np.mean(np.abs(y - prediction)),
                "mean_squared_error": np.mean((y - prediction) ** 2),
            },
        )

    def test_a_loss_and_metrics_of_each_output(self):
        y = {"size": np.float32([1, 2]), "kind": np.int32([0, 1])}
        prediction = {
            "size": np.float32([[1], [4]]),
            "kind": np.float32([[2, 0], [3, 0]]),
            "other": np.zeros([2, 7], np.float32),
        }
        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        settings = ObjectiveSettings(
            {"size": "mse", "kind": cross_entropy},
            {"size": keras.metrics.MeanSquaredError(), "kind": ["accuracy", distance_of_kind]},
        )
        settings = pickle.loads(pickle.dumps(settings))
        objective = settings.build(*(tf.nest.map_structure(spec, v) for v in (y, prediction)))
        losses = objective.losses(y, prediction)
        self.assertAllClose(losses, [np.log1p(np.exp(-2)), 4 + 3 + np.log1p(np.exp(-3))])
        measured = objective.measured([objective.add(objective.zero(), losses, y, prediction)])
        self.assertAllClose(measured.accuracy, 0.5)
        self.assertAllClose(
            measured.metrics,
            {"size_mean_squared_error": 2.0, "kind_accuracy": 0.5, "kind_distance_of_kind": 2.5},
        )
        for wrong, message in (
            ({"colour": "mse"}, "the output colour, but the labels have size, kind; give"),
            ({"other": "mse"}, "the output other, but the labels have size, kind; give"),
        ):
            with self.assertRaisesRegex(UserError, message):
                ObjectiveSettings(wrong).build(
                    *(tf.nest.map_structure(spec, v) for v in (y, prediction))
                )

    def test_structures_of_labels_and_predictions(self):
        y = {"a": tf.TensorSpec([None]), "b": tf.TensorSpec([None])}
        objective = ObjectiveSettings(
            lambda y, p: tf.abs(y["a"] - p[0]) + tf.abs(y["b"] - p[1])
        ).build(y, (y["a"], y["b"]))
        given = {"a": tf.constant([1.0, 2.0]), "b": tf.constant([3.0, 4.0])}
        losses = objective.losses(given, (tf.zeros([2]), tf.zeros([2])))
        self.assertAllClose(losses, [4.0, 6.0])

    def test_what_is_given_survives_pickling(self):
        random = np.random.default_rng(4)
        y, prediction = typed(*targets("labels", SAMPLES, random))
        settings = ObjectiveSettings(
            keras.losses.BinaryCrossentropy(label_smoothing=0.1),
            [keras.metrics.AUC(curve="PR", name="area"), distance, "accuracy"][:1],
        )
        values = []
        for used in (settings, pickle.loads(pickle.dumps(settings))):
            objective = used.build(*specs(y, prediction))
            values.append(objective.measured(sums_of(objective, y, prediction)))
        self.assertEqual(*values)
        self.assertEqual([*values[0].metrics], ["area"])


class Largest(keras.metrics.Metric):
    """Not a sum."""

    def __init__(self, name="largest", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.value = self.add_variable((), "zeros", name="value")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.value.assign(keras.ops.maximum(self.value, keras.ops.max(y_pred)))

    def result(self):
        return self.value


class Untold(Largest):
    def __init__(self, threshold, **options):
        super().__init__(**options)


class Mean(keras.metrics.Mean):
    def __init__(self, name="mean_of", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.other = self.add_variable((), "zeros", aggregation="mean", name="other")

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_pred)


NUMBERS = (tf.TensorSpec([None, 2]), tf.TensorSpec([None, 2]))
REFUSED = {
    "a metric that is no sum": ([Largest()], "metric largest cannot be added up over workers"),
    "a metric that Keras would not add up": (
        [Mean()],
        "metric mean_of cannot be added up .*its variable other has the aggregation mean",
    ),
    "a metric that does not tell its arguments": (
        lambda: [Untold(threshold=1)],
        "get_config of Untold leaves out threshold",
    ),
    "a metric of other shapes": (
        [keras.metrics.SparseCategoricalAccuracy()],
        "metric sparse_categorical_accuracy does not fit",
    ),
    "a metric of several numbers": (
        [keras.metrics.F1Score()],
        r"metric f1_score gives \(2,\) instead of one number",
    ),
    "two of one name": (
        [keras.metrics.MeanSquaredError(), keras.metrics.MeanSquaredError()],
        "two measures are called mean_squared_error",
    ),
    "no metric": ([3], "a metric is 3; give a metric of Keras"),
    "no list": ("auc", "metrics is 'auc'; give a list"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_metrics_that_are_refused(case: str) -> None:
    metrics, message = REFUSED[case]
    with pytest.raises(UserError, match=message) as caught:
        metrics = metrics() if callable(metrics) else metrics
        ObjectiveSettings(distance, metrics).build(*NUMBERS)
    assert "\n" not in str(caught.value)


class SampleWeightsTest(tf.test.TestCase):
    def check(self, loss: keras.losses.Loss, y, prediction, weights) -> None:
        """The mean of the losses is that of Keras, of which metrics know nothing."""
        weighted = WeightedLabels(y, weights)
        settings = ObjectiveSettings(loss, [distance, "mae"])
        objective = settings.build(
            *(tf.nest.map_structure(spec, values) for values in (weighted, prediction))
        )
        losses = objective.losses(weighted, prediction)
        self.assertEqual((losses.dtype, losses.shape), (tf.float32, [len(y)]))
        expected = loss(y, prediction, sample_weight=weights)
        self.assertAllClose(tf.reduce_mean(losses), expected, rtol=1e-5)
        sums = objective.add(objective.zero(), losses, weighted, prediction)
        measured = objective.measured([sums])
        self.assertAllClose(measured.loss, expected, rtol=1e-5)
        distances = np.abs(y - prediction)
        self.assertAllClose(measured.metrics["distance"], distances.sum(-1).mean(), rtol=1e-5)
        self.assertAllClose(measured.metrics["mean_absolute_error"], distances.mean(), rtol=1e-5)

    def test_losses_are_those_of_keras(self):
        random = np.random.default_rng(5)
        y, prediction = (random.normal(size=[6, 3]).astype(np.float32) for _ in range(2))
        for weights in (np.arange(6), np.float16(random.uniform(size=[6])), np.arange(6)[:, None]):
            self.check(keras.losses.MeanSquaredError(), y, prediction, weights)
        self.check(keras.losses.Huber(), y, prediction, np.arange(6) % 2 == 0)

    def test_positions_may_have_weights_of_their_own(self):
        random = np.random.default_rng(6)
        y, prediction = (random.normal(size=[6, 4, 3]).astype(np.float32) for _ in range(2))
        for weights in (random.integers(3, size=[6, 4]), np.arange(6)[:, None]):
            self.check(keras.losses.MeanAbsoluteError(), y, prediction, weights)
        # Keras refuses weights [B] here.
        objective = ObjectiveSettings("mae").build(*specs(y, prediction))
        losses = objective.losses(WeightedLabels(y, np.arange(6)), prediction)
        distances = np.abs(y - prediction).mean((1, 2))
        self.assertAllClose(losses, np.arange(6) * distances, rtol=1e-5)

    def test_what_the_model_adds_to_the_loss_has_no_weight(self):
        y = WeightedLabels(tf.constant([[1.0], [2.0]]), tf.constant([0.0, 3.0]))
        objective = ObjectiveSettings("mse").build(
            WeightedLabels(tf.TensorSpec([None, 1]), tf.TensorSpec([None])),
            tf.TensorSpec([None, 1]),
        )
        losses = objective.losses(y, tf.zeros([2, 1]), own=[tf.constant(0.5)])
        self.assertAllClose(losses, [0.5, 12.5])

    def test_weights_of_the_wrong_shape(self):
        for shape in ([None, 3], [None, 2, 1, 5]):
            y = WeightedLabels(NUMBERS[0], tf.TensorSpec(shape))
            with self.assertRaisesRegex(
                UserError,
                r"the weights of samples are float32 \[batch, .*, but the loss gives float32 "
                r"\[batch\]; give one weight for each sample, \[batch\]",
            ):
                ObjectiveSettings("mse").build(y, NUMBERS[1])


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            lambda y, p: tf.reduce_mean(y - p),
            r"the loss gives float32 \[\] for a batch; return one",
        ),
        (lambda y, p: None, "the loss gives NoneType for a batch"),
        (lambda y, p: "high", "the loss gives string"),
        (lambda y, p: tf.zeros([2]), "the loss gives 2 numbers whatever the batch"),
        (lambda y, p: tf.reduce_sum(y, -1), "the loss does not depend on the predictions"),
        (
            lambda y, p: tf.concat([y, p], 2),
            r"the loss fails on labels of float32 \[batch, 2\]",
        ),
        (lambda y, p: undefined(y), r"the loss fails .*NameError: name 'undefined'"),  # noqa: F821
        (3, "loss is 3; give a loss of Keras, a function"),
        ("bogus", "loss is 'bogus', which Keras does not know; give another name"),
        ({}, "loss is an empty dict; give a loss for an output"),
        ({"a": 3}, "loss is 3; give a loss of Keras"),
        ({"a": "mse"}, r"given by output \(a\), but the labels are float32 \[batch, 2\]: give"),
    ],
)
def test_losses_that_are_refused(loss, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        ObjectiveSettings(loss).build(*NUMBERS)
    assert "\n" not in str(caught.value)


if __name__ == "__main__":
    tf.test.main()
