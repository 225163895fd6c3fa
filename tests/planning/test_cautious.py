"""The plan without a time model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.planning import PlanRequest, plan_with_batches
from dbsl_tf.planning.cautious import CautiousStart


def test_a_quarter_of_the_large_batch_by_hand() -> None:
    start = CautiousStart.of(workers=4, small_workers=3, large_batch=50)
    assert start.batches == (12, 12, 12, 50)


@given(
    workers=st.integers(1, 9),
    small=st.integers(0, 9),
    large_batch=st.integers(1, 3000),
    samples=st.integers(9, 100_000),
    seconds=st.one_of(st.none(), st.floats(1e-6, 100.0)),
)
def test_all_have_equal_shares_and_usable_batches(workers, small, large_batch, samples, seconds):
    small = min(small, workers)
    start = CautiousStart.of(workers, small, large_batch, seconds)
    request = PlanRequest(start.time_models, samples, workers, small, large_batch, "nearest")
    plan = plan_with_batches(request, start.batches, 1.1)
    shares = [worker.samples for worker in plan.workers]
    assert sum(shares) == samples
    # The next step's cost of b, next to nothing, may be worth a sample.
    assert max(shares) - min(shares) <= 1
    assert all(1 <= worker.batch <= large_batch for worker in plan.workers)
    assert [worker.role for worker in plan.workers] == ["small"] * small + ["large"] * (
        workers - small
    )
    # Shares are rounded to whole samples.
    assert all(1 - 1 / samples * workers <= w.update_factor <= 1 for w in plan.workers)
