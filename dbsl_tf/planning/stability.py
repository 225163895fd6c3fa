"""Up to which learning rate training with two momenta is stable, on a quadratic loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Rates times curvature that are tried.
_TRIED = np.geomspace(1e-6, 10, 650)


@dataclass(frozen=True)
class Momentum:
    """A momentum: its share of what was before, 0 ≤ share < 1, and whether it is Nesterov's."""

    share: float
    nesterov: bool


def largest_stable_rate(
    steps: int, inner: Momentum, outer: Momentum, outer_rate: float, kept: bool
) -> float:
    """Returns the largest learning rate times curvature up to which rounds of mini-epochs converge.

    All workers do the same: from the global weight g each takes `steps` steps of gradient descent
    on x·g²/2 with the momentum `inner`, and what they change enters g with the momentum `outer`
    (docs/method.md). This is linear in g and both velocities; it converges if no eigenvalue of its
    matrix exceeds 1 in absolute value.

    Args:
        steps: of a mini-epoch, ≥ 1.
        inner: of the workers.
        outer: of the merge rule.
        outer_rate: its learning rate, > 0.
        kept: whether a worker keeps its velocity from one mini-epoch to the next.

    Returns:
        The learning rate times the curvature x, at most 10; exact to 3 %.

    Example:
        >>> nesterov = Momentum(0.9, nesterov=True)
        >>> round(largest_stable_rate(2, nesterov, nesterov, 0.7, kept=True), 3)
        0.005
        >>> round(largest_stable_rate(2, nesterov, nesterov, 0.7, kept=False), 1)
        1.3
    """
    for rate, matrix in zip(_TRIED, _rounds(steps, inner, outer, outer_rate, kept), strict=True):
        if not np.isfinite(matrix).all() or abs(np.linalg.eigvals(matrix)).max() > 1 + 1e-9:
            return float(rate)
    return float(_TRIED[-1])


def _rounds(
    steps: int, inner: Momentum, outer: Momentum, outer_rate: float, kept: bool
) -> np.ndarray:
    """Returns [rates, 3, 3]: what a round makes of g, the inner and the outer velocity."""
    x, mu, beta = _TRIED, inner.share, outer.share
    step = np.empty((len(x), 2, 2))  # of the weight and the inner velocity
    step[:, 0, 0] = 1 - (1 + mu) * x if inner.nesterov else 1 - x
    step[:, 0, 1] = mu**2 if inner.nesterov else mu
    step[:, 1, 0], step[:, 1, 1] = -x, mu
    with np.errstate(over="ignore", invalid="ignore"):
        trained = np.linalg.matrix_power(step, steps)
        if not kept:
            trained[:, :, 1] = 0
        added = -trained[:, 0, :]
        added[:, 0] += 1  # p − w
        matrix = np.zeros((len(x), 3, 3))
        matrix[:, 1, :2] = trained[:, 1, :]
        matrix[:, 2, :2], matrix[:, 2, 2] = added, beta
        moved = matrix[:, 2] * (beta if outer.nesterov else 1)
        if outer.nesterov:
            moved[:, :2] += added
        matrix[:, 0] = -outer_rate * moved
        matrix[:, 0, 0] += 1
    return matrix
