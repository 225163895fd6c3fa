"""A whole run: its settings, and who trains how much in every epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dbsl_tf.planning import TimeModel, TrainingSchedule
from dbsl_tf.resolved.settings import RunSettings


@dataclass(frozen=True)
class ResolvedRun:
    """All that there is to know of a run before it begins; see `resolve`.

    Attributes:
        settings: what it does.
        time_models: one a worker, for each resolution; those that the plans were made with.
        schedule: what every worker trains in every epoch.
    """

    settings: RunSettings
    time_models: Mapping[int, Sequence[TimeModel]]
    schedule: TrainingSchedule
