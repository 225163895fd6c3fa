"""Losses and metrics of models with several outputs, by the name of the output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.training.objective import (
    LossFunction,
    SummedMetric,
    aligned,
    per_sample,
    tensor_text,
)


@dataclass(frozen=True)
class OfOutput:
    """Something that is given for one output.

    Attributes:
        output: key of the dicts of labels and of predictions.
        of: what is given.
    """

    output: str
    of: Any

    def part(self, y: Any, prediction: Any) -> tuple[Any, Any]:
        """Returns labels and predictions of the output.

        Raises:
            UserError: they are not dicts that have it.
        """
        for what, values in (("labels", y), ("predictions", prediction)):
            if not isinstance(values, Mapping):
                raise UserError(
                    f"the loss or metrics are given by output ({self.output}), but the {what} are "
                    f"{tensor_text(values)}: give one loss and a list of metrics, or make labels "
                    "and predictions dicts"
                )
            if self.output not in values:
                raise UserError(
                    f"the loss or metrics have the output {self.output}, but the {what} have "
                    f"{', '.join(map(str, values))}; give those of each output by its name"
                )
        return y[self.output], prediction[self.output]


class LossOfOutputs:
    """The sum of the losses of outputs; one without a loss does not count.

    Args:
        losses: by the name of the output.
    """

    def __init__(self, losses: Mapping[str, LossFunction]) -> None:
        self._losses = [OfOutput(output, loss) for output, loss in losses.items()]
        if not self._losses:
            raise UserError("loss is an empty dict; give a loss for an output of the model")

    def __call__(self, y: Any, prediction: Any) -> tf.Tensor:
        return tf.add_n(
            [
                per_sample(each.of(*aligned(*each.part(y, prediction))), f"loss {each.output}")
                for each in self._losses
            ]
        )


class MetricOfOutput:
    """A metric of one output, whose name begins with that of the output.

    Args:
        output: its name.
        metric: of its labels and predictions.
    """

    def __init__(self, output: str, metric: SummedMetric) -> None:
        self.name = f"{output}_{metric.name}"
        self.is_accuracy = metric.is_accuracy
        self.parts = metric.parts
        self._of = OfOutput(output, metric)

    def zero(self) -> tuple[tf.Tensor, ...]:
        return self._of.of.zero()

    def of_batch(self, y: Any, prediction: Any) -> tuple[tf.Tensor, ...]:
        return self._of.of.of_batch(*self._of.part(y, prediction))

    def value(self, sums: Sequence[np.ndarray], samples: int) -> float:
        return self._of.of.value(sums, samples)
