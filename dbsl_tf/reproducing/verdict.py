"""Whether measured rows come in the published order, as far as their seeds can tell.

Two rows are told apart when their means differ by more than two standard errors of that
difference. The standard deviation is one for all rows, pooled over their seeds, since that of two
or three runs says little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean, variance
from typing import Literal

from scipy.stats import kendalltau

Order = Literal["same", "reversed", "not told apart"]
_STANDARD_ERRORS = 2


@dataclass(frozen=True)
class Pair:
    """Two rows with different published values.

    Attributes:
        first, second: their indices; the first comes earlier in the table.
        published: the second's published value less the first's.
        measured: the second's mean less the first's.
        spread: what the means must differ by to be told apart; None: unknown, with one seed.
    """

    first: int
    second: int
    published: float
    measured: float
    spread: float | None

    @property
    def order(self) -> Order:
        """How the measured order compares with the published one."""
        if self.spread is None or abs(self.measured) <= self.spread:
            return "not told apart"
        return "same" if (self.published > 0) == (self.measured > 0) else "reversed"


@dataclass(frozen=True)
class Verdict:
    """How far the order of the rows is the published one.

    Attributes:
        rows: how many rows have a published value and a measured one.
        correlation: Kendall's rank correlation τ_b of published values and measured means, −1 to
            1; None if there are too few rows, or they are all equal.
        deviation: standard deviation of a run over seeds, pooled over the rows; None: no row has
            two seeds.
        pairs: all pairs of those rows whose published values differ.
    """

    rows: int
    correlation: float | None
    deviation: float | None
    pairs: tuple[Pair, ...]

    def of(self, order: Order) -> list[Pair]:
        """Returns the pairs in an order, those with the largest published difference first."""
        found = [pair for pair in self.pairs if pair.order == order]
        return sorted(found, key=lambda pair: -abs(pair.published))

    @property
    def conclusion(self) -> str:
        """The verdict in a few words."""
        same, reverse = len(self.of("same")), len(self.of("reversed"))
        if not self.pairs:
            return "nothing to compare yet"
        if self.deviation is None:
            return "cannot be told with one seed for each row"
        if not same and not reverse:
            return "cannot be told: no two rows are told apart"
        if not reverse:
            return "the published order, as far as rows are told apart"
        return "the published order in part" if same > reverse else "not the published order"


def judge(published: Sequence[float | None], measured: Sequence[Sequence[float]]) -> Verdict:
    """Compares the order of rows.

    Args:
        published: a value for each row; None: not known.
        measured: for each row the values of its seeds; empty: not measured yet.

    Example:
        >>> verdict = judge([67.8, 70.6], [[55.0, 55.4], [57.9, 58.1]])
        >>> verdict.conclusion
        'the published order, as far as rows are told apart'
    """
    values = {
        index: (value, mean(seeds), len(seeds))
        for index, (value, seeds) in enumerate(zip(published, measured, strict=True))
        if value is not None and seeds
    }
    deviation = _pooled_deviation([measured[index] for index in values])
    pairs = []
    for (i, (value, average, seeds)), (j, (other, others, more)) in combinations(values.items(), 2):
        if value != other:
            error = None
            if deviation is not None:
                error = _STANDARD_ERRORS * deviation * math.sqrt(1 / seeds + 1 / more)
            pairs.append(Pair(i, j, other - value, others - average, error))
    correlation = _correlation(
        [value for value, _, _ in values.values()], [average for _, average, _ in values.values()]
    )
    return Verdict(len(values), correlation, deviation, tuple(pairs))


def _pooled_deviation(rows: Sequence[Sequence[float]]) -> float | None:
    several = [seeds for seeds in rows if len(seeds) > 1]
    if not several:
        return None
    squares = sum((len(seeds) - 1) * variance(seeds) for seeds in several)
    return math.sqrt(squares / sum(len(seeds) - 1 for seeds in several))


def _correlation(published: Sequence[float], measured: Sequence[float]) -> float | None:
    if len(published) < 2:
        return None
    found = kendalltau(published, measured)
    return None if math.isnan(found.statistic) else float(found.statistic)
