"""What profiling a cluster observes, before anything is fitted to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StepSample:
    """Time of a training step, from the difference of two run lengths.

    The difference leaves out what is paid once a run: start-up, tracing, filling the shuffle
    buffer.
    """

    worker: int
    batch: int  # samples
    seconds_per_batch: float


@dataclass(frozen=True)
class OverheadSample:
    """Seconds that one mini-epoch of a worker took beyond its steps: pulling and pushing."""

    worker: int
    seconds: float


@dataclass(frozen=True)
class MemorySample:
    """Peak memory of a worker while it trained with batches of `batch` samples."""

    worker: int
    batch: int
    peak_bytes: int


@dataclass(frozen=True)
class Measurement:
    """Everything one profiling run observed.

    Attributes:
        steps: of the scan over batch sizes; any number for a worker and size, in any order.
        operating: of the sizes that workers are going to use, round by round: in each round every
            worker at each of these sizes. Empty: only the scan was measured.
        overheads: any number for a worker.
        memory: any number for a worker and batch size; empty where memory was not observed.
        free_bytes: memory that a worker may use in all, what it used while measured included;
            None: unknown.
        evaluation_seconds: an evaluation on the whole test set; None: not measured.
        merge_seconds: one merge into the global model; None: not measured.
        warm_up: the first steps of each size, with what is paid once in them. Nothing is fitted to
            them; where there is nothing else, they tell roughly how long steps take.
    """

    steps: tuple[StepSample, ...]
    operating: tuple[tuple[StepSample, ...], ...] = ()
    overheads: tuple[OverheadSample, ...] = ()
    memory: tuple[MemorySample, ...] = ()
    free_bytes: int | None = None
    evaluation_seconds: float | None = None
    merge_seconds: float | None = None
    warm_up: tuple[StepSample, ...] = ()
