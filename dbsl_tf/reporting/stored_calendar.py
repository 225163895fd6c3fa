"""The calendar of a run as its directory records it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from dbsl_tf.schedules.calendar import Calendar, Stretch
from dbsl_tf.schedules.merge_intervals import constant_stretches


def calendar_of(config: Mapping[str, Any], plan: Mapping[str, Any], workers: int) -> Calendar:
    """Returns the calendar of a run, without what is due when.

    How often epochs are merged follows from the plan, which has it even where a learning rate of
    the user's own decides; without one, from the configuration as if it never changed.

    Args:
        config: its configuration by dotted key; with no number of epochs, the calendar has one.
        plan: the content of plan.json; empty if there is none.
        workers: number of workers (n).
    """
    epochs = _count(config, "schedule.epochs", least=1)
    local = min(_count(config, "schedule.final_local_epochs", least=0), epochs)
    stretches = _stretches(plan.get("schedule") or ())
    if stretches and stretches[-1].last_epoch == epochs:
        return Calendar(workers, epochs, stretches=tuple(stretches))
    often = _count(config, "schedule.mini_epochs_per_epoch", least=1)
    stretches = constant_stretches(epochs - local, often)
    return Calendar(workers, epochs, stretches=stretches, local_epochs=local)


def _count(config: Mapping[str, Any], key: str, least: int) -> int:
    value = config.get(key)
    return value if isinstance(value, int) and value >= least else least


def _stretches(sub_stages: Sequence[Mapping[str, Any]]) -> Sequence[Stretch]:
    """Returns the stretches of a schedule; empty if it does not say, as in earlier versions."""
    stretches: list[Stretch] = []
    end = 0
    for part in sub_stages:
        first, last, mini_epochs = (
            part.get(key) for key in ("first_epoch", "last_epoch", "mini_epochs")
        )
        if not (isinstance(last, int) and isinstance(mini_epochs, int) and mini_epochs > 0):
            return ()
        if first != end + 1 or last < first:
            return ()
        stretches.append(Stretch(last, Fraction(mini_epochs, last - end)))
        # An epoch has whole mini-epochs, or several epochs have one.
        if 1 not in (stretches[-1].mini_epochs.denominator, stretches[-1].mini_epochs.numerator):
            return ()
        end = last
    return stretches
