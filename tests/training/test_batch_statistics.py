"""Statistics of batch normalisation from training batches, against those worked out in numpy."""

from __future__ import annotations

import keras
import keras_core
import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.models.own import build_own_model
from dbsl_tf.training.batch_statistics import BatchStatistics
from dbsl_tf.training.network import Network

CHANNELS, SIZE = 3, 6


def batches(sizes: list[int]) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [
        random.normal(2.0, 3.0, (size, SIZE, SIZE, CHANNELS)).astype(np.float32) for size in sizes
    ]


def dataset(arrays: list[np.ndarray]) -> tf.data.Dataset:
    def generate():
        for array in arrays:
            yield array, np.zeros(len(array), np.float32)

    specs = (
        tf.TensorSpec([None, SIZE, SIZE, CHANNELS], tf.float32),
        tf.TensorSpec([None], tf.float32),
    )
    return tf.data.Dataset.from_generator(generate, output_signature=specs)


def two_layers(library, **arguments):
    """Batch normalisation, a rectifier and batch normalisation again."""
    layers = library.layers
    inputs = library.Input((None, None, CHANNELS))
    x = layers.BatchNormalization(momentum=0.9, name="first", **arguments)(inputs)
    x = layers.ReLU()(x)
    x = layers.BatchNormalization(momentum=0.99, name="second", **arguments)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return library.Model(inputs, layers.Dense(2)(x))


def network_of(model) -> Network:
    spec = tf.TensorSpec([None, SIZE, SIZE, CHANNELS], tf.float32)
    built = build_own_model(lambda: model, spec)
    return Network(built.model, fixed=built.fixed)


def found(network: Network, parts: list[list[np.ndarray]]) -> list[np.ndarray]:
    """The mean of the statistics over the batches of several parts, in the order of `places`."""
    statistics = BatchStatistics(network)
    weights = network.initial_weights()
    # Whatever training has left must not count.
    for place in statistics.places:
        weights[place] = np.full_like(weights[place], 7.0)
    tensors = [tf.constant(weight) for weight in weights]

    @tf.function(autograph=False)
    def sums(first):
        return [
            statistics.sums(network, tensors, dataset(part), first + before)
            for part, before in zip(parts, np.cumsum([0, *map(len, parts)]))
        ]

    totals = [sum(each) for each in zip(*sums(tf.constant(0, tf.int64)))]
    count = sum(map(len, parts))
    return [total.numpy() / count for total in totals]


def by_hand(arrays: list[np.ndarray], epsilon: float = 1e-3) -> list[np.ndarray]:
    """Mean and variance of each batch, averaged over the batches; of both layers, in float64."""
    means, variances, second_means, second_variances = [], [], [], []
    for array in arrays:
        x = array.astype(np.float64).reshape(-1, CHANNELS)
        means.append(x.mean(axis=0))
        variances.append(x.var(axis=0))
        y = np.maximum((x - means[-1]) / np.sqrt(variances[-1] + epsilon), 0)
        second_means.append(y.mean(axis=0))
        second_variances.append(y.var(axis=0))
    return [np.mean(each, axis=0) for each in (means, variances, second_means, second_variances)]


@pytest.mark.parametrize("library", [keras_core, keras], ids=["keras-core", "keras-3"])
def test_means_over_the_batches(library) -> None:
    arrays = batches([8, 5, 8, 2])
    network = network_of(two_layers(library))
    for ours, theirs in zip(found(network, [arrays]), by_hand(arrays), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)


def test_how_batches_are_shared_out_does_not_matter() -> None:
    """Dropout before a layer draws by the number of a batch."""
    layers = keras.layers
    inputs = keras.Input((None, None, CHANNELS))
    x = layers.Dropout(0.5, seed=3)(inputs)
    x = layers.BatchNormalization()(x)
    network = network_of(keras.Model(inputs, layers.GlobalAveragePooling2D()(x)))
    arrays = batches([4, 4, 4])
    whole = found(network, [arrays])
    for ours, theirs in zip(found(network, [arrays[:1], arrays[1:]]), whole, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    # With the dropout, as in training: it keeps the mean and adds to the variance.
    x = np.concatenate([array.reshape(-1, CHANNELS) for array in arrays])
    assert np.all(whole[1] > 1.3 * x.var(axis=0))


def test_a_layer_that_is_used_twice() -> None:
    layers = keras.layers
    inputs = keras.Input((None, None, CHANNELS))
    shared = layers.BatchNormalization(momentum=0.9)
    x = layers.GlobalAveragePooling2D()(layers.Add()([shared(inputs), shared(2.0 * inputs)]))
    network = network_of(keras.Model(inputs, x))
    arrays = batches([8, 8])
    once, _ = np.mean([by_hand([array])[:2] for array in arrays], axis=0)
    mean, _ = found(network, [arrays])
    # The second use counts 1, the first 0.9.
    np.testing.assert_allclose(mean, (0.9 * once + 2 * once) / 1.9, rtol=2e-5)


def test_layers_without_batch_statistics_of_their_own_are_left_alone() -> None:
    layers = keras.layers
    inputs = keras.Input((None, None, CHANNELS))
    frozen = layers.BatchNormalization(name="frozen")
    frozen.trainable = False
    unmoved = layers.BatchNormalization(momentum=1.0, name="unmoved")
    x = layers.GlobalAveragePooling2D()(unmoved(frozen(inputs)))
    network = network_of(keras.Model(inputs, layers.Dense(2)(x)))
    assert BatchStatistics(network).places == []
    plain = keras.Sequential([keras.Input((None, None, CHANNELS)), layers.Conv2D(2, 1)])
    assert BatchStatistics(network_of(plain)).places == []


def test_the_model_is_left_as_it_was() -> None:
    model = two_layers(keras)
    network = network_of(model)
    before = [vars(layer).get("call") for layer in model.layers]
    found(network, [batches([3])])
    assert [vars(layer).get("call") for layer in model.layers] == before
    np.testing.assert_array_equal(model.get_layer("first").moving_mean.numpy(), np.zeros(CHANNELS))
