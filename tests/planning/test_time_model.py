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


def test_a_mini_epoch_also_costs_its_overhead() -> None:
    assert TimeModel(0.01, 0.5, 3.0).mini_epoch_seconds(41, 20) == pytest.approx(0.41 + 1.5 + 3)


def test_the_samples_within_a_time_by_hand() -> None:
    model = TimeModel(0.01, 0.5, 3.0)  # a step of 20: 0.7 s
    assert model.samples_within(2.9, 20) == 0
    assert model.samples_within(3.7, 20) == pytest.approx(20)
    assert model.samples_within(4.1, 20) == pytest.approx(20)  # 0.4 of the next step's 0.5
    assert model.samples_within(4.3, 20) == pytest.approx(30)


@given(st.integers(1, 10**5), st.integers(1, 1000), st.floats(0, 100))
def test_the_samples_within_the_time_of_samples_are_those(
    samples: int, batch: int, overhead: float
) -> None:
    model = TimeModel(1e-4, 1e-2, overhead)
    seconds = model.mini_epoch_seconds(samples, batch)
    assert model.samples_within(seconds, batch) == pytest.approx(samples, abs=1e-3)
