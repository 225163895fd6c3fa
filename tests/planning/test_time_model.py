from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.planning import TimeModel


def test_a_batch_costs_its_samples_and_one_overhead() -> None:
    assert TimeModel(0.01, 0.5).batch_seconds(20) == pytest.approx(0.7)


def test_a_short_step_costs_a_whole_overhead() -> None:
    assert TimeModel(0.01, 0.5).training_seconds(41, 20) == pytest.approx(0.41 + 1.5)
    assert TimeModel(0.01, 0.5).training_seconds(40, 20) == pytest.approx(0.40 + 1.0)


@given(st.integers(1, 10**6), st.integers(1, 1000), st.integers(1, 1000))
def test_larger_batches_never_take_longer(samples: int, one: int, two: int) -> None:
    model = TimeModel(1e-4, 1e-2)
    small, large = sorted((one, two))
    assert model.training_seconds(samples, large) <= model.training_seconds(samples, small)
