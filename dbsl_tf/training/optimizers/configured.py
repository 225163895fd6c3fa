"""The optimiser that a configuration names."""

from __future__ import annotations

from dbsl_tf.config.registries import OPTIMIZERS
from dbsl_tf.config.training_sections import OptimizerSection
from dbsl_tf.training.optimizers.clipping import Clipped
from dbsl_tf.training.optimizers.optimizer import Optimizer


def build_optimizer(section: OptimizerSection) -> Optimizer:
    """Returns the optimiser of a configuration.

    One with keys of its own has its arguments from them, another from `optimizer.options`.

    Raises:
        UserError: there is none of that name or at that import path, or it does not take these
            options.
    """
    arguments = section.arguments or section.options
    made = OPTIMIZERS.make(section.name, arguments, ["initial_state", "step"])
    return made if section.clip_norm is None else Clipped(made, section.clip_norm)
