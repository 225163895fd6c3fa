"""Merge rules as a user writes them, outside the package."""

from __future__ import annotations

import tensorflow as tf


def clipped(g, w, f):
    """A step of f from g towards w, but of 0.01 at most in each element."""
    return g + tf.clip_by_value(f * (w - g), -0.01, 0.01)


def of_two(g, w):
    return g + w


def mean(g, w, f):
    return tf.reduce_mean(f * (w - g))


def nothing(g, w, f):
    return None


def by_value(g, w, f):
    return w if f < 1 else g


class HeavyBall:
    copies = ("velocity",)
    synchronization = ("asynchronous", "rounds")

    def __init__(self, workers, learning_rate=None, momentum=None):
        self.rate, self.momentum = learning_rate or 1.0, momentum or 0.5

    def step(self, weight, change, kept, moment):
        velocity = self.momentum * kept["velocity"] + moment.share * change
        return weight - self.rate * velocity, {"velocity": velocity}


class Nothing:
    pass


class Forgetful(HeavyBall):
    def step(self, weight, change, kept, moment):
        return weight - change, {}


class Shrinking(HeavyBall):
    def step(self, weight, change, kept, moment):
        return (weight - change)[:1], kept


class InRounds(HeavyBall):
    synchronization = ("rounds",)
