"""What the configuration can name that others can add to; see `dbsl_tf.common.registry`.

Built-ins are import paths, as the configuration is read without TensorFlow.
"""

from __future__ import annotations

from dbsl_tf.common.registry import Registry

OPTIMIZERS = Registry(
    "optimizer.name",
    {
        "sgd": "dbsl_tf.training.optimizers.sgd:SGD",
        "adamw": "dbsl_tf.training.optimizers.adamw:AdamW",
        "lars": "dbsl_tf.training.optimizers.lars:LARS",
    },
)
