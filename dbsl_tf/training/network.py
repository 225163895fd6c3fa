"""A Keras model as a pure function of its weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dbsl_tf.models import decayed_weights, is_seed_state
from dbsl_tf.models.winograd import use_winograd
from dbsl_tf.training.compute import Compute


class Network:
    """The forward pass of a model, with weights, statistics and seeds passed in and out.

    `weights` are, in this order, the trainable weights and the statistics, which are the
    non-trainable weights that training changes, such as the moving ones of batch normalisation:
    what is pulled, merged and saved. Neither fixed weights, such as those of frozen layers, nor
    the state of seed generators (dropout) are among them.

    Args:
        model: a built model of Keras 3 or keras-core.
        decay_all: whether weight decay applies to biases and normalisation too.
        compute: how it is computed; the model is already in this precision.
        fixed: places of the fixed weights among the model's non-trainable variables.

    Attributes:
        model, compute: as given.
        trainable_count: number of trainable weights.
        decay: for each of them, whether weight decay applies to it.
    """

    def __init__(
        self,
        model: Any,
        decay_all: bool = False,
        compute: Compute | None = None,
        fixed: Collection[int] = (),
    ) -> None:
        self.model = model
        self.compute = compute or Compute()
        if self.compute.winograd:
            use_winograd(model)
        self._seeds: dict[int, Any] = {}
        self._fixed: dict[int, Any] = {}
        self._statistics: dict[int, Any] = {}
        for position, variable in enumerate(model.non_trainable_variables):
            if is_seed_state(variable):
                self._seeds[position] = variable
            elif position in fixed:
                self._fixed[position] = variable
            else:
                self._statistics[position] = variable
        self.trainable_count = len(model.trainable_variables)
        self.decay = [decay_all or decayed for decayed in decayed_weights(model)]
        self._fixed_values: Sequence[tf.Tensor] = ()
        self._pull_fixed: Callable[[], Sequence[tf.Tensor]] = lambda: ()

    def initial_weights(self) -> list[np.ndarray]:
        """Returns the weights the model was built with, float32."""
        return [np.asarray(variable.numpy()) for variable in self._variables]

    def assign(self, weights: Sequence[np.ndarray]) -> None:
        """Gives the model other weights, which must fit it (see `check_weights_fit`)."""
        for variable, value in zip(self._variables, weights, strict=True):
            variable.assign(value)

    @property
    def statistics(self) -> list[Any]:
        """The model's variables of the statistics, which follow the trainable weights."""
        return list(self._statistics.values())

    @property
    def fixed_weights(self) -> list[np.ndarray]:
        """The fixed weights that the model was built with, of any type."""
        return [np.asarray(variable.numpy()) for variable in self._fixed.values()]

    def with_fixed(self, values: Sequence[tf.Tensor]) -> Network:
        """Returns the same network with these tensors as its fixed weights."""
        return self._changed(_fixed_values=values)

    def pulling_fixed(self, pull: Callable[[], Sequence[tf.Tensor]]) -> Network:
        """Returns the same network, which gets its fixed weights from elsewhere; see `bound`."""
        return self._changed(_pull_fixed=pull)

    def bound(self) -> Network:
        """In a closure: returns the network with its fixed weights, which are pulled once."""
        return self.with_fixed(self._pull_fixed())

    def _changed(self, **attributes: Any) -> Network:
        changed = object.__new__(Network)
        vars(changed).update(vars(self), **attributes)
        return changed

    def seed_states(self, seed: tf.Tensor) -> list[tf.Tensor]:
        """Returns a fresh state for every seed generator, from one integer scalar."""
        return [
            tf.stack([tf.cast(seed, variable.dtype), tf.constant(position, variable.dtype)])
            for position, variable in self._seeds.items()
        ]

    def train(
        self,
        trainable: Sequence[tf.Tensor],
        statistics: Sequence[tf.Tensor],
        seeds: Sequence[tf.Tensor],
        inputs: Any,
    ) -> tuple[Any, list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
        """Runs a training pass.

        Returns the outputs, new statistics, new seeds, and the losses of the model's own, such as
        those of regularizers: scalars, to be minimised beside that of the outputs.

        Args:
            trainable: the trainable weights.
            statistics: the statistics.
            seeds: from `seed_states` or the pass before.
            inputs: a batch, in the structure that the model takes.
        """
        outputs, after, losses = self._call(trainable, statistics, seeds, inputs, training=True)
        moved, drawn = ([after[p] for p in places] for places in (self._statistics, self._seeds))
        return outputs, moved, drawn, losses

    def predict(self, weights: Sequence[tf.Tensor], inputs: Any) -> Any:
        """Returns the outputs for a batch of inputs in inference mode."""
        return self.predict_with_losses(weights, inputs)[0]

    def predict_with_losses(
        self, weights: Sequence[tf.Tensor], inputs: Any
    ) -> tuple[Any, list[tf.Tensor]]:
        """Returns the outputs in inference mode, and the losses of the model's own; see `train`."""
        trainable, statistics = self.split(weights)
        seeds = self.seed_states(tf.constant(0))
        outputs, _, losses = self._call(trainable, statistics, seeds, inputs, training=False)
        return outputs, losses

    def _call(
        self,
        trainable: Sequence[tf.Tensor],
        statistics: Sequence[tf.Tensor],
        seeds: Sequence[tf.Tensor],
        inputs: Any,
        training: bool,
    ) -> tuple[Any, list[tf.Tensor], list[tf.Tensor]]:
        """Returns the outputs, the non-trainable weights after the pass, and losses."""
        outputs, after, losses = self.model.stateless_call(
            list(trainable),
            self._non_trainable(statistics, seeds),
            inputs,
            training=training,
            return_losses=True,
        )
        return outputs, after, list(losses)

    def prediction_spec(self, inputs: Any) -> Any:
        """Returns the `tf.TensorSpec`s of `predict` for inputs of these specs."""

        def predict(weights: Sequence[tf.Tensor], fixed: Sequence[tf.Tensor], inputs: Any) -> Any:
            return self.with_fixed(fixed).predict(weights, inputs)

        weights, fixed = (
            [tf.TensorSpec(array.shape, array.dtype) for array in arrays]
            for arrays in (self.initial_weights(), self.fixed_weights)
        )
        traced = tf.function(predict, autograph=False).get_concrete_function(weights, fixed, inputs)
        return tf.nest.map_structure(
            lambda output: tf.TensorSpec(output.shape, output.dtype), traced.structured_outputs
        )

    def split(
        self, weights: Sequence[tf.Tensor]
    ) -> tuple[Sequence[tf.Tensor], Sequence[tf.Tensor]]:
        """Splits weights into the trainable ones and the statistics, and returns both."""
        return weights[: self.trainable_count], weights[self.trainable_count :]

    @property
    def _variables(self) -> list[Any]:
        """Returns the variables in the order of `weights`."""
        return [*self.model.trainable_variables, *self._statistics.values()]

    def _non_trainable(
        self, statistics: Sequence[tf.Tensor], seeds: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        """Returns the non-trainable weights in the model's order."""
        values = {
            **dict(zip(self._statistics, statistics, strict=True)),
            **dict(zip(self._seeds, seeds, strict=True)),
            **dict(zip(self._fixed, self._fixed_values, strict=True)),
        }
        return [values[position] for position in range(len(values))]
