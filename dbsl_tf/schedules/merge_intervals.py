"""How many mini-epochs the epochs of a run have, for a `Calendar`."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate, groupby

from dbsl_tf.schedules.calendar import Stretch


def stretches(
    epochs: int, mini_epochs: int, interval: str, rate: Callable[[float], float]
) -> tuple[Stretch, ...]:
    """Returns the stretches of epochs that are merged at an interval.

    Args:
        epochs, mini_epochs, rate: see `quadratic_stretches`.
        interval: "constant" or "quadratic".
    """
    if interval == "quadratic":
        return quadratic_stretches(epochs, mini_epochs, rate)
    return constant_stretches(epochs, mini_epochs)


def constant_stretches(epochs: int, mini_epochs: int) -> tuple[Stretch, ...]:
    """Returns the stretches of epochs that all have as many mini-epochs of every worker, M."""
    return (Stretch(epochs, Fraction(mini_epochs)),) if epochs else ()


def quadratic_stretches(
    epochs: int, mini_epochs: int, rate: Callable[[float], float]
) -> tuple[Stretch, ...]:
    """Returns the stretches of epochs that have fewer mini-epochs as the learning rate falls.

    The quadratic synchronisation rule (QSR, arXiv 2310.14423): the steps between two merges grow
    with the inverse square of the learning rate. Here an epoch has max(1, ⌈M (η / η_max)²⌉)
    mini-epochs, η being the highest rate from its start on: as in the source, workers merge as
    often during a warm-up as at its end.

    Args:
        epochs: how many there are.
        mini_epochs: M, of an epoch at the highest learning rate.
        rate: the learning rate at the start of an epoch, from 0, without a warm-up.
    """
    # Decimal numbers: 8 times the square of 0.05 over 0.1 is 2, and must not be rounded up to 3.
    rates = [Fraction(str(float(rate(epoch)))) for epoch in range(epochs)]
    later = list(accumulate(reversed(rates), max))[::-1]
    highest = later[0] if later else Fraction(0)
    if not highest:
        return constant_stretches(epochs, mini_epochs)
    often = [max(1, math.ceil(mini_epochs * (each / highest) ** 2)) for each in later]
    found, last = [], 0
    for count, same in groupby(often):
        last += len(list(same))
        found.append(Stretch(last, Fraction(count)))
    return tuple(found)
