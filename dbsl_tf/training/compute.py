"""Precision and compilation of training steps."""

from __future__ import annotations

from dataclasses import dataclass

from dbsl_tf.config.names import Precision
from dbsl_tf.training.loss_scale import LossScale


@dataclass(frozen=True)
class Compute:
    """Precision and compilation of training steps; see the configuration section `compute`.

    Attributes:
        precision: of the layers up to the pooling. Weights, batch statistics, classifier and loss
            are float32 in any case.
        xla: whether XLA compiles the training step, once for each batch size.
    """

    precision: Precision = "float32"
    xla: bool = False

    @property
    def loss_scale(self) -> LossScale | None:
        """Loss scaling, if gradients need it; bfloat16 has the range of float32."""
        return LossScale() if self.precision == "mixed_float16" else None
