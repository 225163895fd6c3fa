"""Summary figures of a run: results, speed, staleness, balance, predicted and observed times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median, quantiles

from dbsl_tf.config.keys import tagged
from dbsl_tf.config.tags import SameWork
from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.recorded_run import Evaluation, MiniEpoch, RecordedRun


@dataclass(frozen=True)
class Range:
    """The median of values and their tenth and ninetieth percentiles."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class WorkerTimes:
    """How long one worker's mini-epochs of one batch size took; None: not recorded.

    Attributes:
        worker, role, resolution, batch: as in `MiniEpoch`.
        mini_epochs: how many there were.
        samples: median samples of a mini-epoch.
        mean_batch: samples over steps; below `batch` if the last step is short.
        batch_seconds: observed time of a step, see `steady`.
        predicted_batch_seconds: t(B) = a B + b at `mean_batch`.
        seconds: observed time of a mini-epoch, see `steady`.
        predicted_seconds: time of a mini-epoch predicted by the time model.
    """

    worker: int
    role: str
    resolution: int | None
    batch: int | None
    mini_epochs: int
    samples: float | None
    mean_batch: float | None
    batch_seconds: Range | None
    predicted_batch_seconds: float | None
    seconds: Range
    predicted_seconds: float | None

    @property
    def ratio(self) -> float | None:
        """Observed over predicted time of a step."""
        if self.batch_seconds is None or not self.predicted_batch_seconds:
            return None
        return self.batch_seconds.median / self.predicted_batch_seconds


def value_range(values: Sequence[float]) -> Range | None:
    """Returns the median and percentiles; None if there are no values."""
    return range_of(values) if values else None


def range_of(values: Sequence[float]) -> Range:
    """Returns the median and percentiles of at least one value."""
    if len(values) == 1:
        return Range(values[0], values[0], values[0])
    tenths = quantiles(values, n=10, method="inclusive")
    return Range(median(values), tenths[0], tenths[-1])


def worker_times(run: RecordedRun) -> list[WorkerTimes]:
    """Returns the times of every worker's mini-epochs.

    They are apart by resolution, worker, how often their epoch is merged, and batch size.
    """
    parts: dict[tuple, list[MiniEpoch]] = {}
    for mini_epoch in run.mini_epochs:
        merges = -run.calendar.mini_epochs(mini_epoch.epoch)
        key = (mini_epoch.resolution or 0, mini_epoch.worker, merges, mini_epoch.batch or 0)
        parts.setdefault(key, []).append(mini_epoch)
    repeated = {m.commit for m in steady(run.mini_epochs)}
    return [_worker_times(run, parts[key], repeated) for key in sorted(parts)]


def steady(mini_epochs: Sequence[MiniEpoch]) -> list[MiniEpoch]:
    """Returns all but the first of each worker at each resolution, which includes preparation."""
    seen: set[tuple[int, int | None]] = set()
    found = []
    for mini_epoch in mini_epochs:
        key = (mini_epoch.worker, mini_epoch.resolution)
        if key in seen:
            found.append(mini_epoch)
        seen.add(key)
    return found


def _worker_times(
    run: RecordedRun, mini_epochs: Sequence[MiniEpoch], repeated: set[int]
) -> WorkerTimes:
    one = mini_epochs[0]
    timed = [m for m in mini_epochs if m.commit in repeated] or mini_epochs
    model = run.time_model(one.worker, one.resolution)
    predicted = predicted_seconds = None
    if model is not None:
        known = [s for m in timed if (s := m.predicted_batch_seconds(model)) is not None]
        predicted = median(known) if known else None
        wholes = [
            model.mini_epoch_seconds(m.samples, m.batch)
            for m in mini_epochs
            if m.samples and m.batch
        ]
        predicted_seconds = median(wholes) if wholes else None
    sizes = [m.samples / m.steps for m in timed if m.samples and m.steps]
    return WorkerTimes(
        worker=one.worker,
        role=one.role,
        resolution=one.resolution,
        batch=one.batch,
        mini_epochs=len(mini_epochs),
        samples=median([m.samples for m in mini_epochs if m.samples] or [0]) or None,
        mean_batch=median(sizes) if sizes else None,
        batch_seconds=value_range([s for m in timed if (s := m.batch_seconds) is not None]),
        predicted_batch_seconds=predicted,
        seconds=range_of([m.seconds for m in timed]),
        predicted_seconds=predicted_seconds,
    )


