"""A keras-core model as a pure function of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dbsl_tf.models import decayed_weights, is_seed_state
from dbsl_tf.training.compute import Compute


class Network:
    """The forward pass of a model, with weights, statistics and seeds passed in and out.

    `weights` are, in this order, the trainable weights and the moving statistics of batch
    normalisation: what is pulled, merged and saved. The state of seed generators (dropout) is not
    among them.

    Args:
        model: a built keras-core model that maps images to logits.
        decay_all: whether weight decay applies to biases and normalisation too.
        compute: precision and XLA of training steps; the model is already in this precision.

    Attributes:
        compute: as given.
        trainable_count: number of trainable weights.
        decay: for each of them, whether weight decay applies to it.
    """

    def __init__(self, model: Any, decay_all: bool = False, compute: Compute | None = None) -> None:
        self._model = model
        self.compute = compute or Compute()
        self._seed_positions = {
            position: variable
            for position, variable in enumerate(model.non_trainable_variables)
            if is_seed_state(variable)
        }
        self._statistics = [v for v in model.non_trainable_variables if not is_seed_state(v)]
        self.trainable_count = len(model.trainable_variables)
        self.decay = [decay_all or decayed for decayed in decayed_weights(model)]

    def initial_weights(self) -> list[np.ndarray]:
        """Returns the weights the model was built with, float32."""
        variables = [*self._model.trainable_variables, *self._statistics]
        return [np.asarray(variable.numpy()) for variable in variables]

    def seed_states(self, seed: tf.Tensor) -> list[tf.Tensor]:
        """Returns a fresh state for every seed generator, from one integer scalar."""
        return [
            tf.stack([tf.cast(seed, variable.dtype), tf.constant(position, variable.dtype)])
            for position, variable in self._seed_positions.items()
        ]

    def train(
        self,
        trainable: Sequence[tf.Tensor],
        statistics: Sequence[tf.Tensor],
        seeds: Sequence[tf.Tensor],
        images: tf.Tensor,
    ) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
        """Runs a training pass; returns logits [batch, classes], new statistics and new seeds.

        Args:
            trainable: the trainable weights.
            statistics: the moving statistics of batch normalisation.
            seeds: from `seed_states` or the pass before.
            images: [batch, height, width, 3], float32.
        """
        logits, non_trainable = self._model.stateless_call(
            list(trainable), self._non_trainable(statistics, seeds), images, training=True
        )
        states = [non_trainable[position] for position in self._seed_positions]
        others = [v for p, v in enumerate(non_trainable) if p not in self._seed_positions]
        return logits, others, states

    def predict(self, weights: Sequence[tf.Tensor], images: tf.Tensor) -> tf.Tensor:
        """Returns the logits [batch, classes] of `images` in inference mode."""
        trainable, statistics = self.split(weights)
        seeds = self.seed_states(tf.constant(0))
        logits, _ = self._model.stateless_call(
            list(trainable), self._non_trainable(statistics, seeds), images, training=False
        )
        return logits

    def split(
        self, weights: Sequence[tf.Tensor]
    ) -> tuple[Sequence[tf.Tensor], Sequence[tf.Tensor]]:
        """Splits weights into the trainable ones and the statistics, and returns both."""
        return weights[: self.trainable_count], weights[self.trainable_count :]

    def _non_trainable(
        self, statistics: Sequence[tf.Tensor], seeds: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        """Returns statistics and seeds in the model's order of non-trainable variables."""
        remaining_statistics, remaining_seeds = iter(statistics), iter(seeds)
        count = len(self._statistics) + len(self._seed_positions)
        return [
            next(remaining_seeds if position in self._seed_positions else remaining_statistics)
            for position in range(count)
        ]
