"""The calendar of a run as its directory records it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbsl_tf.schedules.calendar import Calendar


def calendar_of(config: Mapping[str, Any], workers: int) -> Calendar:
    """Returns the calendar of a run.

    Args:
        config: its configuration by dotted key; with no number of epochs, the calendar has one.
        workers: number of workers (n).
    """
    epochs = config.get("schedule.epochs")
    return Calendar(workers, epochs if isinstance(epochs, int) and epochs > 0 else 1)
