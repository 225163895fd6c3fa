"""Values that change over a run. No TensorFlow."""

from dbsl_tf.schedules.learning_rate import LearningRateSchedule, scale_factor
from dbsl_tf.schedules.progressive import ResolutionSettings, SubStage

__all__ = ["LearningRateSchedule", "ResolutionSettings", "SubStage", "scale_factor"]
