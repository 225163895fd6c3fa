"""Chooses k of a run for a stated time; see `dbsl_tf.planning.within`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dbsl_tf.common.durations import parsed_duration
from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import TimeModel, TrainingSchedule
from dbsl_tf.planning.within import Choice, largest_within, too_short
from dbsl_tf.resolved.settings import RunSettings


def choices_within(
    settings: RunSettings,
    time_models: Mapping[int, Sequence[TimeModel]],
    small_workers: Iterable[int],
    asked: str,
) -> dict[int, Choice]:
    """Returns the largest k that fits the time, for each n_S with which anything does.

    Args:
        settings: of the run; its own n_S and k have no effect.
        time_models: of each worker, for each resolution of the run.
        small_workers: the n_S to try, each at least 1; there is at least one.
        asked: the time of the whole training, such as 2h; see `parsed_duration`.

    Raises:
        UserError: that is no time, there is no plan, or with no n_S does even k = 1 fit.
    """
    seconds = parsed_duration(asked)
    if seconds is None:
        raise UserError(
            f"--within has {asked!r}; give a time above 0, such as 2h, 90m, 1h30m or 5400 (seconds)"
        )
    choices = {}
    for number in small_workers:

        def schedule_with(ratio: float, number: int = number) -> TrainingSchedule:
            return settings.with_split(number, ratio).schedule(time_models)

        choice = largest_within(schedule_with, number, seconds)
        if choice is not None:
            choices[number] = choice
    if not choices:
        raise too_short(schedule_with(1.0), asked)
    return choices