@dataclass(frozen=True)
class Measures:
    """A run in a few figures; None: not known.

    Attributes:
        last: the last evaluation on the test set.
        last_validation, best_validation: as `last` and `best`, on samples that are held out.
        best: the evaluation with the highest test accuracy, or without an accuracy the lowest test
            loss, which the test set itself selects.
        wall_seconds: see `RecordedRun.wall_seconds`.
        samples: number of samples trained.
        planned_ratio: extra time ratio k with whole steps, from the plan.
        realised_ratio: what k was by the estimate in summary.json.
        load_imbalance: median mini-epoch of the small workers over that of the large ones, at the
            highest resolution.
        mean_staleness: commits merged between a mini-epoch's pull and its own merge.
        busy: share of the time that the workers spent in mini-epochs, 0 to 1.
    """

    last: Evaluation | None
    best: Evaluation | None
    last_validation: Evaluation | None
    best_validation: Evaluation | None
    wall_seconds: float | None
    samples: int | None
    planned_ratio: float | None
    realised_ratio: float | None
    load_imbalance: float | None
    mean_staleness: float | None
    busy: float | None

    @property
    def images_per_second(self) -> float | None:
        """Samples trained per second of wall time, evaluations included."""
        if not self.samples or not self.wall_seconds:
            return None
        return self.samples / self.wall_seconds


def measures(run: RecordedRun) -> Measures:
    """Returns summary figures of a run, from the records there are."""
    evaluations = run.evaluations
    mini_epochs = run.mini_epochs
    staleness = [m.staleness for m in mini_epochs if m.staleness is not None]
    samples = sum(m.samples or 0 for m in mini_epochs)
    wall = run.wall_seconds
    return Measures(
        last=evaluations[-1] if evaluations else None,
        best=_best(evaluations),
        last_validation=run.validations[-1] if run.validations else None,
        best_validation=_best(run.validations),
        wall_seconds=wall,
        samples=samples or None,
        planned_ratio=run.summary.get("planned_extra_time_ratio")
        or run.plan.get("realised_extra_time_ratio"),
        realised_ratio=run.summary.get("realised_extra_time_ratio"),
        load_imbalance=_load_imbalance(run),
        mean_staleness=mean(staleness) if staleness else None,
        busy=sum(m.seconds for m in mini_epochs) / (run.workers * wall) if wall else None,
    )


def _best(evaluations: Sequence[Evaluation]) -> Evaluation | None:
    counted = [e for e in evaluations if e.test_accuracy is not None]
    if counted:
        return max(counted, key=lambda e: e.test_accuracy or 0.0)
    return min(evaluations, key=lambda e: e.test_loss, default=None)


def _load_imbalance(run: RecordedRun) -> float | None:
    highest = max(run.resolutions, default=None)
    by_role = [
        [m.seconds for m in run.alike_mini_epochs if m.role == role and m.resolution == highest]
        for role in ROLES
    ]
    if not all(by_role):
        return None
    small, large = map(median, by_role)
    return small / large if large else None


def time_against_all_large(groups: Sequence[Group]) -> list[float | None]:
    """Returns the mean wall time of each group over that of the group without small workers.

    Only finished runs count. None if the times are not comparable: there is no such group or there
    are several, or the runs differ in length, network, data set, precision, number of workers, or
    the use of XLA, oneDNN or Winograd's filtering.
    """
    all_large = [group for group in groups if group.small_workers == 0]
    if len(all_large) != 1 or len(groups) == 1:
        return [None] * len(groups)
    baseline = all_large[0]
    seconds = _finished_seconds(baseline)
    ratios: list[float | None] = []
    for group in groups:
        own = _finished_seconds(group)
        alike = _work(group) == _work(baseline)
        ratios.append(own / seconds if own and seconds and alike else None)
    return ratios


def _finished_seconds(group: Group) -> float | None:
    finished = [run.wall_seconds for run in group.runs if run.finished and run.wall_seconds]
    return mean(finished) if finished else None


def _work(group: Group) -> tuple:
    """Returns the facts that must be equal for times to be comparable."""
    run = group.runs[0]
    libraries = {(run.onednn, run.winograd) for run in group.runs if run.finished}
    # Runs of older versions do not record what they did not have, and what is 0 or off now.
    return run.workers, libraries, *(run.config.get(key) or None for key in tagged(SameWork))
