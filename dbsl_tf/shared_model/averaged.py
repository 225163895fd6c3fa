"""An average of the global weights over commits, kept beside them on the parameter servers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from dbsl_tf.schedules.averaging import Averaging
from dbsl_tf.shared_model.stored_model import StoredModel


class AveragedWeights:
    """The average e of the global weights g: e ← (1 − s)·e + s·g after each commit.

    It is of the whole model, batch-normalisation statistics included, and takes one model copy on
    the parameter servers. Nothing is sent for it.

    Args:
        stored: holds the global weights.
        averaging: gives the shares s.
        average: to go on with, in the model's order; empty: it is g.

    Attributes:
        pieces: of the average, each beside its counterpart in `StoredModel.weights`.
    """

    def __init__(
        self, stored: StoredModel, averaging: Averaging, average: Sequence[np.ndarray]
    ) -> None:
        self._packing = stored.packing
        self._averaging = averaging
        initial = (
            stored.packing.pack_arrays(average)
            if average
            else [weight.numpy() for weight in stored.weights]
        )
        self.pieces: list[tf.Variable] = []
        for weight, value in zip(stored.weights, initial, strict=True):
            with tf.device(weight.device):
                self.pieces.append(tf.Variable(value, trainable=False))

    def share(self, commit: int, count: int) -> np.float32:
        """Returns s for a merge of `count` mini-epochs after `commit` commits."""
        return np.float32(self._averaging.share(commit + 1, commit + count))

    def update(self, weights: Sequence[tf.Tensor], share: tf.Tensor) -> list[tf.Operation]:
        """Adds the global weights after a merge, in pieces, with a share s, float32 scalar."""
        updated = []
        for piece, weight in zip(self.pieces, weights, strict=True):
            with tf.device(piece.device):
                # With a share of 1 this is exactly the weight.
                value = (1.0 - share) * piece + share * weight
                updated.append(piece.assign(value, read_value=False))
        return updated

    def saved(self, commit: int, pieces: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the average of pieces in the model's order; empty while it is g."""
        return self._packing.unpack_arrays(pieces) if self._averaging.has_begun(commit) else []
