"""A whole run: its settings, and what every worker trains in every epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dbsl_tf.planning import TimeModel, TrainingSchedule
from dbsl_tf.resolved.settings import RunSettings


@dataclass(frozen=True)
class ResolvedRun:
    """All that is known of a run before it begins; see `resolve`.

    Attributes:
        settings: what it does.
        time_models: of each worker, for each resolution, as used for the plans.
        schedule: what every worker trains in every epoch.
        batches: of each worker, for each resolution at which they are settled, so that its time
            models decide on the shares alone.
        provisional: whether there is no time model to rely on: `time_models` only serve for a
            first plan, and the shares follow what is observed.
    """

    settings: RunSettings
    time_models: Mapping[int, Sequence[TimeModel]]
    schedule: TrainingSchedule
    batches: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    provisional: bool = False
