"""Whether workers drift apart from the plan, and the shares that would fit if they do."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean, median
from typing import Literal

from dbsl_tf.planning.dual_batch import DualBatchPlan
from dbsl_tf.planning.time_model import TimeModel

THRESHOLD = 0.10
# Mini-epochs of a worker: how many of the latest count, and how many it takes to tell.
_WINDOW = 5
_ENOUGH = 3
# New shares are worth their costs if the slowest worker ends this much earlier.
_WORTH = 0.02

News = Literal["drift", "fits"]
Rebalance = Callable[[Sequence[TimeModel], Sequence[int]], DualBatchPlan]


class DriftWatch:
    """Compares the observed times of the workers' steps with those that the plan rests on.

    Only what tells workers apart is a drift. A factor that all have in common, as on a machine of
    another speed, leaves them finishing together: the plan stands. So nothing is concluded before
    each of them has been observed several times, and while the times of the slowest and the
    fastest overlap.

    A mini-epoch yields one time for one batch size, from which a and b cannot be separated. A plan
    that fits therefore keeps the batches, for which the times were observed, and changes the shares
    alone: whatever a and b are, the workers then finish together.

    Args:
        plan: the plan in force.
        rebalance: returns the plan for other time models of all workers that keeps their batches.

    Attributes:
        plan: the plan in force.
    """

    def __init__(self, plan: DualBatchPlan, rebalance: Rebalance) -> None:
        self.plan = plan
        self._rebalance = rebalance
        # The factors told last, relative to their mean; None: that the plan fits, or nothing.
        self._told: list[float] | None = None
        self._expect()

    def _expect(self) -> None:
        # The first mini-epoch of a worker includes one-time costs.
        self._skip = [1] * len(self.plan.workers)
        self._forget()

    def _forget(self) -> None:
        self._ratios: list[deque[float]] = [deque(maxlen=_WINDOW) for _ in self.plan.workers]

    def observe(self, worker: int, samples: int, steps: int, seconds: float) -> None:
        """Records a mini-epoch of `samples` samples whose `steps` steps took `seconds`."""
        if self._skip[worker]:
            self._skip[worker] -= 1
            return
        model = self.time_models[worker]
        expected = model.seconds_per_sample * samples + model.seconds_per_batch * steps
        self._ratios[worker].append(seconds / expected)

    @property
    def time_models(self) -> tuple[TimeModel, ...]:
        """Time model of each worker, as used for the plan in force."""
        return tuple(worker.time_model for worker in self.plan.workers)

    @property
    def factors(self) -> list[float] | None:
        """Observed over expected time of each worker, the median of its latest mini-epochs.

        None until each was observed often enough to tell.
        """
        if min(map(len, self._ratios)) < _ENOUGH:
            return None
        return [median(ratios) for ratios in self._ratios]

    @property
    def drifted(self) -> bool:
        """Whether some worker is more than `THRESHOLD` slower than another, beyond any doubt."""
        factors = self.factors
        if factors is None or _spread(factors) <= 1 + THRESHOLD:
            return False
        slowest, fastest = factors.index(max(factors)), factors.index(min(factors))
        return min(self._ratios[slowest]) > max(self._ratios[fastest])

    def news(self) -> News | None:
        """Returns what has to be told: a drift that was not, or that the plan fits again.

        None: nothing has changed since what was told last, or it is too early to say.
        """
        factors = self.factors
        if factors is None:
            return None
        if self.drifted:
            known = self._told
            changed = known is None or _differ(_relative(factors), known)
            return "drift" if changed else None
        fits = _spread(factors) <= 1 + THRESHOLD / 2
        return "fits" if self._told is not None and fits else None

    def tell(self, news: News) -> None:
        """Records that `news` was told. The next will rest on what is observed from now on."""
        factors = self.factors
        self._told = _relative(factors) if news == "drift" and factors is not None else None
        self._forget()

    def fitting_plan(self) -> DualBatchPlan | None:
        """Returns the plan for the speeds observed; None if it is no better than that in force."""
        observed = self._observed_models()
        plan = self._rebalance(observed, [worker.batch for worker in self.plan.workers])
        now, then = _seconds(self.plan, observed), _seconds(plan, observed)
        better = max(then) <= (1 - _WORTH) * max(now) and _spread(then) < _spread(now)
        return plan if better else None

    def follow(self, plan: DualBatchPlan) -> None:
        """Goes on with a plan of the same workers and speeds for mini-epochs of another length."""
        self.plan = plan
        self._skip = [1] * len(plan.workers)

    def adopt(self, plan: DualBatchPlan) -> None:
        """Expects from now on what `plan`, from `fitting_plan`, rests on."""
        self.plan = plan
        self._told = None
        self._expect()

    def _observed_models(self) -> tuple[TimeModel, ...]:
        return tuple(
            replace(
                model,
                seconds_per_sample=model.seconds_per_sample * factor,
                seconds_per_batch=model.seconds_per_batch * factor,
            )
            for model, factor in zip(self.time_models, self.factors or [1.0] * len(self._ratios))
        )


def _seconds(plan: DualBatchPlan, models: Sequence[TimeModel]) -> list[float]:
    """Returns how long each worker takes for its share of a plan."""
    return [
        model.mini_epoch_seconds(worker.samples, worker.batch)
        for model, worker in zip(models, plan.workers)
    ]


def _spread(values: Sequence[float]) -> float:
    return max(values) / min(values)


def _relative(factors: Sequence[float]) -> list[float]:
    """Returns the factors over their geometric mean."""
    mean = math.exp(fmean(map(math.log, factors)))
    return [factor / mean for factor in factors]


def _differ(factors: Sequence[float], others: Sequence[float]) -> bool:
    return _spread([factor / other for factor, other in zip(factors, others)]) > 1 + THRESHOLD
