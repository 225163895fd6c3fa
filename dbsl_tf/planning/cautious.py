"""What a run begins with where no time model can be relied on."""

from __future__ import annotations

from dataclasses import dataclass

from dbsl_tf.planning.time_model import TimeModel

# B_S over B_L: the published plans for k = 1.05 have 0.2 to 0.6.
SMALL_PART = 0.25
# Only how predicted times are told depends on it, and how long the first mini-epoch of a worker
# that does not answer is waited for.
_SECONDS_PER_SAMPLE = 1e-3
# b over a: so little that it changes no share.
_PER_BATCH = 1e-6


@dataclass(frozen=True)
class CautiousStart:
    """Time models and batches for a first plan, with equal shares for all workers.

    Where b cannot be told from 0, a sample takes as long in any batch: equal shares then end
    together, and B_S does not follow from k. The plan only has to do until workers have been
    observed, see `dbsl_tf.planning.drift`.

    Attributes:
        time_models: one for each worker.
        batches: the batch of each worker; the small ones first.
    """

    time_models: tuple[TimeModel, ...]
    batches: tuple[int, ...]

    @classmethod
    def of(
        cls,
        workers: int,
        small_workers: int,
        large_batch: int,
        seconds_per_sample: float | None = None,
    ) -> CautiousStart:
        """Returns the start of workers of which next to nothing is known.

        Args:
            workers: n.
            small_workers: n_S.
            large_batch: B_L.
            seconds_per_sample: about how long a sample takes; None: not known.
        """
        a = _SECONDS_PER_SAMPLE if seconds_per_sample is None else seconds_per_sample
        small_batch = max(1, round(SMALL_PART * large_batch))
        return cls(
            (TimeModel(a, _PER_BATCH * a),) * workers,
            (small_batch,) * small_workers + (large_batch,) * (workers - small_workers),
        )
