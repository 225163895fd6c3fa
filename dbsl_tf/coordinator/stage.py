"""What holds from one plan to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dbsl_tf.coordinator.messages import MiniEpochResult, Orders
from dbsl_tf.engine.closure import Closure
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.schedules.progressive import ResolutionSettings
from dbsl_tf.shared_model.stored_model import Slot


@dataclass(frozen=True)
class Stage:
    """A plan and what follows from it; a mini-epoch belongs to one stage from start to merge.

    Attributes:
        settings: resolution of the images, dropout and B_L.
        plan: batch, samples and steps of every worker.
        mini_epoch: the closure, see `mini_epoch_closure`.
        batches: per-worker iterator of the batches of such mini-epochs.
        learning_rates: maps an epoch (a float) to the learning rate of every worker.
    """

    settings: ResolutionSettings
    plan: DualBatchPlan
    mini_epoch: Closure
    batches: Iterator
    learning_rates: Callable[[float], Sequence[float]]

    @property
    def steps(self) -> list[int]:
        """Steps of every worker."""
        return [worker.steps for worker in self.plan.workers]


class Streams:
    """How far each worker is in its endless streams of training data. Not thread-safe.

    There is one for each resolution, with an order of its own. Exact where no worker fails and no
    plan is replaced while mini-epochs are in flight: those are not counted yet, and a worker that
    is started again begins where its stream was made.

    Args:
        workers: number of workers (n).
        samples: samples that each worker has taken, [workers] for each resolution; absent: none.
    """

    def __init__(self, workers: int, samples: Mapping[int, Sequence[int]]) -> None:
        self._workers = workers
        self._samples = {resolution: list(taken) for resolution, taken in samples.items()}

    @property
    def samples(self) -> dict[int, tuple[int, ...]]:
        """Samples that each worker has taken, [workers] for each resolution."""
        return {resolution: tuple(taken) for resolution, taken in self._samples.items()}

    def taken(self, resolution: int) -> list[int]:
        """Samples that each worker has taken at this resolution."""
        return self._samples.setdefault(resolution, [0] * self._workers)

    def took(self, resolution: int, worker: int, samples: int) -> None:
        """Take note of a merged mini-epoch; what other mini-epochs took is taken again."""
        self.taken(resolution)[worker] += samples


@dataclass(frozen=True)
class MiniEpoch:
    """What is decided when a mini-epoch is handed out, and holds until it is merged.

    Whichever worker takes it picks its own entry of what differs between workers.

    Attributes:
        number: its place among all mini-epochs of the run, from 0.
        slot: what it begins with, and is pushed into.
        start: the commit of the weights that it begins with.
        stage: the plan it belongs to.
        learning_rates: one for each worker.
        seeds: likewise, of dropout.
        allowed: likewise, whether it may begin.
    """

    number: int
    slot: Slot
    start: int
    stage: Stage
    learning_rates: Sequence[float]
    seeds: Sequence[int]
    allowed: Sequence[bool]

    def orders(self) -> Orders:
        """What the closure takes."""
        return Orders.of(self.stage.steps, self.learning_rates, self.seeds, self.allowed)


@dataclass(frozen=True)
class Returned:
    """A mini-epoch that came back, before it is merged.

    Attributes:
        mini_epoch: what was ordered.
        worker: index of the worker that trained it.
        result: what the closure returned.
    """

    mini_epoch: MiniEpoch
    worker: int
    result: MiniEpochResult
