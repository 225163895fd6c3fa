"""Peak memory of a worker as a line in the batch size, and the largest batch that fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# A flat part has to take away this share of the squared residuals to be believed.
_WORTHWHILE = 0.75


@dataclass(frozen=True)
class MemoryFit:
    """M(B) = max(floor, bytes_per_sample B + fixed_bytes); arXiv 2509.26092, section 5.3.

    Small batches can leave the peak where start-up has put it; the line is that of the others.

    Attributes:
        bytes_per_sample: 0 where the peak did not grow with the batch.
        fixed_bytes: where the line meets batch 0.
        floor_bytes: peak of the smallest batches, which only start-up decides; None: they are on
            the line.
        r2: share of the variance of the peaks on the line that it explains.
        largest_measured: the largest batch that was measured.
        largest_peak: its peak memory in bytes.
    """

    bytes_per_sample: float
    fixed_bytes: float
    floor_bytes: float | None
    r2: float
    largest_measured: int
    largest_peak: int

    def peak_bytes(self, batch: int) -> float:
        """Returns the expected peak memory of a worker that trains with this batch size."""
        return max(self.floor_bytes or 0.0, self.bytes_per_sample * batch + self.fixed_bytes)

    def largest_batch(self, budget: int) -> int:
        """Returns the largest batch that fits, 0 where none does.

        Where memory did not grow it is the largest one measured: nothing is known beyond.

        Args:
            budget: bytes the worker may use in all.
        """
        if self.bytes_per_sample <= 0:
            return self.largest_measured if self.largest_peak <= budget else 0
        if self.floor_bytes is not None and self.floor_bytes > budget:
            return 0
        return max(0, math.floor((budget - self.fixed_bytes) / self.bytes_per_sample))


def fit_memory(batches: Sequence[int], peak_bytes: Sequence[int]) -> MemoryFit:
    """Fits peak memory over batch sizes.

    Several peaks of one size, as of several workers, count as the largest of them: that one has
    to fit.

    Args:
        batches: samples in a batch, two different sizes at least; shape (points,).
        peak_bytes: peak memory with that size; shape (points,).

    Raises:
        ValueError: the lengths differ, or there are fewer than two sizes.
    """
    import numpy as np

    if len(batches) != len(peak_bytes):
        raise ValueError(f"{len(batches)} batches and {len(peak_bytes)} peaks differ in length")
    highest: dict[int, int] = {}
    for batch, peak in zip(batches, peak_bytes):
        highest[int(batch)] = max(int(peak), highest.get(int(batch), 0))
    if len(highest) < 2:
        raise ValueError(f"a line needs two batch sizes, got {sorted(highest)}")
    sizes = np.array(sorted(highest), float)
    peaks = np.array([highest[int(size)] for size in sizes], float)

    flat = _flat_sizes(sizes, peaks)
    slope, intercept = np.polyfit(sizes[flat:], peaks[flat:], 1)
    if slope <= 0:
        slope, intercept = 0.0, float(peaks.max())
    rest = peaks[flat:]
    variation = float(np.sum((rest - rest.mean()) ** 2))
    left = float(np.sum((rest - slope * sizes[flat:] - intercept) ** 2))
    return MemoryFit(
        bytes_per_sample=float(slope),
        fixed_bytes=float(intercept),
        floor_bytes=float(peaks[:flat].mean()) if flat else None,
        r2=1 - left / variation if slope > 0 and variation > 0 else 0.0,
        largest_measured=int(sizes[-1]),
        largest_peak=int(peaks[-1]),
    )


def _flat_sizes(sizes: np.ndarray, peaks: np.ndarray) -> int:
    """Returns how many of the smallest sizes have a peak that does not depend on the size.

    Three sizes at least are left for the line.
    """
    import numpy as np

    def squares(flat: int) -> float:
        line = np.polyval(np.polyfit(sizes[flat:], peaks[flat:], 1), sizes)
        level = peaks[:flat].mean() if flat else 0.0
        if flat and level < line[flat - 1]:
            return math.inf  # a floor keeps the peak above the line
        return float(np.sum((peaks - np.where(np.arange(len(sizes)) < flat, level, line)) ** 2))

    best = min([0, *range(2, len(sizes) - 2)], key=squares)
    return best if squares(best) < (1 - _WORTHWHILE) * squares(0) else 0
