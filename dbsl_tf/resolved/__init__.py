"""What a run does, worked out of its configuration once. No TensorFlow."""

from dbsl_tf.resolved.from_config import resolve, resolve_cautiously, settings_of
from dbsl_tf.resolved.run import ResolvedRun
from dbsl_tf.resolved.settings import ModelSettings, RunSettings, TimeSource
from dbsl_tf.resolved.time_models import time_models_of

__all__ = [
    "ModelSettings",
    "ResolvedRun",
    "RunSettings",
    "TimeSource",
    "resolve",
    "resolve_cautiously",
    "settings_of",
    "time_models_of",
]
