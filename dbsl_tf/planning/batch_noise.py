"""The batch noise scale, from the gradients of small and of large batches at the same weights.

Source: McCandlish et al., arXiv 1812.06162, section 2.2 and appendix A.1. With G the gradient over
all data and S the trace of the covariance of single samples' gradients, the gradient of a batch of
B samples has the expected squared norm |G|^2 + S / B. Two sizes of batches give both:

    |G|^2 = (B_L |G_L|^2 - B_S |G_S|^2) / (B_L - B_S)
    S = (|G_S|^2 - |G_L|^2) / (1 / B_S - 1 / B_L)
    B_noise = S / |G|^2

In batches far below B_noise a gradient is mostly noise, and each sample brings about as much as in
batches of one; in batches far above it further samples bring next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

CONFIDENCE = 0.95
_WIDEST = 100.0  # of the logarithm of a ratio


@dataclass(frozen=True)
class BatchNoise:
    """The batch noise scale, as far as some batches tell it.

    Attributes:
        gradient: |G|^2; it may come out below 0, as all these are estimates.
        variance: S, likewise.
        noise: B_noise in samples, at least 0; None: it is too large to be told.
        low, high: between these it is with a probability of about `CONFIDENCE`; None: no bound.
    """

    gradient: float
    variance: float
    noise: float | None
    low: float | None
    high: float | None


def batch_noise(
    small: Sequence[float], large: Sequence[float], small_batch: int, large_batch: int
) -> BatchNoise:
    """Returns the batch noise scale from squared norms of gradients, all at the same weights.

    The uncertainty is that of the ratio of both means, on which alone B_noise depends, and with
    which it rises. What a large batch and the small ones made of its samples have in common
    cancels in that ratio.

    Args:
        small: |G_S|^2 of small batches; entry i is the mean of those made of the samples of large
            batch i.
        large: |G_L|^2 of as many large batches, at least two, above 0.
        small_batch: B_S.
        large_batch: B_L, above B_S.

    Example:
        >>> batch_noise([3.0, 3.0], [1.5, 1.5], 10, 40).noise  # |G|^2 = 1, S = 20
        20.0
    """
    # Imported here because it takes a second.
    from scipy.stats import t as student

    mean_small, mean_large = fmean(small), fmean(large)
    deviations = [s / mean_small - g / mean_large for s, g in zip(small, large, strict=True)]
    error = stdev(deviations) / math.sqrt(len(deviations))
    spread = min(float(student.ppf((1 + CONFIDENCE) / 2, len(deviations) - 1)) * error, _WIDEST)
    ratio = mean_small / mean_large
    return BatchNoise(
        gradient=(large_batch * mean_large - small_batch * mean_small)
        / (large_batch - small_batch),
        variance=(mean_small - mean_large) / (1 / small_batch - 1 / large_batch),
        noise=noise_of_ratio(ratio, small_batch, large_batch),
        low=noise_of_ratio(ratio * math.exp(-spread), small_batch, large_batch),
        high=noise_of_ratio(ratio * math.exp(spread), small_batch, large_batch),
    )


def noise_of_ratio(ratio: float, small_batch: int, large_batch: int) -> float | None:
    """Returns the B_noise at which |G_S|^2 / |G_L|^2 is expected to be `ratio`.

    Args:
        ratio: above 0. Without noise it is 1, and with nothing but noise B_L / B_S.
        small_batch, large_batch: B_S and B_L, which is larger.

    Returns:
        It, at least 0; None where no B_noise is so large.
    """
    rest = large_batch - ratio * small_batch
    if rest <= 0:
        return None
    return max(0.0, (ratio - 1) * small_batch * large_batch / rest)
