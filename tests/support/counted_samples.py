"""Training that counts: the weights say how often each sample was trained and merged.

Each sample has a weight of its own, which a step raises by 1 if the sample is in its batch. With
the rule delta and a learning rate of n, what the workers added is added up.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from dbsl_tf.data.own_data import Data

SAMPLES = 120
CONFIGURATION = """
data: {name: tests.support.counted_samples:data, sharing: disjoint}
model: {name: tests.support.counted_samples:model}
training: {loss: tests.support.counted_samples:negative_sum, metrics: []}
cluster: {workers: 2, parameter_servers: 2, isolation: ISOLATION}
dual_batch: {small_workers: 1, large_batch: 20, extra_time_ratio: 1.1, update_factor: none}
merge: {rule: delta, learning_rate: 2}
time_model: {a: 0.001, b: 0.01}
optimizer:
  {name: sgd, base_lr: 20, lr_scaling: linear, momentum: 0, nesterov: false, weight_decay: 0}
schedule: {epochs: 6, eval_every: 6}
checkpoint: {every: 2}
"""


def load(numbers):
    return tf.one_hot(numbers, SAMPLES), tf.zeros([tf.size(numbers), 1])


def data():
    return Data(load, SAMPLES, 10)


def model():
    import keras

    inputs = keras.Input((SAMPLES,))
    counts = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    return keras.Model(inputs, counts(inputs))


def negative_sum(y, prediction):
    # A step divides it by the worker's batch, of which the learning rate is a multiple.
    return -prediction[:, 0]


def expected_counts(commits, seed=0):
    """How often each sample was trained, by the shares of some commits; [SAMPLES]."""
    counts = np.zeros(SAMPLES, int)
    orders: dict[int, np.ndarray] = {}
    for commit in commits:
        for position in range(commit["first_sample"], commit["first_sample"] + commit["samples"]):
            number, place = divmod(position, SAMPLES)
            if number not in orders:
                orders[number] = tf.random.experimental.stateless_shuffle(
                    tf.range(SAMPLES), seed=tf.constant([seed, number], tf.int64)
                ).numpy()
            counts[orders[number][place]] += 1
    return counts
