from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from dbsl_tf.planning import DualBatchPlan, PlanRequest, TimeModel, plan_dual_batch
from dbsl_tf.planning.merging_advice import merging_advice, most_merges

FOUR_LARGE = PlanRequest(TimeModel(0.0016, 0.012), 10_000, 4, 0, 125, "nearest")


def planner(request: PlanRequest, ratio: float = 1.1) -> Callable[[Fraction], DualBatchPlan]:
    return lambda often: plan_dual_batch(replace(request, mini_epochs=often), ratio)


def advice(request: PlanRequest) -> str | None:
    replanned = planner(request)
    return merging_advice(replanned(request.mini_epochs), replanned)


def most_often(replanned: Callable[[Fraction], DualBatchPlan]) -> Fraction | None:
    plan = most_merges(replanned)
    return plan and plan.mini_epochs


def test_ten_merges_leave_two_whole_batches_of_twenty() -> None:
    assert most_often(planner(FOUR_LARGE)) == 10


def test_the_share_of_a_large_worker_grows_with_k() -> None:
    # 1.1 x 2,500 samples are 22 batches, two in each of eleven mini-epochs.
    assert most_often(planner(replace(FOUR_LARGE, small_workers=2))) == 11


def test_a_last_batch_that_lacks_little_is_whole() -> None:
    # 1,860 samples each: eight mini-epochs of 232 lack 18 of two batches, five of 372 lack 3 of
    # three.
    assert most_often(planner(replace(FOUR_LARGE, samples=7_440))) == 5


def test_merges_that_take_long_are_fewer() -> None:
    # Steps of 125 samples take 0.212 s: 0.04 s are a twentieth of four of them, not of two.
    slow = replace(FOUR_LARGE, time_model=TimeModel(0.0016, 0.012, 0.04))
    assert most_often(planner(slow)) == 5


def test_one_sentence_names_the_number_and_the_steps() -> None:
    text = advice(FOUR_LARGE) or ""
    assert "schedule.mini_epochs_per_epoch=10 each worker takes 2 steps or more" in text


def test_nothing_is_said_where_nothing_is_to_be_gained() -> None:
    assert advice(replace(FOUR_LARGE, mini_epochs=Fraction(6))) is None
    assert advice(replace(FOUR_LARGE, workers=1)) is None
    assert advice(replace(FOUR_LARGE, samples=1_200)) is None  # 300 each: 2.4 batches
    assert advice(replace(FOUR_LARGE, samples=4)) is None  # no plan for two mini-epochs


@given(
    samples=st.integers(4, 10**6),
    workers=st.integers(2, 16),
    small=st.integers(0, 16),
    large_batch=st.integers(1, 1024),
)
def test_no_worker_is_left_a_short_batch(
    samples: int, workers: int, small: int, large_batch: int
) -> None:
    assume(small <= workers <= samples)
    request = PlanRequest(TimeModel(0.001, 0.02), samples, workers, small, large_batch, "nearest")
    plan = most_merges(planner(request, 1.05))
    assume(plan is not None)
    for worker in plan.workers:
        assert worker.steps >= 2
        assert worker.samples >= 0.95 * worker.steps * worker.batch
