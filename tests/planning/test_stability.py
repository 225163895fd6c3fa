"""Up to which learning rate two momenta are stable."""

from __future__ import annotations

import pytest

from dbsl_tf.planning.stability import Momentum, largest_stable_rate

NESTEROV = Momentum(0.9, nesterov=True)
HEAVY = Momentum(0.8, nesterov=False)
NONE = Momentum(0.0, nesterov=False)


def _distance(
    rate: float, steps: int, inner: Momentum, outer: Momentum, outer_rate: float, kept: bool
) -> float:
    """Train many rounds, step by step; how far from the minimum they end, having begun at 1."""
    weight, velocity, outer_velocity = 1.0, 0.0, 0.0
    for _ in range(20_000):
        local = weight
        velocity = velocity if kept else 0.0
        for _ in range(steps):
            descent = rate * local
            velocity = inner.share * velocity - descent
            local += inner.share * velocity - descent if inner.nesterov else velocity
        added = weight - local
        outer_velocity = outer.share * outer_velocity + added
        ahead = added + outer.share * outer_velocity if outer.nesterov else outer_velocity
        weight -= outer_rate * ahead
        if abs(weight) > 1e6:
            break
    return abs(weight)


@pytest.mark.parametrize("outer", [NESTEROV, HEAVY])
@pytest.mark.parametrize("inner", [NESTEROV, HEAVY])
@pytest.mark.parametrize(
    ("steps", "kept"), [(1, True), (2, True), (7, True), (1, False), (2, False)]
)
def test_it_parts_what_converges_from_what_does_not(
    steps: int, inner: Momentum, outer: Momentum, kept: bool
) -> None:
    arguments = (steps, inner, outer, 0.7, kept)
    limit = largest_stable_rate(*arguments)
    assert _distance(0.9 * limit, *arguments) < 1e-3
    assert _distance(1.1 * limit, *arguments) > 1e3


def test_gradient_descent_alone_is_stable_up_to_2() -> None:
    assert largest_stable_rate(1, NONE, NONE, 1, kept=True) == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_short_mini_epochs_with_both_kept_are_hardly_stable_at_all(steps: int) -> None:
    assert largest_stable_rate(steps, NESTEROV, NESTEROV, 0.7, kept=True) < 0.01
    assert largest_stable_rate(steps, NESTEROV, NESTEROV, 0.7, kept=False) > 1


def test_long_ones_are_as_stable_as_without() -> None:
    for steps in (5, 100, 1_000_000):
        assert largest_stable_rate(steps, NESTEROV, NESTEROV, 0.7, kept=True) > 1
