"""Which batches the noise is measured with; cli/test_train.py has a whole measurement."""

from __future__ import annotations

import pytest

from dbsl_tf.planning import DualBatchPlan, PlanRequest, TimeModel, plan_dual_batch
from dbsl_tf.planning.noise_batches import batches_each, noise_seconds, small_batch_of

MODEL = TimeModel(0.00056607, 0.014041204118283607)


def plan(small_workers: int, large_batch: int, k: float = 1.1) -> DualBatchPlan:
    return plan_dual_batch(PlanRequest(MODEL, 50_000, 4, small_workers, large_batch, "floor"), k)


def small_batch(small_workers: int, large_batch: int, k: float = 1.1) -> int:
    return small_batch_of(plan(small_workers, large_batch, k), large_batch)


def test_every_worker_takes_as_many_and_there_are_enough() -> None:
    assert [batches_each(workers) for workers in (1, 2, 3, 4, 8, 9, 64)] == [8, 4, 3, 2, 1, 1, 1]


def test_the_small_batch_is_that_of_the_plan() -> None:
    assert small_batch(3, 500) == 127


def test_where_no_batch_is_smaller_it_is_a_quarter() -> None:
    assert small_batch(0, 500) == small_batch(2, 500, k=1.0) == 125
    assert small_batch(0, 2) == 1


def test_a_measurement_takes_as_long_as_training_on_these_batches_twice() -> None:
    # Two large batches for each of four workers: 1,000 samples in 2 and in 8 batches (127 each).
    expected = 2 * 1000 * MODEL.seconds_per_sample + 10 * MODEL.seconds_per_batch
    assert noise_seconds(MODEL, plan(3, 500), 500) == pytest.approx(expected)
