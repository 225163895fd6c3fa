"""Optimisers as pure functions over lists of tensors, one file each.

They are named in `dbsl_tf.config.registries.OPTIMIZERS`.
"""

from dbsl_tf.training.optimizers.adamw import AdamW
from dbsl_tf.training.optimizers.clipping import Clipped
from dbsl_tf.training.optimizers.configured import build_optimizer
from dbsl_tf.training.optimizers.lars import LARS
from dbsl_tf.training.optimizers.optimizer import Optimizer
from dbsl_tf.training.optimizers.sgd import SGD

__all__ = ["SGD", "AdamW", "Clipped", "LARS", "Optimizer", "build_optimizer"]
