"""Losses of Keras 3 and keras-core as functions to one value for each sample."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from dbsl_tf.training.keras_classes import has_base


class KerasLoss:
    """A loss of Keras without its reduction: the mean over the samples is taken in any case.

    Positions that the loss masks, as with `ignore_class`, count with a loss of 0.

    Args:
        loss: of Keras 3 or keras-core; stays as it is.
    """

    def __init__(self, loss: Any) -> None:
        self.name = str(loss.name)
        self._class = type(loss)
        self._attributes = {**vars(loss), "reduction": "none"}

    def __call__(self, y: Any, prediction: Any) -> tf.Tensor:
        # Losses of Keras can be pickled by their configuration alone, which many do not tell.
        loss = object.__new__(self._class)
        vars(loss).update(self._attributes)
        return loss(y, prediction)


def is_loss(value: Any) -> bool:
    """Whether it is a loss of Keras 3 or keras-core, or a class of them."""
    return has_base(value, "Loss")
