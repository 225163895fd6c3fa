"""Weights of samples: how much each counts in the loss. They travel with the labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class WeightedLabels(NamedTuple):
    """In place of y, where a user's data are (x, y, weights).

    Attributes:
        labels: a tensor or a structure of them, [batch, …].
        weights: numbers, [batch], or [batch, …] for losses of more dimensions.
    """

    labels: Any
    weights: Any


def labels_of(y: Any) -> Any:
    """Returns y without weights."""
    return y.labels if isinstance(y, WeightedLabels) else y


def weights_of(y: Any) -> Any:
    """Returns the weights; None: all samples count alike."""
    return y.weights if isinstance(y, WeightedLabels) else None


def passing_weights_on(
    function: Callable[..., tuple[Any, Any]],
) -> Callable[..., tuple[Any, Any]]:
    """Returns the same function of (x, y, …), which gets no weights and keeps them.

    Args:
        function: to (x, y). If its y has weights they replace those that there were.
    """

    def call(x: Any, y: Any, *more: Any) -> tuple[Any, Any]:
        x, after = function(x, labels_of(y), *more)
        if isinstance(y, WeightedLabels) and not isinstance(after, WeightedLabels):
            after = WeightedLabels(after, y.weights)
        return x, after

    return call
