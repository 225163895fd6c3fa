"""Which batches the noise is measured with; test_train has a whole measurement."""

from __future__ import annotations

from dbsl_tf.coordinator.noise_meter import batches_each, small_batch_of
from dbsl_tf.planning import PlanRequest, TimeModel, plan_dual_batch


def small_batch(small_workers: int, large_batch: int, k: float = 1.1) -> int:
    model = TimeModel(0.00056607, 0.014041204118283607)
    request = PlanRequest(model, 50_000, 4, small_workers, large_batch, "floor")
    return small_batch_of(plan_dual_batch(request, k), large_batch)


def test_every_worker_takes_as_many_and_there_are_enough() -> None:
    assert [batches_each(workers) for workers in (1, 2, 3, 4, 8, 9, 64)] == [8, 4, 3, 2, 1, 1, 1]


def test_the_small_batch_is_that_of_the_plan() -> None:
    assert small_batch(3, 500) == 127


def test_where_no_batch_is_smaller_it_is_a_quarter() -> None:
    assert small_batch(0, 500) == small_batch(2, 500, k=1.0) == 125
    assert small_batch(0, 2) == 1
