"""Everything a simulation draws, so that the same seed draws the same whatever else changes."""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Callable, Iterator

import numpy as np

from dbsl_tf.simulation.scenario import Randomness

_BLOCK = 4096
# Of the Pareto distribution (Lomax): heavy tails, yet a finite variance.
_TAIL = 2.5

_UNIT_DELAYS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "constant": lambda generator, size: np.ones(size),
    "exponential": lambda generator, size: generator.exponential(size=size),
    "pareto": lambda generator, size: (_TAIL - 1) * generator.pareto(_TAIL, size),
}


class Draws:
    """What is drawn for a run.

    Args:
        randomness: the distributions.
        workers: number of workers (n).
        mini_epochs: of the run.

    Attributes:
        worker_factors: of each worker's training times, mean 1.
        factors: of the training time of each mini-epoch, by its number.
        failures: seconds of training until a worker fails; infinite: never.
        restarts: seconds until it rejoins.
    """

    def __init__(self, randomness: Randomness, workers: int, mini_epochs: int) -> None:
        streams = np.random.default_rng(randomness.seed).spawn(5)
        self.worker_factors = array(
            "d", _lognormal(streams[0], randomness.worker_variation, workers).tobytes()
        )
        self.factors = array("d", _factors(streams[1], randomness, mini_epochs).tobytes())
        rate = randomness.failures_per_second
        self.failures: Iterator[float] = itertools.repeat(math.inf)
        if rate > 0:
            self.failures = _blocks(lambda: streams[2].exponential(1 / rate, _BLOCK))
        delays = _UNIT_DELAYS[randomness.restart_distribution]
        self.restarts = _blocks(lambda: randomness.restart_seconds * delays(streams[3], _BLOCK))
        self._more_factors = _blocks(lambda: _factors(streams[4], randomness, _BLOCK))

    def again(self, number: int) -> None:
        """Draws another factor for a mini-epoch that has to start over."""
        self.factors[number] = next(self._more_factors)


def _factors(generator: np.random.Generator, randomness: Randomness, size: int) -> np.ndarray:
    factors = _lognormal(generator, randomness.variation, size)
    if randomness.straggler_probability > 0:
        held_up = generator.random(size) < randomness.straggler_probability
        delays = _UNIT_DELAYS[randomness.straggler_distribution](generator, size)
        factors *= 1 + held_up * (randomness.straggler_slowdown - 1) * delays
    return factors


def _lognormal(generator: np.random.Generator, spread: float, size: int) -> np.ndarray:
    """Numbers of mean 1."""
    if spread == 0:
        return np.ones(size)
    return generator.lognormal(-(spread**2) / 2, spread, size)


def _blocks(draw: Callable[[], np.ndarray]) -> Iterator[float]:
    while True:
        yield from draw().tolist()
