"""Plans for the workers that are there."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import (
    DualBatchPlan,
    PlanRequest,
    TimeModel,
    plan_dual_batch,
    plan_with_batches,
)
from dbsl_tf.planning.present_workers import (
    batches_for_present,
    request_for_present,
    small_workers_among,
    with_absent,
)

EQUAL = TimeModel(0.0005, 0.015)
UNEQUAL = (EQUAL, TimeModel(0.0007, 0.02, 0.1), TimeModel(0.0004, 0.01, 0.05))


@st.composite
def clusters(draw: st.DrawFn) -> tuple[PlanRequest, tuple[int, ...]]:
    """The request of a cluster, and which of its workers are there."""
    workers = draw(st.integers(1, 9))
    small = draw(st.integers(0, workers))
    present = draw(st.sets(st.integers(0, workers - 1), min_size=1))
    equal = draw(st.booleans())
    models = tuple(EQUAL if equal else UNEQUAL[i % 3] for i in range(workers))
    request = PlanRequest(
        models,
        draw(st.integers(20_000, 60_000)),
        workers,
        small,
        draw(st.sampled_from([64, 500])),
        draw(st.sampled_from(["nearest", "floor"])),
        mini_epochs=draw(st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(3)])),
    )
    return request, tuple(sorted(present))


def planned(request: PlanRequest, ratio: float = 1.05) -> DualBatchPlan:
    try:
        return plan_dual_batch(request, ratio)
    except UserError:
        assume(False)
        raise


@given(clusters())
def test_the_mini_epochs_of_those_present_are_an_epoch(
    cluster: tuple[PlanRequest, tuple[int, ...]],
) -> None:
    request, present = cluster
    plan = planned(request_for_present(request, present))
    assert [worker.index for worker in plan.workers] == list(present)
    share = len(present) * request.mini_epoch_samples / request.workers
    assert sum(w.samples for w in plan.workers) == pytest.approx(float(share), abs=len(present))
    # Of all mini-epochs of the epoch each trains a part.
    assert plan.mini_epochs * len(present) == request.mini_epochs * request.workers
    assert plan.samples == request.samples


@given(clusters())
def test_those_present_finish_together_within_a_step(
    cluster: tuple[PlanRequest, tuple[int, ...]],
) -> None:
    request, present = cluster
    plan = planned(request_for_present(request, present))
    seconds = [worker.predicted_seconds for worker in plan.workers]
    step = max(w.time_model.batch_seconds(w.batch) for w in plan.workers)
    # Eq. 4-8 count no whole steps, and round the batch.
    rounded = max(seconds) / min(worker.batch for worker in plan.workers)
    spare = step + (rounded if request.equal_workers else 0.0)
    assert max(seconds) - min(seconds) <= spare + 1e-9


@given(clusters())
def test_roles_change_no_more_than_they_have_to(
    cluster: tuple[PlanRequest, tuple[int, ...]],
) -> None:
    request, present = cluster
    plan = planned(request_for_present(request, present))
    small = plan.count("small")
    exact = Fraction(request.small_workers * len(present), request.workers)
    both = 0 < request.small_workers < request.workers and len(present) > 1
    assert abs(small - exact) <= Fraction(1, 2) or (both and small in (1, len(present) - 1))
    if both:
        assert 0 < small < len(present)
    configured = sum(worker < request.small_workers for worker in present)
    changed = sum(
        (worker.role == "small") != (worker.index < request.small_workers)
        for worker in plan.workers
    )
    assert changed == abs(small - configured)


@given(clusters())
def test_with_all_present_it_is_the_plan_of_all(
    cluster: tuple[PlanRequest, tuple[int, ...]],
) -> None:
    request, _ = cluster
    everybody = tuple(range(request.workers))
    assert planned(request_for_present(request, everybody)) == planned(request)


@given(clusters())
def test_those_absent_keep_what_they_have_in_the_plan_of_all(
    cluster: tuple[PlanRequest, tuple[int, ...]],
) -> None:
    request, present = cluster
    of_all, plan = planned(request), planned(request_for_present(request, present))
    complete = with_absent(plan, of_all)
    assert [worker.index for worker in complete.workers] == list(range(request.workers))
    by_index = {worker.index: worker for worker in plan.workers}
    for worker in complete.workers:
        expected = by_index.get(worker.index, of_all.workers[worker.index])
        assert worker == expected
    assert complete.mini_epochs == of_all.mini_epochs


@pytest.mark.parametrize(
    ("workers", "small", "present", "expected"),
    [
        (4, 1, (0, 1, 3), 1),
        (4, 1, (1, 2, 3), 1),
        (4, 3, (0, 1), 1),
        (4, 3, (0, 1, 2), 2),
        # A half goes where fewer change their role.
        (4, 2, (0, 1, 3), 2),
        (4, 2, (0, 2, 3), 1),
        (4, 2, (0,), 1),
        (4, 2, (3,), 0),
        (4, 1, (0,), 0),
        (4, 0, (0, 1), 0),
        (4, 4, (2, 3), 2),
        # Both kinds stay.
        (9, 1, (0, 7), 1),
        (9, 8, (3, 4), 1),
    ],
)
def test_the_share_of_small_workers_is_rounded(
    workers: int, small: int, present: tuple[int, ...], expected: int
) -> None:
    assert small_workers_among(workers, small, present) == expected


def test_settled_batches_go_with_the_roles() -> None:
    request = PlanRequest(UNEQUAL[0], 40_000, 4, 1, 500, "nearest")
    of_all = plan_with_batches(request, (125, 500, 500, 500), 1.05)
    here = request_for_present(request, (1, 2, 3))
    batches = batches_for_present(of_all, (1, 2, 3), here.small_workers)
    assert batches == (125, 500, 500)
    plan = plan_with_batches(here, batches, 1.05)
    assert [(w.index, w.role, w.batch) for w in plan.workers] == [
        (1, "small", 125),
        (2, "large", 500),
        (3, "large", 500),
    ]
    assert sum(worker.samples for worker in plan.workers) == 30_000


def test_a_worker_too_slow_is_named_by_its_index_in_the_cluster() -> None:
    slow = TimeModel(100.0, 100.0, 1e6)
    request = PlanRequest((EQUAL, EQUAL, slow), 600, 3, 0, 100, "nearest")
    with pytest.raises(UserError, match="^worker 2 needs"):
        plan_dual_batch(request_for_present(request, (1, 2)), 1.05)
