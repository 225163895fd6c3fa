"""Merge rules: how a worker's weights enter the global ones.

A rule is a function of one global weight g, one worker's weight w (tensors or arrays of one
shape) and the update factor f of the worker. It acts element by element, on every weight of the
model alike, batch-normalisation statistics included. They are named in
`dbsl_tf.config.registries.MERGE_RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Weight = Any  # a tensor, an array or a number
MergeRule = Callable[[Weight, Weight, Weight], Weight]


def average(g: Weight, w: Weight, f: Weight) -> Weight:
    """g ← (g + f·w) / (1 + f), the mean of g and w weighted 1 and f; arXiv 2509.26092."""
    return (g + f * w) / (1.0 + f)


def interpolate(g: Weight, w: Weight, f: Weight) -> Weight:
    """g ← ((2 − f)·g + f·w) / 2, a step of f/2 from g towards w; Lu et al., COMPSAC 2022."""
    return ((2.0 - f) * g + f * w) / 2.0


def weighted_mean(w: Sequence[Weight], f: Sequence[Weight]) -> Weight:
    """g ← Σ fᵢ·wᵢ / Σ fᵢ, the update of BSP by one mini-epoch of every worker."""
    return sum(weight * factor for weight, factor in zip(w, f)) / sum(f)
