"""What the runs that are timed are made of."""

from __future__ import annotations

import pytest

from dbsl_tf.measuring.operating_points import plausible_seconds


def test_times_that_may_be_are_left_as_they_are():
    assert plausible_seconds([8, 64, 64], [0.05, 0.2, 0.04]) == [0.05, 0.2, 0.04]


def test_one_near_nothing_is_not_believed():
    """As it comes out where sixteen workers share two cores."""
    assert plausible_seconds([8, 64], [1e-6, 0.8]) == pytest.approx([0.01, 0.8])
