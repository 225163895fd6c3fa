"""Which batch to measure the memory of next, on the way to the largest one that fits."""

from __future__ import annotations

from collections.abc import Mapping

from dbsl_tf.profiling.memory_fit import fit_memory

_GROWTH = 2.0
# A prediction so little beyond what was measured needs no check.
_NEAR = 1.1
_SEEN = 0.05  # share of the peak that the largest batch has to account for, to predict from it


def next_batch(peak_bytes: Mapping[int, int], limit: int) -> int | None:
    """Returns the next batch of a scan that grows towards `limit` and stays below it.

    It is at most twice the largest batch so far, so that no prediction reaches far beyond what
    was measured, and never above the one predicted to fill `limit`. Where memory hardly grew
    yet nothing is predicted: doubling the batch then at most doubles the memory.

    Args:
        peak_bytes: peak memory by batch size, two sizes at least.
        limit: bytes that a worker may use in all.

    Returns:
        None where the largest batch so far is near enough to the largest that fits.
    """
    fit = fit_memory(list(peak_bytes), list(peak_bytes.values()))
    doubled = int(_GROWTH * fit.largest_measured)
    if fit.bytes_per_sample * fit.largest_measured < _SEEN * fit.largest_peak:
        return doubled if _GROWTH * fit.largest_peak <= limit else None
    candidate = min(doubled, fit.largest_batch(limit))
    return candidate if candidate >= _NEAR * fit.largest_measured else None
