"""Statistics of batch normalisation that real workers estimate for a snapshot of the weights."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tests.support.isolation import on_shared_cluster

BATCH, CHANNELS, SAMPLES = 4, 3, 22


def images() -> np.ndarray:
    random = np.random.default_rng(2)
    return random.normal(1.0, 2.0, (SAMPLES, 2, 2, CHANNELS)).astype(np.float32)


class InOrder:
    """Training data without any shuffling."""

    def training_batches(self, samples, stream, resolution=None):
        data = tf.data.Dataset.from_tensor_slices((images(), np.zeros(SAMPLES, np.float32)))
        return data.repeat().skip(stream.first_sample).batch(stream.batch_sizes[0])


def estimate(engine, batches):
    """What `batches` batches give, the snapshot before and after, and the places."""
    import keras

    from dbsl_tf.coordinator.estimated_statistics import build_estimator
    from dbsl_tf.schedules.progressive import ResolutionSettings
    from dbsl_tf.shared_model.merge import average
    from dbsl_tf.shared_model.shared_model import SharedModel
    from dbsl_tf.shared_model.stored_model import ModelState
    from dbsl_tf.training.network import Network

    inputs = keras.Input((None, None, CHANNELS))
    x = keras.layers.BatchNormalization()(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    network = Network(keras.Model(inputs, keras.layers.Dense(2)(x)))
    model = SharedModel(engine, ModelState(0, network.initial_weights(), []), average)
    settings = SimpleNamespace(
        evaluation=SimpleNamespace(batch_norm_batches=batches),
        resolutions=(ResolutionSettings(2, 0.0, BATCH),),
        evaluated_resolutions=(2,),
        cluster=SimpleNamespace(workers=engine.workers, worker_timeout=None),
        samples=SAMPLES,
        seed=0,
    )
    model.take_snapshot()
    before = model.read_snapshot()
    estimator = build_estimator(settings, InOrder(), engine, model, {0.0: network}, 1)
    estimator.warm_up()
    unchanged = model.read_snapshot()
    found = estimator.estimate(2)
    return before, unchanged, found, model.read_snapshot(), model.state().weights


@pytest.mark.cluster
@pytest.mark.xdist_group("shared cluster")
class EstimatedStatisticsTest(tf.test.TestCase):
    def check(self, count):
        before, unchanged, found, after, weights = on_shared_cluster(estimate, count)
        self.assertAllEqual(before[-1], unchanged[-1])
        many = np.concatenate([images()] * 3).astype(np.float64)
        parts = many[: count * BATCH].reshape(count, -1, CHANNELS)
        expected = (parts.mean(axis=1).mean(axis=0), parts.var(axis=1).mean(axis=0))
        places = sorted(found)
        self.assertEqual(places, [len(after) - 2, len(after) - 1])
        for place, value in zip(places, expected, strict=True):
            self.assertAllClose(found[place], value, rtol=1e-5, atol=1e-6)
            self.assertAllEqual(after[place], found[place])
        # Neither the other weights nor those that are trained on.
        for ours, theirs in zip(before[:-2], after[:-2], strict=True):
            self.assertAllEqual(ours, theirs)
        for ours, theirs in zip(before, weights, strict=True):
            self.assertAllEqual(ours, theirs)

    def test_the_mean_over_all_batches_whoever_took_them(self):
        self.check(7)

    def test_fewer_batches_than_workers(self):
        self.check(1)


if __name__ == "__main__":
    tf.test.main()
