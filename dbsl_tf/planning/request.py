"""What a plan is made for."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from dbsl_tf.planning.time_model import TimeModel


@dataclass(frozen=True)
class PlanRequest:
    """What a plan is made for: the workers, their speed, and how they are split.

    Attributes:
        time_model: a, b and c of every worker, or a tuple with those of each, by its index.
        samples: samples in an epoch, d; at least one for each worker.
        workers: all workers, n.
        small_workers: workers with the small batch, n_S.
        large_batch: B_L.
        rounding: "nearest" (arXiv 2509.26092; halves go to the even number) or "floor" (COMPSAC
            2022); only for `equal_workers`.
        resolution: pixels a side, where the run has several resolutions with a plan each;
            an error message then names it.
        mini_epochs: of every worker in an epoch, M, among which its samples are divided; below 1
            where several epochs are trained in one.
        indices: of the workers in the cluster, the small ones first; None: 0 to n - 1.

    Raises:
        ValueError: there are not as many time models as workers.
    """

    time_model: TimeModel | tuple[TimeModel, ...]
    samples: int
    workers: int
    small_workers: int
    large_batch: int
    rounding: str
    resolution: int | None = None
    mini_epochs: Fraction = Fraction(1)
    indices: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.time_models) != self.workers:
            raise ValueError(f"{len(self.time_models)} time models for {self.workers} workers")

    @property
    def time_models(self) -> tuple[TimeModel, ...]:
        """The time model of each worker, by its index."""
        if isinstance(self.time_model, TimeModel):
            return (self.time_model,) * self.workers
        return self.time_model

    def index(self, place: int) -> int:
        """Returns the index in the cluster of the worker at `place`, from 0."""
        return place if self.indices is None else self.indices[place]

    @property
    def mini_epoch_samples(self) -> Fraction:
        """What all workers together train in a mini-epoch of each, d / M; in place of d."""
        return self.samples / self.mini_epochs

    @property
    def whole_mini_epoch_samples(self) -> int:
        """The same, rounded."""
        return round(self.mini_epoch_samples)

    @property
    def equal_workers(self) -> bool:
        """Whether the published Eq. 4-8 apply: no worker differs or has an overhead."""
        models = set(self.time_models)
        return len(models) == 1 and models.pop().seconds_per_mini_epoch == 0
