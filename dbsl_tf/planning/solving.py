"""Makes the plan for a request: Eq. 4-8 for equal workers, their general form for others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import balance, shares
from dbsl_tf.planning.dual_batch import DualBatchPlan, WorkerPlan
from dbsl_tf.planning.request import PlanRequest

# Of the part of the samples, and of the batch, that a worker has of those with the large batch.
_Factor = Callable[[float, float], float]
_UPDATE_FACTORS: dict[str, _Factor] = {
    "linear": lambda part, batch: part,
    "sqrt": lambda part, batch: math.sqrt(part),
    "throughput": lambda part, batch: part * batch,
    "none": lambda part, batch: 1.0,
}


def plan_dual_batch(
    request: PlanRequest, extra_time_ratio: float, update_factor: str = "linear"
) -> DualBatchPlan:
    """Decides batch, samples and update factor of every worker.

    The first n_S workers are small, the others large. Equal workers without overhead get the plan
    of Eq. 4-8 of COMPSAC 2022 and arXiv 2509.26092, with its rounding. Others get shares with
    which all finish together, within the time of a step, see `dbsl_tf.planning.balance`.

    The update factor rests on the part d_i / E_i, of the samples a small worker trains and those
    it would train in the same time with the large batch; for equal workers this is d_S / d_L.
    With n_S = n the large share k d / n still counts, though no worker trains it.

    Args:
        request: time models, samples, workers, large batch and rounding.
        extra_time_ratio: k, at least 1.
        update_factor: f of a small worker: "linear" that part, "sqrt" its root, "throughput" that
            part times B_i / B_L (arXiv 2604.21428), "none" 1.

    Raises:
        UserError: there are fewer samples than workers, a worker is too slow to be given any, or
            k leaves a small worker no sample or a batch below 1. The line names the keys to
            change and the k that would work.
    """
    _check(request)
    ratio = shares.exact(extra_time_ratio)
    if not solvable(request, ratio):
        raise UserError(_no_solution(request, ratio))
    factor = _UPDATE_FACTORS[update_factor]
    if request.equal_workers:
        workers, baseline = _published(request, ratio, factor)
    else:
        workers, baseline = _balanced(request, ratio, factor)
    return DualBatchPlan(
        workers, baseline, request.samples, float(extra_time_ratio), request.mini_epochs
    )


def plan_with_batches(
    request: PlanRequest,
    batches: Sequence[int],
    extra_time_ratio: float,
    update_factor: str = "linear",
) -> DualBatchPlan:
    """Divides an epoch between workers whose batches are settled, so that all finish together.

    Unlike the batches of `plan_dual_batch`, the shares depend on nothing but how long each worker
    takes for a sample in such batches, which is observed in any run: a and b need not be known.
    They take as long as they take, whatever k.

    Args:
        request: as for `plan_dual_batch`, with time models that hold for these batches.
        batches: samples in a batch of each worker, 1 to B_L.
        extra_time_ratio: k as asked for.
        update_factor: as for `plan_dual_batch`.

    Raises:
        UserError: there are fewer samples than workers.
    """
    _check_samples(request)
    solution = balance.with_batches(
        request.time_models,
        tuple(batches),
        request.large_batch,
        request.whole_mini_epoch_samples,
    )
    workers, baseline = _plans_of(request, solution, _UPDATE_FACTORS[update_factor])
    return DualBatchPlan(
        workers, baseline, request.samples, float(extra_time_ratio), request.mini_epochs
    )


def _check(request: PlanRequest) -> None:
    _check_samples(request)
    if request.equal_workers:
        return
    samples = request.whole_mini_epoch_samples
    idle = balance.idle_worker(request.time_models, request.large_batch, samples)
    if idle is not None:
        model = request.time_models[idle]
        raise UserError(
            f"worker {request.index(idle)} needs {model.mini_epoch_seconds(1, 1):.3g} s for a "
            f"mini-epoch of one sample, longer than the others need for all {samples}; lower "
            "cluster.workers so that it is left out, raise data.train_samples, or measure the "
            "time model again"
        )


def _check_samples(request: PlanRequest) -> None:
    if request.mini_epoch_samples < request.workers <= request.samples:
        raise UserError(
            f"schedule.mini_epochs_per_epoch is {request.mini_epochs}, which leaves fewer samples "
            f"than workers: with {request.samples} training samples and {request.workers} workers "
            f"(cluster.workers) give at most {request.samples // request.workers}"
        )
    if request.samples < request.workers:
        raise UserError(
            f"cluster.workers is {request.workers} and exceeds the number of training samples, "
            f"{request.samples}; use at most {request.samples}, or raise data.train_samples"
        )


def _published(
    request: PlanRequest, ratio: Fraction, factor: _Factor
) -> tuple[tuple[WorkerPlan, ...], WorkerPlan]:
    """Returns the workers' plans of Eq. 4-8 and the baseline."""
    model = request.time_models[0]
    solution = shares.divide(request, ratio)
    small_factor = factor(
        min(1.0, solution.small_samples / solution.large_samples),
        solution.small_batch / request.large_batch,
    )
    small = WorkerPlan(
        0, "small", solution.small_batch, solution.small_samples, small_factor, model
    )
    large = WorkerPlan(0, "large", request.large_batch, solution.large_samples, 1.0, model)
    workers = tuple(
        replace(small if place < request.small_workers else large, index=request.index(place))
        for place in range(request.workers)
    )
    equal_share = request.mini_epoch_samples / request.workers
    return workers, replace(large, samples=shares.rounding_rule(request.rounding)(equal_share))


