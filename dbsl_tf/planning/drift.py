"""Whether workers are as fast as the plan expects, and the plan that would fit if not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from dbsl_tf.planning.dual_batch import DualBatchPlan
from dbsl_tf.planning.time_model import TimeModel

THRESHOLD = 0.10
_WINDOW = 3
_ENOUGH = 2


class DriftWatch:
    """Compares the observed time of every worker's steps with its time model.

    A mini-epoch yields one time for one batch size, from which a and b cannot be separated: for a
    worker that takes s times as long as expected, both are assumed to be s times as large.

    Args:
        time_models: of each worker, as used for the plan.
        plan_with: makes the plan for other time models.
    """

    def __init__(
        self,
        time_models: Sequence[TimeModel],
        plan_with: Callable[[Sequence[TimeModel]], DualBatchPlan],
    ) -> None:
        self._time_models = tuple(time_models)
        self._plan_with = plan_with
        # The first mini-epoch of a worker includes one-time costs.
        self._skip = [1] * len(self._time_models)
        self._ratios: list[deque[float]] = [deque(maxlen=_WINDOW) for _ in self._time_models]

    def observe(self, worker: int, samples: int, steps: int, seconds: float) -> None:
        """Records a mini-epoch of `samples` samples whose `steps` steps took `seconds`."""
        if self._skip[worker]:
            self._skip[worker] -= 1
            return
        model = self._time_models[worker]
        expected = model.seconds_per_sample * samples + model.seconds_per_batch * steps
        self._ratios[worker].append(seconds / expected)

    @property
    def time_models(self) -> tuple[TimeModel, ...]:
        """Time model of each worker, as used for the plan in force."""
        return self._time_models

    @property
    def factors(self) -> list[float]:
        """Observed over expected time of each worker, the median of its latest mini-epochs.

        1 for a worker that was not observed often enough to tell.
        """
        return [median(ratios) if len(ratios) >= _ENOUGH else 1.0 for ratios in self._ratios]

    @property
    def drifted(self) -> bool:
        """Whether some worker is more than `THRESHOLD` slower or faster than expected."""
        return any(abs(factor - 1.0) > THRESHOLD for factor in self.factors)

    def fitting_plan(self) -> DualBatchPlan:
        """Returns the plan for the speeds observed.

        Raises:
            UserError: there is no plan for them.
        """
        return self._plan_with(self._observed_models())

    def adopt(self) -> None:
        """Expects the observed speeds from now on."""
        self._time_models = self._observed_models()
        for ratios in self._ratios:
            # What a slow worker has shown so far must not be forgotten.
            if len(ratios) >= _ENOUGH:
                ratios.clear()
        self._skip = [1] * len(self._time_models)

    def _observed_models(self) -> tuple[TimeModel, ...]:
        return tuple(
            replace(
                model,
                seconds_per_sample=model.seconds_per_sample * factor,
                seconds_per_batch=model.seconds_per_batch * factor,
            )
            for model, factor in zip(self._time_models, self.factors)
        )
