"""Plans for the workers that are there, where some of a cluster are not.

An epoch keeps its samples and its mini-epochs, of n M in number, whoever trains them. With n' of n
workers there, each of them trains n M / n' mini-epochs in an epoch on average, and the plan is the
ordinary one of n' workers for so many: a mini-epoch has d / (n M) samples on average as before, and
takes k times as long as if all of them had the large batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from dbsl_tf.planning.dual_batch import DualBatchPlan, Role
from dbsl_tf.planning.request import PlanRequest


def small_workers_among(workers: int, small_workers: int, present: Sequence[int]) -> int:
    """Returns how many of those present are small: the part n_S / n asked for, rounded.

    Of two numbers that are equally near it is the one that changes fewer roles. Where both kinds
    were asked for, two workers or more are of both kinds.

    Args:
        workers: n.
        small_workers: n_S, of which the indices are the lowest.
        present: indices of those present, at least one.
    """
    there = len(present)
    exact = Fraction(small_workers * there, workers)
    configured = sum(worker < small_workers for worker in present)
    candidates = range(there + 1)
    if 0 < small_workers < workers and there >= 2:
        candidates = range(1, there)
    return min(candidates, key=lambda count: (abs(count - exact), abs(count - configured)))


def request_for_present(request: PlanRequest, present: Sequence[int]) -> PlanRequest:
    """Returns the request for the plan of those present.

    The first of them are small, so that small ones stay small as far as they may.

    Args:
        request: for the plan of all workers.
        present: indices of those present, at least one, in ascending order.
    """
    there = len(present)
    return replace(
        request,
        time_model=tuple(request.time_models[worker] for worker in present),
        workers=there,
        small_workers=small_workers_among(request.workers, request.small_workers, present),
        mini_epochs=request.mini_epochs * Fraction(request.workers, there),
        indices=tuple(present),
    )


def batches_for_present(
    plan: DualBatchPlan, present: Sequence[int], small_workers: int
) -> tuple[int, ...]:
    """Returns the batches of those present where batches are settled.

    A worker that changes its role has the batch of the first worker of the other one.

    Args:
        plan: of all workers.
        present: indices of those present, in ascending order.
        small_workers: how many of them are small, the first ones.
    """
    batches = []
    for place, index in enumerate(present):
        role: Role = "small" if place < small_workers else "large"
        worker, first = plan.workers[index], plan.first(role)
        batches.append(worker.batch if worker.role == role or first is None else first.batch)
    return tuple(batches)


def with_absent(plan: DualBatchPlan, of_all: DualBatchPlan) -> DualBatchPlan:
    """Returns a plan that has the workers of `plan`, and the others as in `of_all`.

    One that comes in the middle of an epoch then takes about as long as the others. Together its
    shares differ from the samples of the epoch, and small workers need not come first.
    """
    there = {worker.index: worker for worker in plan.workers}
    workers = tuple(there.get(worker.index, worker) for worker in of_all.workers)
    return replace(of_all, workers=workers)
