"""Values that change over a run. No TensorFlow."""

from dbsl_tf.schedules.learning_rate import (
    LearningRateSchedule,
    scale_factor,
    schedule_from_config,
)
from dbsl_tf.schedules.progressive import (
    ResolutionSettings,
    SubStage,
    resolution_settings,
    settings_at,
    sub_stages_from_config,
)

__all__ = [
    "LearningRateSchedule",
    "ResolutionSettings",
    "SubStage",
    "resolution_settings",
    "scale_factor",
    "schedule_from_config",
    "settings_at",
    "sub_stages_from_config",
]
