"""Lines through points with noise: ordinary least squares, and one that outliers cannot move."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Cauchy's loss with this scale, in standard deviations, loses 5 % efficiency on normal noise.
_CAUCHY_SCALE = 2.385
_DEVIATION_OF_NORMAL = 1.4826  # standard deviation over median absolute deviation
_SMALLEST_DEVIATION = 1e-5  # relative; exact data have a median deviation of 0
_KEPT = 0.7  # share of the points that the first line has to be near to
_MOST_PAIRS = 5000  # of points, to try as the first line
_MOST_POINTS = 400  # to look for the first line among


@dataclass(frozen=True)
class Line:
    """A fitted line.

    Attributes:
        coefficients: slope and intercept, shape (2,).
        covariance: of the coefficients, shape (2, 2); None with two points, which have none, and
            where points are so unlike that it is lost in rounding.
        weights: how much each point counted, 0 to 1, shape (points,).
    """

    coefficients: np.ndarray
    covariance: np.ndarray | None
    weights: np.ndarray


def least_squares(design: np.ndarray, times: np.ndarray) -> Line:
    """Fits by ordinary least squares, for noise that is alike at all points.

    Args:
        design: a row (size, 1) for each point, at least two different; shape (points, 2).
        times: shape (points,), above 0.
    """
    import numpy as np

    coefficients = np.linalg.lstsq(design, times, rcond=None)[0]
    covariance = None
    if len(times) > 2:
        variance = np.sum((design @ coefficients - times) ** 2) / (len(times) - 2)
        covariance = _times_inverse(variance, design.T @ design)
    return Line(coefficients, covariance, np.ones_like(times))


def robust(design: np.ndarray, times: np.ndarray) -> Line:
    """Fits by Cauchy's loss of residuals relative to the line, for noise that grows with it.

    It starts from a line that three tenths of the points cannot move. Arguments as for
    `least_squares`.
    """
    import numpy as np
    from scipy import optimize

    if len(times) == 2:
        return least_squares(design, times)
    coefficients = _least_trimmed(design[:, 0], times)
    # Relative to the measured time, points that are too low would count for more; relative to
    # the line sought, the line would rise. So: relative to the line of the round before.
    smallest = times.min()
    for _ in range(3):
        divisor = np.maximum(design @ coefficients, smallest)
        relative, target = design / divisor[:, None], times / divisor
        deviation = _deviation(target - relative @ coefficients)
        coefficients = optimize.least_squares(
            lambda x, relative=relative, target=target: relative @ x - target,
            coefficients,
            jac=lambda _, relative=relative: relative,
            loss="cauchy",
            f_scale=_CAUCHY_SCALE * deviation,
            x_scale="jac",
            xtol=1e-12,
            ftol=1e-12,
            gtol=1e-12,
        ).x
    scale = _CAUCHY_SCALE * deviation
    scaled = (target - relative @ coefficients) / scale
    weights = 1 / (1 + scaled**2)
    return Line(coefficients, _robust_covariance(relative, scaled, scale), weights)


def _least_trimmed(sizes: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Returns slope and intercept of the line through two points that most points are near to.

    Least trimmed absolute residuals, relative to the time (after Rousseeuw 1984).
    """
    import numpy as np

    if len(sizes) > _MOST_POINTS:
        sizes, times = _thinned(sizes, times)
    first, second = np.triu_indices(len(sizes), k=1)
    different = sizes[first] != sizes[second]
    first, second = first[different], second[different]
    some = np.linspace(0, len(first) - 1, min(len(first), _MOST_PAIRS)).astype(int)
    first, second = first[some], second[some]
    slopes = (times[second] - times[first]) / (sizes[second] - sizes[first])
    intercepts = times[first] - slopes * sizes[first]
    residuals = np.abs((slopes[:, None] * sizes + intercepts[:, None]) / times - 1)
    kept = max(2, math.ceil(_KEPT * len(sizes)))
    best = np.argmin(np.partition(residuals, kept - 1)[:, :kept].sum(axis=1))
    return np.array([slopes[best], intercepts[best]])


def _thinned(sizes: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns one point a size, its median, of sizes spread over all of them."""
    import numpy as np

    order = np.argsort(sizes, kind="stable")
    known, starts = np.unique(sizes[order], return_index=True)
    medians = np.array([np.median(same) for same in np.split(times[order], starts[1:])])
    chosen = np.linspace(0, len(known) - 1, min(len(known), _MOST_POINTS)).astype(int)
    return known[chosen], medians[chosen]


def _deviation(residuals: np.ndarray) -> float:
    """Returns the standard deviation of the noise, from the median absolute residual."""
    import numpy as np

    # Two of the residuals are small because the line was fitted to them.
    fitted = np.sort(np.abs(residuals))[2:]
    return max(_DEVIATION_OF_NORMAL * float(np.median(fitted)), _SMALLEST_DEVIATION)


def _robust_covariance(relative: np.ndarray, scaled: np.ndarray, scale: float) -> np.ndarray | None:
    """Returns Huber's covariance of an M-estimate, for Cauchy's psi(z) = z/(1 + z²).

    Source: Huber and Ronchetti, Robust Statistics, 2nd edition, chapter 7.
    """
    import numpy as np

    points, parameters = relative.shape
    influence = scaled / (1 + scaled**2)
    slope = (1 - scaled**2) / (1 + scaled**2) ** 2
    mean_slope = slope.mean()
    correction = 1 + parameters / points * slope.var() / mean_slope**2
    variance = np.sum(influence**2) / (points - parameters) / mean_slope**2
    return _times_inverse((correction * scale) ** 2 * variance, relative.T @ relative)


def _times_inverse(factor: float, matrix: np.ndarray) -> np.ndarray | None:
    """Returns `factor` times the inverse of a positive matrix; None where rounding spoils it."""
    import numpy as np

    try:
        with np.errstate(all="ignore"):
            product = factor * np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return None
    return product if np.isfinite(product).all() and (np.diag(product) >= 0).all() else None
