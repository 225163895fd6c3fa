"""Checkpoints: everything needed to resume a run, one file for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbsl_tf.common.errors import UserError, reason_of
from dbsl_tf.common.files import write_whole
from dbsl_tf.config.ranges import LONGEST, SHORTEST
from dbsl_tf.results.checked_values import finite_number, whole_number
from dbsl_tf.results.checkpoint_file import read_checkpoint, write_checkpoint
from dbsl_tf.results.evaluated_weights import StatisticsFiles
from dbsl_tf.schedules.epoch_shares import EpochShare, SharesTaken

if TYPE_CHECKING:
    import numpy as np

# The second name is from when velocities were the only state of an optimiser.
_WEIGHT, _OPTIMIZER_STATE = "weight_", "velocity_"
# Followed by the position of the name among the names, and the number.
_MERGE_STATE = "merge_{}_"
_AVERAGE = "average_"
_NAME = re.compile(r"commit-[0-9]{9,}\.npz")


@dataclass(frozen=True)
class Checkpoint:
    """A run between two commits.

    Attributes:
        commit: number of commits merged.
        clocks: mini-epochs of each worker among them, as synchronisation counts them.
        samples: samples that each worker has taken from its stream of training data, for each
            resolution.
        wall_seconds: seconds trained so far.
        time_models: a, b and c of every worker, from which the current plan was made, for each
            resolution.
        batches: samples in a batch of every worker, for each resolution whose shares have been
            planned anew; elsewhere they follow from the time models.
        weights: in the model's order.
        optimizer_state: of every worker, [workers, ...] each; empty if it is not kept.
        merge_state: what the merge rule keeps: by its name, one array for each trainable weight.
        merge_rule: the rule that keeps it, as the configuration names it.
        average: of the weights over commits, which is evaluated; empty if there is none, or it is
            still the weights themselves.
        averaging: the rule of the average and the commit after which it begins, see `Averaging`;
            None: the weights are not averaged.
        shares: which samples the run has had, where workers share an epoch; else None.
    """

    commit: int
    clocks: tuple[int, ...]
    samples: dict[int, tuple[int, ...]]
    wall_seconds: float
    time_models: dict[int, tuple[tuple[float, float, float], ...]]
    weights: list[np.ndarray]
    optimizer_state: list[np.ndarray]
    batches: dict[int, tuple[int, ...]] = field(default_factory=dict)
    merge_state: dict[str, list[np.ndarray]] = field(default_factory=dict)
    merge_rule: str = ""
    average: list[np.ndarray] = field(default_factory=list)
    averaging: tuple[str, int] | None = None
    shares: SharesTaken | None = None


class Checkpoints:
    """The checkpoints of a run: a folder of .npz files, the newest few of which are kept.

    A file appears under its name only once it is complete and on the disk. It has a checksum, which
    is verified before anything in it is used; files of earlier versions have none.

    Args:
        folder: their folder, created by the first `save`.
        keep: how many to keep.

    Attributes:
        statistics: those estimated for evaluated commits, beside the checkpoints.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        self._keep = keep
        self.statistics = StatisticsFiles(folder)

    def save(self, checkpoint: Checkpoint) -> Path:
        """Writes a checkpoint, then removes the oldest beyond those to keep.

        Raises:
            UserError: it cannot be written, for example because the disk is full.
        """
        progress: dict[str, Any] = {
            "commit": checkpoint.commit,
            "clocks": checkpoint.clocks,
            "samples": checkpoint.samples,
            "wall_seconds": checkpoint.wall_seconds,
            "time_models": checkpoint.time_models,
            "batches": checkpoint.batches,
            "merge_rule": checkpoint.merge_rule,
            "merge_state": list(checkpoint.merge_state),
        }
        if checkpoint.averaging is not None:
            progress["averaging"] = checkpoint.averaging
        if checkpoint.shares is not None:
            progress["shares"] = asdict(checkpoint.shares)
        arrays = {f"{_WEIGHT}{i:05d}": array for i, array in enumerate(checkpoint.weights)}
        arrays |= {
            f"{_OPTIMIZER_STATE}{i:05d}": array
            for i, array in enumerate(checkpoint.optimizer_state)
        }
        for position, kept in enumerate(checkpoint.merge_state.values()):
            name = _MERGE_STATE.format(position)
            arrays |= {f"{name}{i:05d}": array for i, array in enumerate(kept)}
        arrays |= {f"{_AVERAGE}{i:05d}": array for i, array in enumerate(checkpoint.average)}
        path = self._path(checkpoint.commit)
        write_whole(path, lambda partial: write_checkpoint(partial, progress, arrays))
        # Newer ones are no longer valid, and must not push this one out.
        up_to_this = [f for f in self._files() if commit_of(f) <= checkpoint.commit]
        for old in up_to_this[: -self._keep]:
            old.unlink(missing_ok=True)
        self.statistics.remove_before(commit_of(up_to_this[-self._keep :][0]))
        for left_by_a_crash in self._folder.glob(".*.commit-*.npz"):
            left_by_a_crash.unlink(missing_ok=True)
        return path

    def latest(
        self, report: Callable[[str], None], lacks: Callable[[int], str] = lambda commit: ""
    ) -> Checkpoint | None:
        """Returns the newest checkpoint to resume from; None if there is no file at all.

        Args:
            report: called with one line for each damaged checkpoint, and for those that cannot be
                used because of the history.
            lacks: returns what the history lacks for resuming after a commit, in words; empty if
                nothing.

        Raises:
            UserError: there are files, but none can be used.
        """
        files = self._files()
        usable = [file for file in files if not lacks(commit_of(file))]
        if usable != files:
            problem = lacks(commit_of(files[-1]))
            if not usable:
                raise UserError(
                    f"{problem}, and {self._folder} has no checkpoint from which the run can be "
                    "resumed without it: restore the history, or give another run.dir to start "
                    "over"
                )
            report(f"{problem}: resuming from an earlier checkpoint")
        for path in reversed(usable):
            try:
                return _read(path)
            except ValueError as error:
                report(f"{path} is damaged ({error}): trying the one before it")
        if files:
            raise UserError(
                f"none of the {len(usable)} checkpoint(s) in {self._folder} can be read: restore "
                "one, or give another run.dir to start over"
            )
        return None

    def set_aside_after(self, commit: int) -> None:
        """Sets aside the checkpoints after `commit`, because the run resumes without them.

        They are damaged, or the history lacks what they hold. They are renamed: `.unused` is
        appended to their names.

        Raises:
            UserError: they cannot be renamed.
        """
        self.statistics.remove_after(commit)
        for path in self._files():
            if commit_of(path) <= commit:
                continue
            try:
                path.rename(path.with_name(f"{path.name}.unused"))
            except OSError as error:
                raise UserError(
                    f"{path} is no longer used by the run, but cannot be renamed "
                    f"({error.strerror or error}); remove it"
                ) from error

    def at(self, commit: int) -> Checkpoint:
        """Returns the checkpoint after `commit` commits.

        Raises:
            UserError: there is none, or it cannot be read.
        """
        path = self._path(commit)
        if path not in self._files():
            known = ", ".join(str(commit_of(file)) for file in self._files())
            raise UserError(
                f"{self._folder} has no checkpoint of commit {commit}; it has "
                f"{known or 'none at all'}"
            )
        try:
            return _read(path)
        except ValueError as error:
            raise UserError(f"{path} is damaged ({error}); choose another checkpoint") from error

    def _path(self, commit: int) -> Path:
        return self._folder / f"commit-{commit:09d}.npz"

    def _files(self) -> list[Path]:
        return checkpoint_files(self._folder)


