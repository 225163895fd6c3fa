"""Values that change over a run. No TensorFlow."""

from dbsl_tf.schedules.learning_rate import (
    LearningRateSchedule,
    scale_factor,
    schedule_from_config,
)

__all__ = ["LearningRateSchedule", "scale_factor", "schedule_from_config"]
