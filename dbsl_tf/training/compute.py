"""How training steps are computed."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from dbsl_tf.config.names import Precision
from dbsl_tf.config.training_sections import ComputeSection
from dbsl_tf.training.loss_scale import LossScale


@dataclass(frozen=True)
class Compute:
    """How steps are computed; see the configuration section `compute`.

    Attributes:
        precision: of the layers up to the pooling. Weights, batch statistics, classifier and loss
            are float32 in any case.
        xla: whether XLA compiles the training step, once for each batch size.
        winograd: whether convolutions are computed as in `dbsl_tf.models.winograd` where that is
            faster.
    """

    precision: Precision = "float32"
    xla: bool = False
    winograd: bool = False

    @classmethod
    def of(cls, section: ComputeSection) -> Compute:
        """Returns what the section means on the devices that this process is connected to.

        Raises:
            UserError: the precision is not settled.
        """
        on_gpus = bool(tf.config.list_logical_devices("GPU"))
        winograd = section.winograd_on_cpus and not on_gpus
        return cls(section.settled_precision, section.xla, winograd)

    @property
    def loss_scale(self) -> LossScale | None:
        """Loss scaling, if gradients need it; bfloat16 has the range of float32."""
        return LossScale() if self.precision == "mixed_float16" else None