def _balanced(
    request: PlanRequest, ratio: Fraction, factor: _Factor
) -> tuple[tuple[WorkerPlan, ...], WorkerPlan]:
    """Returns the workers' plans with which all finish together, and the baseline."""
    models = request.time_models
    small = _small_batches(request, ratio) if request.small_workers > 0 else []
    samples = request.whole_mini_epoch_samples
    solution = balance.dual_batches(models, small, request.large_batch, samples)
    return _plans_of(request, solution, factor)


def _plans_of(
    request: PlanRequest, solution: balance.Balance, factor: _Factor
) -> tuple[tuple[WorkerPlan, ...], WorkerPlan]:
    """Returns the workers' plans of a balance, and the baseline."""
    models = request.time_models
    samples = request.whole_mini_epoch_samples
    all_large = balance.equal_batches(models, request.large_batch, samples)

    def worker(of: balance.Balance, place: int, small: bool) -> WorkerPlan:
        # A worker too slow for a single sample has one nevertheless.
        part = min(1.0, of.shares[place] / max(of.full_shares[place], 1.0))
        return WorkerPlan(
            request.index(place),
            "small" if small else "large",
            of.batches[place],
            of.shares[place],
            factor(part, of.batches[place] / request.large_batch) if small else 1.0,
            models[place],
        )

    places = range(request.workers)
    return (
        tuple(worker(solution, place, place < request.small_workers) for place in places),
        max(
            (worker(all_large, place, False) for place in places),
            key=lambda plan: plan.predicted_seconds,
        ),
    )


def _small_batches(request: PlanRequest, ratio: Fraction) -> list[float]:
    return balance.small_batches(
        request.time_models,
        request.small_workers,
        request.large_batch,
        request.whole_mini_epoch_samples,
        float(ratio),
    )


def solvable(request: PlanRequest, ratio: Fraction) -> bool:
    """Returns whether k = `ratio` leaves the small workers a sample and a batch of at least 1."""
    if request.small_workers == 0:
        return True
    if request.equal_workers:
        return shares.solvable(request, ratio)
    return balance.usable(_small_batches(request, ratio))


def largest_extra_time_ratio(request: PlanRequest, decimals: int = 4) -> Fraction:
    """Returns the largest k of so many decimals that has a solution, with small workers.

    k = 1 always has one, and both d_S and B_S fall as k grows, so the solvable k are an interval
    that begins at 1.
    """
    unit = 10**decimals
    works, fails = unit, 2 * unit
    while solvable(request, Fraction(fails, unit)):
        works, fails = fails, 2 * fails
    while fails - works > 1:
        middle = (works + fails) // 2
        if solvable(request, Fraction(middle, unit)):
            works = middle
        else:
            fails = middle
    return Fraction(works, unit)


def _leaves_no_samples(request: PlanRequest, ratio: Fraction) -> bool:
    if request.equal_workers:
        return shares.divide(request, ratio).small_samples < 1
    return max(_small_batches(request, ratio)) == 0


def _no_solution(request: PlanRequest, ratio: Fraction) -> str:
    """Returns why `ratio` has no solution, which k have one, and what else would help."""
    remedies = []
    if request.small_workers < request.workers:
        remedies.append("more dual_batch.small_workers")
    if _leaves_no_samples(request, ratio):
        fault = "no samples"
    else:
        fault = "a batch below 1"
        batch_section, time_section = "dual_batch", "time_model"
        if request.resolution is not None:
            batch_section = time_section = "progressive"
        remedies.append(f"a larger {batch_section}.large_batch ({request.large_batch})")
        if request.equal_workers:
            model = request.time_models[0]
            remedies += [
                f"a larger {time_section}.b ({model.seconds_per_batch})",
                f"a smaller {time_section}.a ({model.seconds_per_sample})",
            ]
    largest = largest_extra_time_ratio(request)
    allowed = "1" if largest == 1 else f"1 to {float(largest)}"
    where = "" if request.resolution is None else f" at resolution {request.resolution}"
    return (
        f"dual_batch.extra_time_ratio is {float(ratio)}, which leaves {fault} to the small "
        f"workers{where}; with dual_batch.small_workers {request.small_workers} of "
        f"{request.workers} use {allowed}, or {', or '.join(remedies)}"
    )
