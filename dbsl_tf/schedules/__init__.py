"""Values that change over a run. No TensorFlow."""

from dbsl_tf.schedules.learning_rate import (
    LearningRateFunction,
    LearningRates,
    LearningRateSchedule,
    scale_factor,
)
from dbsl_tf.schedules.progressive import ResolutionSettings, SubStage

__all__ = [
    "LearningRateFunction",
    "LearningRateSchedule",
    "LearningRates",
    "ResolutionSettings",
    "SubStage",
    "scale_factor",
]