def checkpoint_files(folder: Path) -> list[Path]:
    """Returns the checkpoints in a folder, oldest first, whether or not they can be read."""
    return sorted(
        (f for f in folder.glob("commit-*.npz") if _NAME.fullmatch(f.name)), key=commit_of
    )


def commit_of(path: Path) -> int:
    """Returns the commit in the name of a checkpoint."""
    return int(path.stem.removeprefix("commit-"))


def _read(path: Path) -> Checkpoint:
    """Reads a file; raises ValueError with the reason if it is not a complete checkpoint."""
    try:
        progress, arrays = read_checkpoint(path)
        checkpoint = _checkpoint(progress, arrays)
    except MemoryError:
        raise
    except Exception as error:  # A damaged file can raise nearly any exception.
        raise ValueError(_reason(error)) from error
    if checkpoint.commit != commit_of(path):
        raise ValueError(f"it holds commit {checkpoint.commit}")
    return checkpoint


def _checkpoint(progress: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Checkpoint:
    """Returns the content of a file, after checking that a run can have written it."""
    clocks = tuple(whole_number(clock, "a clock") for clock in progress["clocks"])
    workers, commit = len(clocks), whole_number(progress["commit"], "commit")
    if not workers or max(clocks) > commit:
        raise ValueError(f"its clocks are {clocks!r:.60} after {commit} commits")
    wall_seconds = finite_number(progress["wall_seconds"], "wall_seconds")
    if wall_seconds < 0:
        raise ValueError(f"wall_seconds is {wall_seconds}")
    samples, time_models = progress["samples"], progress["time_models"]
    # Earlier versions had none.
    batches = progress.get("batches", {})
    merge_rule, names = progress.get("merge_rule", ""), progress.get("merge_state", [])
    if not all(isinstance(text, str) for text in (merge_rule, *names)):
        raise ValueError(f"the state of a merge is of {merge_rule!r:.60}, {names!r:.60}")
    merge_state = {
        name: _series(_MERGE_STATE.format(position), arrays) for position, name in enumerate(names)
    }
    weights, optimizer_state, average = (
        _series(name, arrays) for name in (_WEIGHT, _OPTIMIZER_STATE, _AVERAGE)
    )
    kept = sum(map(len, (optimizer_state, average, *merge_state.values())))
    if len(weights) + kept != len(arrays) or not weights:
        raise ValueError("it lacks weights, or has other arrays")
    if average and [each.shape for each in average] != [each.shape for each in weights]:
        raise ValueError("its average and its weights have different shapes")
    for lists, what in (
        (samples, "samples"),
        (time_models, "time models"),
        (batches, "batches"),
    ):
        if any(len(values) != workers for values in lists.values()):
            raise ValueError(f"it has {what} for a number of workers other than {workers}")
    for array in optimizer_state:
        if array.shape[:1] != (workers,):
            raise ValueError(f"an optimiser state has the shape {array.shape}")
    return Checkpoint(
        commit=commit,
        clocks=clocks,
        samples={
            int(resolution): tuple(whole_number(value, "samples") for value in taken)
            for resolution, taken in samples.items()
        },
        wall_seconds=wall_seconds,
        time_models={
            int(resolution): tuple(_time_model(model) for model in models)
            for resolution, models in time_models.items()
        },
        weights=weights,
        optimizer_state=optimizer_state,
        batches={
            int(resolution): tuple(_batch(value) for value in sizes)
            for resolution, sizes in batches.items()
        },
        merge_state=merge_state,
        merge_rule=merge_rule,
        average=average,
        averaging=_averaging(progress.get("averaging")),
        shares=_shares(progress.get("shares"), commit),
    )


def _shares(taken: Mapping[str, Any] | None, commit: int) -> SharesTaken | None:
    if taken is None:
        return None
    unmerged = tuple(
        EpochShare(*(whole_number(each[key], f"{key} of a share") for key in ("first", "samples")))
        for each in taken["unmerged"]
    )
    cut, end = (whole_number(taken[key], f"{key} of its shares") for key in ("cut", "end"))
    if cut != commit + len(unmerged) or any(each.first + each.samples > end for each in unmerged):
        raise ValueError(f"its shares are {taken!r:.80} after {commit} commits")
    return SharesTaken(cut, end, unmerged)


def _averaging(begun: Any) -> tuple[str, int] | None:
    if begun is None:
        return None
    rule, since = begun
    if not isinstance(rule, str):
        raise ValueError(f"the rule of its average is {rule!r:.40}")
    return rule, whole_number(since, "the commit after which its average begins")


def _batch(value: Any) -> int:
    size = whole_number(value, "a batch")
    if size < 1:
        raise ValueError(f"a batch is {size}")
    return size


def _series(name: str, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Returns the arrays with these names, numbered from 0 without a gap."""
    count = sum(key.startswith(name) for key in arrays)
    return [arrays[f"{name}{number:05d}"] for number in range(count)]


def _time_model(values: Any) -> tuple[float, float, float]:
    a, b, c = (finite_number(value, "a value of a time model") for value in values)
    # As in the configuration.
    if min(a, b) < SHORTEST or c < 0 or max(a, b, c) > LONGEST:
        raise ValueError(f"a time model is {(a, b, c)}")
    return a, b, c


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return reason_of(error)[:120]
