"""From what is asked to a plan: Eq. 4-8 for equal workers, their general form for others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import balance, shares
from dbsl_tf.planning.demand import Demand
from dbsl_tf.planning.dual_batch import DualBatchPlan, WorkerPlan

_UPDATE_FACTORS: dict[str, Callable[[float], float]] = {
    "linear": lambda part: part,
    "sqrt": math.sqrt,
    "none": lambda part: 1.0,
}


def plan_dual_batch(
    demand: Demand, extra_time_ratio: float, update_factor: str = "linear"
) -> DualBatchPlan:
    """Decides batch, samples and update factor of every worker.

    Workers 0 to n_S - 1 are small, the others large. Equal workers without overhead get the plan
    of Eq. 4-8 of COMPSAC 2022 and arXiv 2509.26092, with its rounding. Others get shares with
    which all finish together, within the time of a step, see `dbsl_tf.planning.balance`.

    The update factor rests on the part d_i / E_i, of the samples a small worker trains and those
    it would train in the same time with the large batch; for equal workers this is d_S / d_L.
    With n_S = n the large share k d / n still counts, though no worker trains it.

    Args:
        demand: time models, samples, workers, large batch and rounding.
        extra_time_ratio: k, at least 1.
        update_factor: f of a small worker: "linear" that part, "sqrt" its root, "none" 1.

    Raises:
        UserError: there are fewer samples than workers, a worker is too slow to be given any, or
            k leaves a small worker no sample or a batch below 1. The line names the keys to
            change and the k that would work.
    """
    _check(demand)
    ratio = shares.exact(extra_time_ratio)
    if not solvable(demand, ratio):
        raise UserError(_no_solution(demand, ratio))
    factor = _UPDATE_FACTORS[update_factor]
    if demand.equal_workers:
        workers, baseline = _published(demand, ratio, factor)
    else:
        workers, baseline = _balanced(demand, ratio, factor)
    return DualBatchPlan(workers, baseline, demand.samples, float(extra_time_ratio))


def _check(demand: Demand) -> None:
    if demand.samples < demand.workers:
        raise UserError(
            f"cluster.workers is {demand.workers} and exceeds the number of training samples, "
            f"{demand.samples}; use at most {demand.samples}, or raise data.train_samples"
        )
    if demand.equal_workers:
        return
    idle = balance.idle_worker(demand.time_models, demand.large_batch, demand.samples)
    if idle is not None:
        model = demand.time_models[idle]
        raise UserError(
            f"worker {idle} needs {model.mini_epoch_seconds(1, 1):.3g} s for a mini-epoch of one "
            f"sample, longer than the others need for all {demand.samples}; lower cluster.workers "
            "so that it is left out, raise data.train_samples, or measure the time model again"
        )


def _published(
    demand: Demand, ratio: Fraction, factor: Callable[[float], float]
) -> tuple[tuple[WorkerPlan, ...], WorkerPlan]:
    """Returns the workers' plans of Eq. 4-8 and the baseline."""
    model = demand.time_models[0]
    solution = shares.divide(demand, ratio)
    small_factor = factor(min(1.0, solution.small_samples / solution.large_samples))
    small = WorkerPlan(
        0, "small", solution.small_batch, solution.small_samples, small_factor, model
    )
    large = WorkerPlan(0, "large", demand.large_batch, solution.large_samples, 1.0, model)
    workers = tuple(
        replace(small if index < demand.small_workers else large, index=index)
        for index in range(demand.workers)
    )
    equal_share = Fraction(demand.samples, demand.workers)
    return workers, replace(large, samples=shares.rounding_rule(demand.rounding)(equal_share))


def _balanced(
    demand: Demand, ratio: Fraction, factor: Callable[[float], float]
) -> tuple[tuple[WorkerPlan, ...], WorkerPlan]:
    """Returns the workers' plans with which all finish together, and the baseline."""
    models = demand.time_models
    all_large = balance.equal_batches(models, demand.large_batch, demand.samples)
    solution = all_large
    if demand.small_workers > 0:
        small = _small_batches(demand, ratio)
        solution = balance.dual_batches(models, small, demand.large_batch, demand.samples)

    def worker(of: balance.Balance, index: int, small: bool) -> WorkerPlan:
        part = min(1.0, of.shares[index] / of.full_shares[index])
        return WorkerPlan(
            index,
            "small" if small else "large",
            of.batches[index],
            of.shares[index],
            factor(part) if small else 1.0,
            models[index],
        )

    indices = range(demand.workers)
    return (
        tuple(worker(solution, index, index < demand.small_workers) for index in indices),
        max(
            (worker(all_large, index, False) for index in indices),
            key=lambda plan: plan.predicted_seconds,
        ),
    )


def _small_batches(demand: Demand, ratio: Fraction) -> list[float]:
    return balance.small_batches(
        demand.time_models,
        demand.small_workers,
        demand.large_batch,
        demand.samples,
        float(ratio),
    )


def solvable(demand: Demand, ratio: Fraction) -> bool:
    """Returns whether k = `ratio` leaves the small workers a sample and a batch of at least 1."""
    if demand.small_workers == 0:
        return True
    if demand.equal_workers:
        return shares.solvable(demand, ratio)
    return balance.usable(_small_batches(demand, ratio))


def largest_extra_time_ratio(demand: Demand, decimals: int = 4) -> Fraction:
    """Returns the largest k of so many decimals that has a solution, with small workers.

    k = 1 always has one (B_S = B_L), and both d_S and B_S fall as k grows, so the solvable k
    are an interval that begins at 1.
    """
    unit = 10**decimals
    works, fails = unit, 2 * unit
    while solvable(demand, Fraction(fails, unit)):
        works, fails = fails, 2 * fails
    while fails - works > 1:
        middle = (works + fails) // 2
        if solvable(demand, Fraction(middle, unit)):
            works = middle
        else:
            fails = middle
    return Fraction(works, unit)


def _leaves_no_samples(demand: Demand, ratio: Fraction) -> bool:
    if demand.equal_workers:
        return shares.divide(demand, ratio).small_samples < 1
    return max(_small_batches(demand, ratio)) == 0


def _no_solution(demand: Demand, ratio: Fraction) -> str:
    """Returns why `ratio` has no solution, which k have one, and what else would help."""
    remedies = []
    if demand.small_workers < demand.workers:
        remedies.append("more dual_batch.small_workers")
    if _leaves_no_samples(demand, ratio):
        fault = "no samples"
    else:
        fault = "a batch below 1"
        batch_section, time_section = "dual_batch", "time_model"
        if demand.resolution is not None:
            batch_section = time_section = "progressive"
        remedies.append(f"a larger {batch_section}.large_batch ({demand.large_batch})")
        if demand.equal_workers:
            model = demand.time_models[0]
            remedies += [
                f"a larger {time_section}.b ({model.seconds_per_batch})",
                f"a smaller {time_section}.a ({model.seconds_per_sample})",
            ]
    largest = largest_extra_time_ratio(demand)
    allowed = "1" if largest == 1 else f"1 to {float(largest)}"
    where = "" if demand.resolution is None else f" at resolution {demand.resolution}"
    return (
        f"dual_batch.extra_time_ratio is {float(ratio)}, which leaves {fault} to the small "
        f"workers{where}; with dual_batch.small_workers {demand.small_workers} of "
        f"{demand.workers} use {allowed}, or {', or '.join(remedies)}"
    )
