"""What a merge rule is told of the plan and the schedule at a commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from dbsl_tf.resolved import RunSettings
from dbsl_tf.shared_model.merging import AtCommit


def at_commit(
    settings: RunSettings, merged: int, factors: Sequence[float], learning_rate: float
) -> AtCommit:
    """Returns what holds for the next commit or round.

    Args:
        settings: of the run.
        merged: commits before it.
        factors: update factors of the workers that its plan is for.
        learning_rate: of them, before it follows a worker's batch.
    """
    return AtCommit(
        mean_factor=fmean(factors),
        learning_rate=learning_rate,
        decay=decay_since_the_one_before(settings, merged),
        workers=len(factors),
    )


def decay_since_the_one_before(settings: RunSettings, merged: int) -> float:
    """Returns by what the learning rate has fallen since the commit, or round, before; at most 1.

    It follows from the number of commits alone, so that a run which is resumed goes on alike.
    """
    calendar = settings.calendar
    in_rounds = settings.synchronization.in_rounds
    step = settings.cluster.workers if in_rounds else 1
    position: Callable[[int], float] = calendar.position
    if in_rounds:
        position = calendar.round_position
    if merged < step:
        return 1.0
    now, before = (
        settings.learning_rate.decayed_rate(position(number)) for number in (merged, merged - step)
    )
    return min(1.0, now / before) if before > 0 else 1.0
