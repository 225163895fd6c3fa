from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dbsl_tf.schedules import LearningRateSchedule, scale_factor


def test_the_rate_falls_at_every_milestone() -> None:
    # Lu et al., COMPSAC 2022: 0.1, times 0.2 at epochs 80 and 120.
    schedule = LearningRateSchedule(0.1, milestones=(80, 120), gamma=0.2)
    epochs = [0, 79.75, 80, 119.9, 120, 139]
    rates = [schedule.learning_rate(epoch) for epoch in epochs]
    assert rates == pytest.approx([0.1, 0.1, 0.02, 0.02, 0.004, 0.004])


def test_warm_up_rises_with_every_mini_epoch() -> None:
    # Two workers, two epochs: four equal steps, the last at the full rate.
    schedule = LearningRateSchedule(0.4, warmup_epochs=2, commits_per_epoch=2)
    rates = [schedule.learning_rate(commit / 2) for commit in range(6)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


def test_a_milestone_inside_the_warm_up_counts() -> None:
    schedule = LearningRateSchedule(1.0, milestones=(1,), gamma=0.5, warmup_epochs=4)
    assert schedule.learning_rate(0) == pytest.approx(0.25)
    assert schedule.learning_rate(1) == pytest.approx(0.25)
    assert schedule.learning_rate(9) == pytest.approx(0.5)


@given(st.floats(0, 500), st.floats(0, 20), st.integers(1, 16))
def test_the_rate_is_above_zero_and_at_most_the_base(
    epoch: float, warmup_epochs: float, workers: int
) -> None:
    schedule = LearningRateSchedule(0.1, (80, 120), 0.2, warmup_epochs, workers)
    assert 0 < schedule.learning_rate(epoch) <= 0.1


@given(st.floats(0, 10), st.floats(0, 10))
def test_warm_up_never_falls(one: float, two: float) -> None:
    schedule = LearningRateSchedule(0.1, warmup_epochs=5, commits_per_epoch=3)
    earlier, later = sorted((one, two))
    assert schedule.learning_rate(earlier) <= schedule.learning_rate(later)


def test_scale_factors() -> None:
    assert scale_factor("none", 25, 100) == 1
    assert scale_factor("linear", 25, 100) == 0.25
    assert scale_factor("sqrt", 25, 100) == 0.5
    assert scale_factor("linear", 200, 100) == 2


def test_a_cosine_by_hand() -> None:
    schedule = LearningRateSchedule(0.2, warmup_epochs=4, cosine_epochs=12)
    # Warm-up for 4 epochs, then 8 of half a cosine.
    rates = [schedule.learning_rate(epoch) for epoch in (0, 3, 4, 6, 8, 10, 12)]
    quarter = (1 + math.sqrt(0.5)) / 2
    assert rates == pytest.approx([0.05, 0.2, 0.2, 0.2 * quarter, 0.1, 0.2 * (1 - quarter), 0])


def test_products_of_the_rate_are_decimal() -> None:
    schedule = LearningRateSchedule(0.2, milestones=(1, 2), gamma=0.1)
    assert [schedule.learning_rate(epoch) for epoch in range(3)] == [0.2, 0.02, 0.002]


_cosines = st.builds(
    LearningRateSchedule,
    base_learning_rate=st.floats(1e-4, 10),
    warmup_epochs=st.floats(0, 20),
    commits_per_epoch=st.integers(1, 16),
    cosine_epochs=st.integers(1, 200).map(float),
)


@given(_cosines, st.floats(0, 1), st.floats(0, 1))
def test_a_cosine_falls_after_the_warm_up_and_stays_in_its_bounds(
    schedule: LearningRateSchedule, one: float, two: float
) -> None:
    warmup, end = schedule.warmup_epochs, schedule.cosine_epochs
    earlier, later = sorted(warmup + part * max(0.0, end - warmup) for part in (one, two))
    first, second = schedule.learning_rate(earlier), schedule.learning_rate(later)
    assert 0 <= second <= first <= schedule.base_learning_rate
    assert schedule.learning_rate(warmup) == pytest.approx(schedule.base_learning_rate)


@given(_cosines, st.floats(0, 1))
def test_a_cosine_is_symmetric_about_its_middle(
    schedule: LearningRateSchedule, part: float
) -> None:
    warmup, length = schedule.warmup_epochs, schedule.cosine_epochs - schedule.warmup_epochs
    assume(length > 1e-3)
    rates = [schedule.decayed_rate(warmup + at * length) for at in (part, 1 - part)]
    assert sum(rates) == pytest.approx(schedule.base_learning_rate)


@given(_cosines)
def test_every_mini_epoch_of_a_cosine_has_a_rate_above_zero(
    schedule: LearningRateSchedule,
) -> None:
    last = schedule.cosine_epochs - 1 / schedule.commits_per_epoch
    assert schedule.learning_rate(last) > 0
