"""The kinds of lines in history.jsonl."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

# By name; None where a value is not a finite number, such as that of a metric of no samples.
Metrics: TypeAlias = dict[str, float | None]

# What weights are evaluated on: the test set, or training samples held out for validation.
Split: TypeAlias = Literal["test", "validation"]
TEST: Split = "test"
VALIDATION: Split = "validation"
SPLITS = (TEST, VALIDATION)

# What is evaluated where neither averages nor estimated statistics are; see `weights_in_words`.
GLOBAL_WEIGHTS = "global weights"


@dataclass(frozen=True, kw_only=True)
class RecordedCommit:
    """One mini-epoch of one worker, merged into the global weights; None: not recorded.

    Imported runs leave out what their source does not have.

    Attributes:
        commit: number of the merge, from 1.
        epoch: the epoch this commit belongs to, from 1; of several that are trained in one
            mini-epoch, the last.
        worker: index of the worker that trained it.
        role: `small` or `large`.
        resolution: height and width of the images in pixels.
        batch: batch size B_i, samples.
        samples: samples trained, d_i.
        first_sample: where they begin in the run's permutations of the training set, one after the
            other, from 0; None where workers do not share an epoch (`data.sharing`).
        steps: batches trained.
        started: when the worker began to pull, Unix time in seconds of the worker's clock.
        seconds: from the start of the pull to the end of the push, on the worker.
        loop_seconds: the part of `seconds` spent in the steps alone.
        learning_rate: of this worker in this mini-epoch.
        update_factor: f in the merge rule.
        staleness: commits merged between this mini-epoch's pull and its own merge.
        train_loss: mean loss of its samples while training.
        train_accuracy: share of its samples classified correctly while training, 0 to 1; None
            where the objective has no accuracy. It is the metric called accuracy, else the first
            of Keras's …Accuracy metrics that count samples.
        train_metrics: values while training of all metrics but that called accuracy.
    """

    commit: int
    epoch: int | None
    worker: int
    role: str
    resolution: int | None
    batch: int | None
    samples: int | None
    steps: int | None
    started: float
    seconds: float
    loop_seconds: float | None
    learning_rate: float | None
    update_factor: float | None
    staleness: int | None
    train_loss: float | None
    train_accuracy: float | None
    train_metrics: Metrics = field(default_factory=dict)
    first_sample: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns the line in history.jsonl."""
        return {"event": "commit", **_known(self)}


@dataclass(frozen=True, kw_only=True)
class CommitRecord(RecordedCommit):
    """One mini-epoch of one worker, merged into the global weights, as training records it."""

    epoch: int
    resolution: int
    batch: int
    samples: int
    steps: int
    loop_seconds: float
    learning_rate: float
    update_factor: float
    staleness: int
    train_loss: float

    def as_dict(self) -> dict[str, Any]:
        return {"event": "commit", **_known(self, "train_accuracy")}


@dataclass(frozen=True, kw_only=True)
class RecordedEvaluation:
    """An evaluation of the weights of one commit on a whole split; None: not recorded.

    Attributes:
        commit: the commit whose weights were evaluated.
        epoch: epochs completed by then.
        resolution: height and width of the images in pixels.
        test_loss: mean loss on the split, whichever it is.
        test_accuracy: share classified correctly, 0 to 1; None where the objective has no
            accuracy, see `RecordedCommit`.
        test_metrics: values of all metrics but that called accuracy.
        samples: of the split, each counted once.
        started: when it began, Unix time in seconds of the coordinator's clock. If one snapshot is
            evaluated at two resolutions, the second evaluation begins when the first has ended.
        seconds: from `started` to the last result, including the time in which workers finish their
            current mini-epochs before they take their shares, and that of estimating statistics.
        split: what was evaluated; a line without it is of the test set.
        weights: which weights, in words; a line without it is of the global weights.
    """

    commit: int
    epoch: int | None
    resolution: int | None
    test_loss: float
    test_accuracy: float | None
    samples: int | None
    started: float | None
    seconds: float | None
    test_metrics: Metrics = field(default_factory=dict)
    split: Split = TEST
    weights: str = GLOBAL_WEIGHTS

    def as_dict(self) -> dict[str, Any]:
        """Returns the line in history.jsonl."""
        return {"event": "evaluation", **_known(self)}


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord(RecordedEvaluation):
    """The global weights of one commit on a whole split, as training records it."""

    epoch: int
    resolution: int
    samples: int
    started: float
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {"event": "evaluation", **_known(self, "test_accuracy")}


