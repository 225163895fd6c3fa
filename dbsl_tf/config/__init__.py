"""The configuration of a run: typed, checked, read from YAML and overrides. No TensorFlow."""

from dbsl_tf.config.augment import AUGMENTATIONS, AugmentStep
from dbsl_tf.config.keys import KeyDescription, describe_augmentations, describe_keys
from dbsl_tf.config.loading import config_of, load_config
from dbsl_tf.config.names import DATASET_NAMES, MODEL_NAMES
from dbsl_tf.config.schema import Config

__all__ = [
    "AUGMENTATIONS",
    "AugmentStep",
    "Config",
    "DATASET_NAMES",
    "KeyDescription",
    "MODEL_NAMES",
    "describe_augmentations",
    "config_of",
    "describe_keys",
    "load_config",
]
