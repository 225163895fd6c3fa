"""The smallest small batches that a stated time for the whole training allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dbsl_tf.common.durations import duration_text
from dbsl_tf.common.errors import UserError
from dbsl_tf.planning.advice import LEAST_ADVISED_BATCH, nearest_to_advised
from dbsl_tf.planning.progressive import TrainingSchedule

_STEPS = 100  # k is chosen in hundredths
_LARGEST = 1_000_000  # k; no batch is large enough for more

Limit = Literal["time", "batch"]


@dataclass(frozen=True)
class Choice:
    """The largest k for one number of small workers; see `largest_within`.

    Attributes:
        small_workers: n_S.
        extra_time_ratio: k, in hundredths.
        schedule: the plan of the whole run with it.
        limit: what the next larger k would exceed: the time, or the least small batch advised.
    """

    small_workers: int
    extra_time_ratio: float
    schedule: TrainingSchedule
    limit: Limit

    @property
    def keys(self) -> str:
        """The overrides that make a run of it."""
        return (
            f"dual_batch.small_workers={self.small_workers} "
            f"dual_batch.extra_time_ratio={self.extra_time_ratio:g}"
        )

    @property
    def small_batches(self) -> tuple[int, int]:
        """Smallest and largest B_S, of all workers and resolutions."""
        return _small_batches(self.schedule)

    def as_dict(self) -> dict[str, Any]:
        """Returns the choice as JSON values; time in seconds."""
        return {
            "small_workers": self.small_workers,
            "extra_time_ratio": self.extra_time_ratio,
            "predicted_seconds": self.schedule.predicted_seconds,
            "limit": self.limit,
        }


def largest_within(
    schedule_with: Callable[[float], TrainingSchedule], small_workers: int, seconds: float
) -> Choice | None:
    """Returns the largest k with which the whole training takes at most so long.

    The small batch falls as k grows; it stays at `LEAST_ADVISED_BATCH` or more, unless it is
    smaller even with k = 1.

    Args:
        schedule_with: returns the plan of the whole run with a k; it raises UserError where there
            is none.
        small_workers: n_S of these plans, at least 1.
        seconds: the time.

    Returns:
        The choice; None if even k = 1 takes longer.

    Raises:
        UserError: there is no plan with k = 1.
    """
    all_large = schedule_with(1.0)
    if all_large.predicted_seconds > seconds:
        return None
    least = min(LEAST_ADVISED_BATCH, _small_batches(all_large)[0])

    def limit_of(steps: int) -> Limit | None:
        try:
            schedule = schedule_with(steps / _STEPS)
        except UserError:
            return "batch"
        if schedule.predicted_seconds > seconds:
            return "time"
        return "batch" if _small_batches(schedule)[0] < least else None

    works, fails = _STEPS, _STEPS + 1
    while (limit := limit_of(fails)) is None and fails < _LARGEST * _STEPS:
        works, fails = fails, 2 * fails - _STEPS
    while fails - works > 1:
        middle = (works + fails) // 2
        found = limit_of(middle)
        if found is None:
            works = middle
        else:
            fails, limit = middle, found
    ratio = works / _STEPS
    return Choice(small_workers, ratio, schedule_with(ratio), limit or "batch")


def best_of(choices: Mapping[int, Choice], workers: int) -> Choice:
    """Returns the one to take: about three quarters of the workers are small.

    Those that leave k at 1, and so the small batch large, only count if there are no others.

    Args:
        choices: by n_S; at least one.
        workers: n.
    """
    gaining = [number for number, each in choices.items() if each.extra_time_ratio > 1]
    return choices[nearest_to_advised(gaining or choices, workers)]


def choice_sentence(choice: Choice, asked: str) -> str:
    """Returns a choice as a sentence.

    Args:
        choice: what was chosen.
        asked: the time as it was written.
    """
    low, high = choice.small_batches
    batches = str(low) if low == high else f"{low} to {high}"
    schedule = choice.schedule
    text = (
        f"Within {asked}: k = {choice.extra_time_ratio:g} with {choice.small_workers} of "
        f"{len(schedule.plain.workers)} workers small (B_S {batches}); {_epochs(schedule)} "
        f"{duration_text(schedule.predicted_seconds)}, evaluations not counted"
    )
    if choice.limit == "batch":
        text += f"; a larger k would fit, but leave a small batch below {LEAST_ADVISED_BATCH}"
    return f"{text}."


def too_short(all_large: TrainingSchedule, asked: str) -> UserError:
    """Returns the error for a time in which not even k = 1 fits.

    Args:
        all_large: the plan with k = 1.
        asked: the time as it was written.
    """
    return UserError(
        f"--within is {asked}, but even with dual_batch.extra_time_ratio=1 {_epochs(all_large)} "
        f"{duration_text(all_large.predicted_seconds)}; allow more time, or lower schedule.epochs"
    )


def _epochs(schedule: TrainingSchedule) -> str:
    return f"all {schedule.epochs} epochs take" if schedule.epochs > 1 else "the epoch takes"


def _small_batches(schedule: TrainingSchedule) -> tuple[int, int]:
    ranges = [plan.small_batches for plan in schedule.plans.values()]
    return min(low for low, _ in ranges), max(high for _, high in ranges)
