"""What a merge makes of the weights on the servers, by a rule of either kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import tensorflow as tf

from dbsl_tf.shared_model.merge import MergeRule, average, weighted_mean
from dbsl_tf.shared_model.outer import Moment, OuterOptimizer
from dbsl_tf.shared_model.stored_model import Keeping, Slot, StoredModel

AnyRule = MergeRule | OuterOptimizer


@dataclass(frozen=True)
class AtCommit:
    """What the coordinator knows when it merges.

    Attributes:
        mean_factor: of the update factors of the workers that the plan is for.
        learning_rate: of the schedule for the mini-epoch, before it follows a worker's batch.
        decay: by what the schedule, without its warm-up, has lowered the learning rate since the
            commit before, or with BSP since the round before; at most 1.
        workers: number of workers that the plan is for, n; None: all.
    """

    mean_factor: float = 1.0
    learning_rate: float = 1.0
    decay: float = 1.0
    workers: int | None = None


class Numbers(NamedTuple):
    """What a merge depends on beside weights: scalars, in the functions on the servers tensors.

    Attributes:
        update_factor: f, float32.
        staleness_weight: s, float32.
        change_weight: what a worker's change is multiplied by, float32.
        share: 1/n, float32.
        completes: whether the number of the commit is a multiple of n, bool.
        learning_rate: see `AtCommit`; float32.
        decay: see `AtCommit`; float32.
    """

    update_factor: Any
    staleness_weight: Any
    change_weight: Any
    share: Any
    completes: Any
    learning_rate: Any
    decay: Any


@dataclass(frozen=True)
class Merging:
    """How updates enter the weights.

    Attributes:
        rule: a function of g, w and f, see `dbsl_tf.shared_model.merge`, or an outer optimiser, see
            `dbsl_tf.shared_model.outer`.
        in_rounds: whether all workers are merged at once (BSP).
        staleness_power: p; an update counts (1 + σ)^-p as much, where σ is the number of commits
            merged since it began; 0: as much.
        trainable: number of weights that are trained, which come first; None: all.
    """

    rule: AnyRule
    in_rounds: bool = False
    staleness_power: float = 0.0
    trainable: int | None = None

    @property
    def outer(self) -> OuterOptimizer | None:
        """The rule, if it is an outer optimiser."""
        return cast(OuterOptimizer, self.rule) if hasattr(self.rule, "step") else None

    @property
    def function(self) -> MergeRule:
        """The rule for weights that no outer optimiser changes."""
        # Statistics do not add up.
        return average if self.outer is not None else cast(MergeRule, self.rule)

    @property
    def keeping(self) -> Keeping:
        """What the servers keep for it."""
        if self.outer is None:
            return Keeping()
        # In rounds every mini-epoch began with what the global weights still are.
        return Keeping(self.trainable, tuple(self.outer.copies), pulled=not self.in_rounds)

    @property
    def steps_in_rounds(self) -> bool:
        """Whether a round is a step of an outer optimiser, not just a mean."""
        return self.in_rounds and self.outer is not None

    def numbers(
        self, update_factor: float, staleness: int, commit: int, workers: int, at: AtCommit
    ) -> Numbers:
        """Returns the numbers of a merge that is this commit.

        Args:
            update_factor: f.
            staleness: σ.
            commit: its number.
            workers: number of workers that the plan is for, n.
            at: see `AtCommit`.
        """
        weight = (1.0 + staleness) ** -self.staleness_power
        return Numbers(
            np.float32(update_factor),
            np.float32(weight),
            np.float32(weight * update_factor / at.mean_factor),
            np.float32(1 / workers),
            np.bool_(commit % workers == 0),
            np.float32(at.learning_rate),
            np.float32(at.decay),
        )


class Updated(NamedTuple):
    """New values, in pieces as in `StoredModel`."""

    weights: list[tf.Tensor]
    merge_state: dict[str, list[tf.Tensor]]


class Merger:
    """Computes the new weights, each piece on its server, inside a tf.function.

    Args:
        merging: how.
        stored: the weights, and what is kept beside them.
    """

    def __init__(self, merging: Merging, stored: StoredModel) -> None:
        self._merging = merging
        self._stored = stored

    def one(self, slot: Slot, numbers: Numbers) -> Updated:
        """Returns what becomes of the weights by what was pushed into a slot."""
        updated = self._nothing()
        for index, (weight, pushed) in enumerate(zip(self._stored.weights, slot.weights)):
            with tf.device(weight.device):
                if self._steps(index):
                    # In rounds a mini-epoch begins with what the global weights still are.
                    began = slot.pulled[index] if slot.pulled else weight
                    change = began.read_value() - pushed.read_value()
                    self._step(index, numbers.change_weight * change, numbers, updated)
                else:
                    updated.weights.append(self._mixed(weight, pushed, numbers))
        return updated

    def mean(self, slots: Sequence[Slot], factors: Sequence[tf.Tensor]) -> Updated:
        """Returns the mean of the weights pushed into these slots, by update factors.

        What the rule keeps stays as it is.
        """
        means = []
        for weight, *pushed in zip(self._stored.weights, *(slot.weights for slot in slots)):
            with tf.device(weight.device):
                means.append(weighted_mean(pushed, factors))
        return Updated(means, {})

    def step_of_round(
        self, slots: Sequence[Slot], factors: Sequence[tf.Tensor], numbers: Numbers
    ) -> Updated:
        """Returns the weights after a step of the outer optimiser by a whole round."""
        updated = self._nothing()
        whole = numbers._replace(share=tf.constant(1.0), completes=tf.constant(True))
        for index, mean in enumerate(self.mean(slots, factors).weights):
            weight = self._stored.weights[index]
            with tf.device(weight.device):
                if self._steps(index):
                    change = weight.read_value() - mean
                    self._step(index, change, whole, updated)
                else:
                    updated.weights.append(mean)
        return updated

    def _nothing(self) -> Updated:
        return Updated([], {name: [] for name in self._stored.merge_state})

    def _steps(self, index: int) -> bool:
        return self._merging.outer is not None and index < self._stored.trainable_pieces

    def _step(self, index: int, change: tf.Tensor, numbers: Numbers, updated: Updated) -> None:
        kept = {name: each[index].read_value() for name, each in self._stored.merge_state.items()}
        moment = Moment(numbers.share, numbers.completes, numbers.learning_rate, numbers.decay)
        weight = self._stored.weights[index].read_value()
        outer = self._merging.outer
        assert outer is not None
        value, after = outer.step(weight, change, kept, moment)
        updated.weights.append(value)
        for name, pieces in updated.merge_state.items():
            pieces.append(after[name])

    def _mixed(self, weight: tf.Variable, pushed: tf.Variable, numbers: Numbers) -> tf.Tensor:
        value = self._merging.function(weight, pushed, numbers.update_factor)
        if self._merging.staleness_power:
            value = weight + numbers.staleness_weight * (value - weight)
        return value
