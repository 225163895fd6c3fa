"""Augmentations of a user's own in `data.augment`."""

from __future__ import annotations

import pytest
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import load_config
from dbsl_tf.config.registries import AUGMENT_FUNCTIONS
from dbsl_tf.data.augmentation import build_augmentation
from dbsl_tf.data.own_augmentation import check_own_augmentation
from tests.support.own_augmentations import brighter

OWN = "tests.support.own_augmentations:"


def steps(value: str):
    return load_config("quickstart.yaml", [f"data.augment={value}"]).data.augment


class OwnAugmentationTest(tf.test.TestCase):
    def test_beside_built_in_ones(self):
        images, labels = tf.fill([6, 8, 8, 3], 100.0), tf.one_hot(range(6), 10)
        augment = build_augmentation(steps(f"[random_flip, {{'{OWN}brighter': {{most: 9}}}}]"), 8)
        seeds = [tf.constant([0, number], tf.int64) for number in (1, 1, 2)]
        first, again, other = (augment(images, labels, seed) for seed in seeds)
        self.assertAllEqual(first[0], again[0])
        self.assertAllEqual(first[1], labels)
        brightness = first[0][:, 0, 0, 0]
        self.assertLen(set(brightness.numpy()), 6)
        self.assertAllInRange(brightness, 100.0, 109.0)
        self.assertNotAllClose(first[0], other[0])

    def test_two_of_a_kind_draw_apart(self):
        images, labels = tf.zeros([3, 8, 8, 3]), tf.one_hot(range(3), 10)
        seed = tf.constant([0, 1], tf.int64)
        one = build_augmentation(steps(f"['{OWN}brighter']"), 8)(images, labels, seed)[0]
        two = build_augmentation(steps(f"['{OWN}brighter', '{OWN}brighter']"), 8)
        self.assertNotAllClose(two(images, labels, seed)[0], 2 * one)

    def test_registered(self):
        AUGMENT_FUNCTIONS.register("brighter", brighter)
        self.addCleanup(AUGMENT_FUNCTIONS._entries.pop, "brighter")
        (step,) = steps("[{brighter: {most: 3}}]")
        check_own_augmentation(step.name, step.parameters, 32)

    def test_what_is_none_is_one_line(self):
        for value, expected in (
            (f"['{OWN}brightr']", "has no brightr; did you mean brighter?"),
            (f"[{{'{OWN}brighter': {{least: 3}}}}]", "unexpected keyword argument"),
            (f"['{OWN}smaller']", "which returns float32 (None, 16, 16, 3) and float32"),
            (
                f"['{OWN}images_alone']",
                "which returns float32 (None, 32, 32, 3); give a function of",
            ),
            (f"[{{'{OWN}brighter': 3}}]", "give its keyword arguments as {parameter: value}"),
        ):
            with self.subTest(value), pytest.raises(UserError) as refusal:
                (step,) = steps(value)
                check_own_augmentation(step.name, step.parameters, 32)
            self.assertIn(expected, str(refusal.value))
            self.assertNotIn("\n", str(refusal.value))


if __name__ == "__main__":
    tf.test.main()
