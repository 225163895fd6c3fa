"""The calendar of a run that is simulated for another number of epochs."""

from __future__ import annotations

from itertools import groupby

from dbsl_tf.common.errors import UserError
from dbsl_tf.resolved import RunSettings
from dbsl_tf.schedules.calendar import Calendar, Stretch


def simulated_calendar(settings: RunSettings, epochs: int) -> Calendar:
    """Returns the calendar of so many epochs of a run.

    As many of them as in the run are local. Over the others, mini-epochs get longer in the same
    proportions as over those of the run.

    Raises:
        UserError: there are fewer epochs than local ones.
    """
    run = settings.calendar
    merged, of_run = epochs - run.local_epochs, run.epochs - run.local_epochs
    if merged < 0:
        raise UserError(
            f"simulate.epochs is {epochs}, and schedule.final_local_epochs is {run.local_epochs}: "
            f"give at least {run.local_epochs}"
        )
    often = [
        run.mini_epochs(1 + epoch * of_run // merged) for epoch in range(merged if of_run else 0)
    ]
    stretches, last = [], 0
    for each, same in groupby(often):
        last += len(list(same))
        stretches.append(Stretch(last, each))
    return Calendar(
        run.workers,
        epochs,
        eval_every=run.eval_every,
        stretches=tuple(stretches),
        local_epochs=run.local_epochs,
    )