@dataclass(frozen=True)
class DriftRecord:
    """Workers turned out slower or faster than one another, other than planned.

    Attributes:
        commit: number of commits by then.
        factors: observed over expected time of a step, for each worker.
        adopted: whether `plan` is used from the next epoch on.
        plan: the plan that fits the observed times; None if there is none, or it is not needed.
        problem: why there is none.
        fits: whether the plan in force fits them after all, so that an earlier record no longer
            holds.
    """

    commit: int
    factors: tuple[float, ...]
    adopted: bool
    plan: dict[str, Any] | None
    problem: str | None
    fits: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Returns the line in history.jsonl."""
        return {"event": "drift", **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class NoiseRecord:
    """The batch noise scale of the weights of one commit; see `dbsl_tf.planning.batch_noise`.

    Attributes:
        commit: the commit of the weights.
        epoch: epochs completed by then.
        resolution: height and width of the training images in pixels.
        small_batch, large_batch: sizes of the batches that it was measured with, in samples.
        batches: how many large batches; the small ones were made of their samples.
        gradient: |G|^2, the squared norm of the gradient without noise, as estimated.
        variance: S, the trace of the covariance of single samples' gradients, as estimated.
        noise: B_noise = S / |G|^2 in samples, at least 0; None: it is too large to be told.
        low, high: between these it is with a probability of about 0.95; None: no bound.
        started: when the measurement began, Unix time in seconds of the coordinator's clock.
        seconds: it took, including the time in which workers finish their current mini-epochs.
    """

    commit: int
    epoch: int
    resolution: int
    small_batch: int
    large_batch: int
    batches: int
    gradient: float
    variance: float
    noise: float | None
    low: float | None
    high: float | None
    started: float
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Returns the line in history.jsonl."""
        return {"event": "noise", **asdict(self)}


@dataclass(frozen=True)
class WorkersRecord:
    """From an epoch on another plan is in force, as other workers are there; or there is none.

    Attributes:
        commit: number of commits before the epoch.
        epoch: the first one it holds for, from 1.
        present: indices of the workers that are there.
        plan: of those present alone; None: the plan before stays in force.
        problem: why there is none.
        time: when it was made, Unix time in seconds of the coordinator's clock.
    """

    commit: int
    epoch: int
    present: tuple[int, ...]
    plan: dict[str, Any] | None
    problem: str | None
    time: float = field(default_factory=time.time)

    def as_dict(self) -> dict[str, Any]:
        """Returns the line in history.jsonl."""
        return {"event": "workers", **asdict(self)}


FaultKind = Literal["absent", "back", "rejected"]


@dataclass(frozen=True)
class FaultRecord:
    """A fault that the run survived.

    Attributes:
        commit: number of commits by then.
        kind: `absent` (a worker is dead or hung), `back` (it has rejoined) or `rejected` (a
            result that is not finite was discarded).
        worker: index of the worker.
        message: a sentence for people.
        time: when it was noticed, Unix time in seconds of the coordinator's clock.
    """

    commit: int
    kind: FaultKind
    worker: int
    message: str
    time: float = field(default_factory=time.time)

    def as_dict(self) -> dict[str, Any]:
        """Returns the line in history.jsonl."""
        return {"event": "fault", **asdict(self)}


@dataclass(frozen=True)
class ResumeRecord:
    """The run was resumed from a checkpoint: earlier lines about later commits no longer count.

    Attributes:
        commit: the commit of the checkpoint.
        discarded: number of commits after it that were lost.
        time: when the run was resumed, Unix time in seconds.
        changes: how the configuration changed, in words.
        left_out: numbers of earlier damaged lines, which no longer count either.
    """

    commit: int
    discarded: int
    time: float
    changes: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Returns the line in history.jsonl."""
        return {"event": "resume", **asdict(self)}


HistoryRecord = (
    RecordedCommit
    | RecordedEvaluation
    | NoiseRecord
    | DriftRecord
    | WorkersRecord
    | FaultRecord
    | ResumeRecord
)


_DEFAULTS = (("split", TEST), ("weights", GLOBAL_WEIGHTS))


def _known(record: RecordedCommit | RecordedEvaluation, always: str = "") -> dict[str, Any]:
    """Returns the values that there are, and one that may be None; no metrics where none are."""
    return {
        name: value
        for name, value in asdict(record).items()
        if name == always or not (value is None or value == {} or (name, value) in _DEFAULTS)
    }


class Observer(Protocol):
    """Receives the records of a run, one call at a time.

    Commits arrive in order. An evaluation runs alongside training, so it may arrive after later
    commits.
    """

    def committed(self, record: CommitRecord) -> None: ...

    def evaluated(self, record: EvaluationRecord) -> None: ...

    def drifted(self, record: DriftRecord) -> None: ...

    def faulted(self, record: FaultRecord) -> None: ...


@runtime_checkable
class NoiseObserver(Protocol):
    """An observer that also receives measurements of the batch noise, alongside evaluations."""

    def noise_measured(self, record: NoiseRecord) -> None: ...


@runtime_checkable
class WorkersObserver(Protocol):
    """An observer that is also told when a plan is made for the workers that are there."""

    def planned_for_present(self, record: WorkersRecord) -> None: ...


@runtime_checkable
class Durable(Protocol):
    """An observer whose records must survive a power failure."""

    def sync(self) -> None:
        """Returns once everything recorded so far is on the disk."""
