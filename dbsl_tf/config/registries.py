"""What the configuration can name that others can add to; see `dbsl_tf.common.registry`.

Built-ins are import paths, as the configuration is read without TensorFlow.
"""

from __future__ import annotations

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from dbsl_tf.common.registry import Registry
from dbsl_tf.config.names import DATASET_NAMES, MODEL_NAMES

# Functions that return training data, see `dbsl_tf.data.training_data`; the built-ins are made of
# the other keys of the section.
DATA = Registry(
    "data.name", {name: "dbsl_tf.data.configured:training_data" for name in DATASET_NAMES}
)

MODELS = Registry(
    "model.name", {name: "dbsl_tf.models.building:build_model" for name in MODEL_NAMES}
)

OPTIMIZERS = Registry(
    "optimizer.name",
    {
        "sgd": "dbsl_tf.training.optimizers.sgd:SGD",
        "adamw": "dbsl_tf.training.optimizers.adamw:AdamW",
        "lars": "dbsl_tf.training.optimizers.lars:LARS",
    },
)

# Functions from (images, labels, seed) of a batch to (images, labels), beside the built-in ones in
# `dbsl_tf.config.augment`; see `dbsl_tf.data.own_augmentation`.
AUGMENT_FUNCTIONS = Registry("data.augment", {})

# Functions of one global weight, a worker's and its update factor, see `shared_model.merge`; and
# classes, see `shared_model.outer`.
MERGE_RULES = Registry(
    "merge.rule",
    {
        "average": "dbsl_tf.shared_model.merge:average",
        "interpolate": "dbsl_tf.shared_model.merge:interpolate",
        "delta": "dbsl_tf.shared_model.outer:Delta",
        "delayed_nesterov": "dbsl_tf.shared_model.outer:DelayedNesterov",
        "nesterov": "dbsl_tf.shared_model.outer:Nesterov",
        "slowmo": "dbsl_tf.shared_model.outer:SlowMo",
    },
)

# Functions that return a loss and metrics together.
OBJECTIVES = Registry("training.loss", {})

# Functions that return a function from an epoch to a base learning rate.
LEARNING_RATES = Registry("schedule.learning_rate", {})


def chosen_from(registry: Registry) -> AfterValidator:
    """Returns what checks that a key names something in a registry, or an import path."""

    def check(choice: str) -> str:
        problem = registry.problem(choice)
        if problem is not None:
            raise PydanticCustomError("not_allowed", "{allowed}", {"allowed": problem})
        return choice

    return AfterValidator(check)
