"""Outer optimisers: merge rules that go by what a worker added to the weights it began with.

Where a function of `dbsl_tf.shared_model.merge` mixes a worker's weights w with the global ones g,
these take a step on g against the worker's change Δ = p − w, p being the weights it began with.
They may remember something of the changes before, such as a momentum, which the parameter servers
keep beside the weights. Only the trainable weights are changed so; statistics, such as those of
batch normalisation, are averaged with any of these rules.

Without rounds (asp, ssp) a step is one worker's mini-epoch. Its change is multiplied by its update
factor over the mean of the workers' factors and by its weight for staleness, and counts 1/n, so
that n of them count as much as a step of BSP. With bsp a step is a round, and the change is the
mean of all changes in it, weighted by the workers' update factors. Where workers come and go, n is
the number of those that the plan is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import tensorflow as tf

from dbsl_tf.shared_model.merge import Weight

Kept = dict[str, Weight]


class Moment(NamedTuple):
    """What a step may depend on beside weights and changes.

    Attributes:
        share: what the change of this step counts: 1/n for one worker's, 1 for a round's; n is the
            number of workers that the plan is for; float32 scalar.
        completes: whether this is the last of n commits, bool scalar; always true in rounds.
        learning_rate: of the schedule for the mini-epoch, before it follows a worker's batch;
            float32 scalar.
        decay: by what the schedule, without its warm-up, has lowered the learning rate since the
            step before; at most 1, float32 scalar.
    """

    share: Any
    completes: Any
    learning_rate: Any
    decay: Any


class OuterOptimizer(Protocol):
    """How a change enters the trainable weights.

    A class is made with the arguments `workers` (n), `learning_rate` and `momentum`. One of a
    user's own is named by its import path in the section `merge` of the configuration, whose
    numbers it gets, None for null. Frozen dataclasses suit; it holds no tensors.

    Example:
        >>> class HeavyBall:
        ...     copies = ("velocity",)
        ...     synchronization = ("asynchronous", "rounds")
        ...
        ...     def __init__(self, workers, learning_rate=None, momentum=None):
        ...         self.rate, self.momentum = learning_rate or 1.0, momentum or 0.5
        ...
        ...     def step(self, weight, change, kept, moment):
        ...         velocity = self.momentum * kept["velocity"] + moment.share * change
        ...         return weight - self.rate * velocity, {"velocity": velocity}
    """

    @property
    def copies(self) -> Sequence[str]:
        """Names of what is kept for every trainable weight, of its shape and 0 at first."""

    @property
    def synchronization(self) -> Sequence[str]:
        """What it works with: "asynchronous" (asp and ssp), "rounds" (bsp), or both."""

    def step(
        self, weight: Weight, change: Weight, kept: Mapping[str, Weight], moment: Moment
    ) -> tuple[Weight, Kept]:
        """Takes a step, element by element, on a parameter server.

        Args:
            weight: trainable weights g, many in one flat float32 tensor.
            change: of the same shape; to be subtracted.
            kept: what is kept of these weights, by the names in `copies`.
            moment: see `Moment`.

        Returns:
            The new weights, and what is to be kept of them.
        """


@dataclass(frozen=True)
class Delta:
    """g ← g − (η/n)·Δ, in rounds g ← g − η·Δ̄: what the workers added, added up.

    Attributes:
        workers: n.
        learning_rate: η.
    """

    workers: int
    learning_rate: float = 1.0
    momentum: None = None
    copies: ClassVar[Sequence[str]] = ()
    synchronization: ClassVar[Sequence[str]] = ("asynchronous", "rounds")

    def step(
        self, weight: Weight, change: Weight, kept: Mapping[str, Weight], moment: Moment
    ) -> tuple[Weight, Kept]:
        """See `OuterOptimizer`."""
        return weight - self.learning_rate * moment.share * change, {}


@dataclass(frozen=True)
class DelayedNesterov:
    """The same as `Delta`, and momentum after every n commits (arXiv 2401.09135).

    Every commit: g ← g − (η/n)·Δ and A ← A + Δ/n. After every n-th: m ← β·m + A, g ← g − η·β·m and
    A ← 0. Where the schedule lowers the learning rate, m is lowered as much.

    Attributes:
        workers: n.
        learning_rate: η.
        momentum: β.
    """

    workers: int
    learning_rate: float = 1.0
    momentum: float = 0.5
    copies: ClassVar[Sequence[str]] = ("momentum", "sum")
    synchronization: ClassVar[Sequence[str]] = ("asynchronous",)

    def step(
        self, weight: Weight, change: Weight, kept: Mapping[str, Weight], moment: Moment
    ) -> tuple[Weight, Kept]:
        """See `OuterOptimizer`."""
        rate, beta = self.learning_rate, self.momentum
        # Each by the n of its own commit.
        change = moment.share * change
        added = kept["sum"] + change
        before = moment.decay * kept["momentum"]
        after = tf.where(moment.completes, beta * before + added, before)
        weight = weight - rate * change
        return (
            tf.where(moment.completes, weight - rate * beta * after, weight),
            {"momentum": after, "sum": tf.where(moment.completes, tf.zeros_like(added), added)},
        )


@dataclass(frozen=True)
class Nesterov:
    """Nesterov momentum in rounds: m ← β·m + Δ̄, g ← g − η·(Δ̄ + β·m) (DiLoCo, arXiv 2311.08105).

    Where the schedule lowers the learning rate, m is lowered as much.

    Attributes:
        workers: n.
        learning_rate: η.
        momentum: β.
    """

    workers: int
    learning_rate: float = 0.7
    momentum: float = 0.9
    copies: ClassVar[Sequence[str]] = ("momentum",)
    synchronization: ClassVar[Sequence[str]] = ("rounds",)

    def step(
        self, weight: Weight, change: Weight, kept: Mapping[str, Weight], moment: Moment
    ) -> tuple[Weight, Kept]:
        """See `OuterOptimizer`."""
        rate, beta = self.learning_rate, self.momentum
        momentum = beta * moment.decay * kept["momentum"] + change
        return weight - rate * (change + beta * momentum), {"momentum": momentum}


@dataclass(frozen=True)
class SlowMo:
    """Momentum of the workers' gradients in rounds (arXiv 1910.00643).

    u ← β·u + Δ̄/γ, g ← g − α·γ·u, where γ is the learning rate of the schedule: u is in units of
    gradients, and so goes on where the schedule lowers the rate.

    Attributes:
        workers: n.
        learning_rate: α.
        momentum: β; its published values are in `dbsl_tf.config.merge_section.slow_momentum`.
    """

    workers: int
    learning_rate: float = 1.0
    momentum: float = 0.2
    copies: ClassVar[Sequence[str]] = ("gradients",)
    synchronization: ClassVar[Sequence[str]] = ("rounds",)

    def step(
        self, weight: Weight, change: Weight, kept: Mapping[str, Weight], moment: Moment
    ) -> tuple[Weight, Kept]:
        """See `OuterOptimizer`."""
        # At a learning rate of 0 nothing has changed.
        gradient = tf.math.divide_no_nan(change, moment.learning_rate)
        slow = self.momentum * kept["gradients"] + gradient
        return weight - self.learning_rate * moment.learning_rate * slow, {"gradients": slow}
