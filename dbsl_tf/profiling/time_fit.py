"""The straight line t(B) = a B + b through measured times, and how far it can be trusted."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal, get_args

from dbsl_tf.profiling.line import Line, least_squares, robust

if TYPE_CHECKING:
    import numpy as np

Method = Literal["robust", "ols"]
METHODS: tuple[Method, ...] = get_args(Method)

TOLERANCE = 0.05  # a size whose time is further from the line is not on it
FEWEST_SIZES = 4  # with fewer, nearly any times lie near a line
CONFIDENCE = 0.95


@dataclass(frozen=True)
class TimeFit:
    """t(B) = a B + b, fitted; Lu et al., COMPSAC 2022, Eq. 1-3.

    Attributes:
        a: seconds a sample.
        b: seconds a batch.
        r2: share of the variance of the fitted seconds that the line explains; with the robust
            method every point counts as much as it did in the fit.
        a_interval: 95 % confidence interval of a; None with two points.
        b_interval: the same of b.
        correlation: of the errors of a and b; None with two points.
        fitted_range: smallest and largest batch that the line was fitted to.
        residuals: (a B + b - t)/t of every point, in the order given.
        linear_range: smallest and largest batch between which the line stays within 5 % of the
            median time; None where it does so nowhere. A single size off it is no end.
        warning: a sentence if the line should not be trusted, else None.
    """

    a: float
    b: float
    r2: float
    a_interval: tuple[float, float] | None
    b_interval: tuple[float, float] | None
    correlation: float | None
    fitted_range: tuple[int, int]
    residuals: tuple[float, ...]
    linear_range: tuple[int, int] | None
    warning: str | None

    def batch_seconds(self, batch: float) -> float:
        """Returns the fitted seconds of a batch."""
        return self.a * batch + self.b

    def reach(self, batch: float) -> float | None:
        """Returns half the 95 % confidence interval of `batch_seconds`; None with two points."""
        if self.a_interval is None or self.b_interval is None or self.correlation is None:
            return None
        slope = batch * (self.a_interval[1] - self.a_interval[0]) / 2
        level = (self.b_interval[1] - self.b_interval[0]) / 2
        # Errors of slope and intercept that cancel leave rounding, also below 0.
        square = slope**2 + level**2 + 2 * self.correlation * slope * level
        return math.sqrt(max(0.0, square))


def fit_time_model(
    batches: Sequence[int],
    seconds: Sequence[float],
    method: Method = "robust",
    fitted: Sequence[bool] | None = None,
) -> TimeFit:
    """Fits a line to measured seconds per batch.

    "robust" minimises Cauchy's loss of residuals relative to the line, since the noise of a time
    grows with it; up to a fifth of the points may be far off. "ols" is the ordinary least squares
    of the papers. Confidence intervals come from the covariance of the coefficients (Huber's of
    an M-estimate; the usual one, which noise that grows with B makes too narrow for a) and the
    quantiles of Student's t with two degrees of freedom less than points.

    Args:
        batches: samples in a batch, at least 1; sizes may repeat. Shape (points,).
        seconds: seconds of a batch of that size, above 0. Shape (points,).
        method: "robust" or "ols".
        fitted: the points that the line is fitted to; shape (points,). The others only show over
            which range it holds. None: all.

    Raises:
        ValueError: the lengths differ, fewer than two different sizes, or a value out of range.
    """
    import numpy as np

    sizes, times = np.asarray(batches, float), np.asarray(seconds, float)
    if sizes.shape != times.shape or sizes.ndim != 1:
        raise ValueError(f"batches {sizes.shape} and seconds {times.shape} differ in shape")
    chosen = np.ones(len(sizes), bool) if fitted is None else np.asarray(fitted, bool)
    if chosen.shape != sizes.shape:
        raise ValueError(f"batches {sizes.shape} and fitted {chosen.shape} differ in shape")
    if len(set(sizes[chosen])) < 2:
        raise ValueError(f"a line needs two batch sizes, got {sorted(set(sizes[chosen]))}")
    if not (np.isfinite(times).all() and (times > 0).all() and (sizes >= 1).all()):
        raise ValueError("every batch must be at least 1 and every time finite and above 0")
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; use one of {METHODS}")

    design = np.column_stack([sizes, np.ones_like(sizes)])
    line = (robust if method == "robust" else least_squares)(design[chosen], times[chosen])
    expected = design @ line.coefficients
    a, b = map(float, line.coefficients)
    a_interval, b_interval = _intervals(line, int(chosen.sum()))
    residuals = tuple(map(float, (expected - times) / times))
    linear_range = _linear_range(batches, residuals)
    fitted_range = (int(sizes[chosen].min()), int(sizes[chosen].max()))
    return TimeFit(
        a=a,
        b=b,
        r2=_explained(times[chosen], expected[chosen], line.weights),
        a_interval=a_interval,
        b_interval=b_interval,
        correlation=_correlation(line),
        fitted_range=fitted_range,
        residuals=residuals,
        linear_range=linear_range,
        warning=_warning(a, b, b_interval, batches, residuals, linear_range, fitted_range),
    )


def _intervals(line: Line, points: int) -> tuple[tuple[float, float] | None, ...]:
    """Returns the confidence intervals of slope and intercept."""
    if line.covariance is None:
        return (None, None)
    import numpy as np
    from scipy.stats import t as student

    quantile = student.ppf((1 + CONFIDENCE) / 2, points - 2)
    reaches = quantile * np.sqrt(np.diag(line.covariance))
    return tuple(
        (float(value - reach), float(value + reach))
        for value, reach in zip(line.coefficients, reaches)
    )


def _correlation(line: Line) -> float | None:
    """Returns the correlation of the errors of slope and intercept."""
    if line.covariance is None:
        return None
    import numpy as np

    product = float(np.prod(np.diag(line.covariance)))
    return float(line.covariance[0, 1]) / math.sqrt(product) if product > 0 else 0.0


def _explained(times: np.ndarray, fitted: np.ndarray, weights: np.ndarray) -> float:
    import numpy as np

    mean = np.average(times, weights=weights)
    total = float(np.sum(weights * (times - mean) ** 2))
    left = float(np.sum(weights * (times - fitted) ** 2))
    return 1 - left / total if total > 0 else 0.0


def _linear_range(batches: Sequence[int], residuals: Sequence[float]) -> tuple[int, int] | None:
    """Returns the ends of the longest run of sizes that lie on the line."""
    sizes, on_line = _sizes_on_line(batches, residuals)
    # A single size between two that lie on the line was disturbed; the line has not ended there.
    bridged = [
        on or (0 < i < len(on_line) - 1 and on_line[i - 1] and on_line[i + 1])
        for i, on in enumerate(on_line)
    ]
    runs = [list(run) for on, run in groupby(zip(sizes, bridged), lambda item: item[1]) if on]
    if not runs:
        return None
    longest = max(runs, key=len)
    return longest[0][0], longest[-1][0]


def _sizes_on_line(
    batches: Sequence[int], residuals: Sequence[float]
) -> tuple[list[int], list[bool]]:
    """Returns the sizes in order, and of each whether its median residual is tolerable."""
    import numpy as np

    by_size = defaultdict(list)
    for batch, residual in zip(batches, residuals):
        by_size[int(batch)].append(residual)
    sizes = sorted(by_size)
    return sizes, [abs(float(np.median(by_size[size]))) <= TOLERANCE for size in sizes]


def _warning(
    a: float,
    b: float,
    b_interval: tuple[float, float] | None,
    batches: Sequence[int],
    residuals: Sequence[float],
    linear_range: tuple[int, int] | None,
    fitted_range: tuple[int, int],
) -> str | None:
    """Returns the gravest reason not to trust the line, in one sentence.

    It has to hold where it was fitted, not beyond.
    """
    sizes, on_line = _sizes_on_line(batches, residuals)
    for name, value in (("a", a), ("b", b)):
        if value <= 0:
            return (
                f"{name} is {value:.3g}, not above 0, so no plan can be made from it: measure "
                "a wider range of batch sizes, for longer, on an idle machine"
            )
    if len(sizes) < FEWEST_SIZES:
        return (
            f"{len(sizes)} batch sizes cannot show whether t(B) is linear: measure "
            f"{FEWEST_SIZES} or more"
        )
    if linear_range is None:
        return f"t(B) is not linear: no time is within {TOLERANCE:.0%} of the line"
    first, last = fitted_range
    on_fitted = [on for size, on in zip(sizes, on_line) if first <= size <= last]
    holds = linear_range[0] <= first and last <= linear_range[1]
    if not holds or sum(on_fitted) < 0.75 * len(on_fitted):
        return (
            f"t(B) is not linear over the sizes that the line is for ({first} to {last}): it stays "
            f"within {TOLERANCE:.0%} of the line from {linear_range[0]} to {linear_range[1]}"
        )
    if b_interval is not None and b_interval[0] <= 0:
        return (
            f"b may be anything from {b_interval[0]:.3g} to {b_interval[1]:.3g} s: measure "
            "smaller batch sizes, or for longer"
        )
    return None
