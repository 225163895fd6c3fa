"""What a merge rule is told of the plan and the schedule at a commit."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from dbsl_tf.resolved import RunSettings
from dbsl_tf.shared_model.merging import AtCommit


def at_commit(
    settings: RunSettings,
    merged: int,
    commits_before: int,
    factors: Sequence[float],
    learning_rate: float,
) -> AtCommit:
    """Returns what holds for the next commit or round.

    Args:
        settings: of the run.
        merged: commits before it.
        commits_before: see `decay_since_the_one_before`.
        factors: update factors of the workers that its plan is for.
        learning_rate: of them, before it follows a worker's batch.
    """
    return AtCommit(
        mean_factor=fmean(factors),
        learning_rate=learning_rate,
        decay=decay_since_the_one_before(settings, merged, commits_before),
        workers=len(factors),
    )


def decay_since_the_one_before(settings: RunSettings, merged: int, commits_before: int) -> float:
    """Returns by what the learning rate has fallen since the commit, or round, before; at most 1.

    Args:
        settings: of the run.
        merged: commits so far.
        commits_before: commits before the last commit or round; none if negative.
    """
    if commits_before < 0:
        return 1.0
    now, earlier = (
        settings.learning_rate.decayed_rate(settings.calendar.position(number))
        for number in (merged, commits_before)
    )
    return min(1.0, now / earlier) if earlier > 0 else 1.0
