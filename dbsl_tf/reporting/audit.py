"""Whether a run has trained every sample of each epoch exactly once, from its history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.first_few import first_few
from dbsl_tf.config.ranges import MOST_EPOCHS
from dbsl_tf.reporting.coverage import Coverage, coverage
from dbsl_tf.reporting.reading import read_run
from dbsl_tf.reporting.recorded_run import RecordedRun
from dbsl_tf.results.checked_values import damaged, whole_number
from dbsl_tf.results.run_directory import RunDirectory

# The first mini-epoch that a worker merges after a fault may have begun before it, and the second
# before what the fault left was given back.
_MERGED_SINCE = 3


@dataclass(frozen=True)
class EpochAudit:
    """One epoch, which is one permutation of the training samples.

    Attributes:
        epoch: its number, from 1.
        seen: different samples that were trained and merged.
        of: training samples (d).
        doubled: samples in more than one merged mini-epoch.
        due: whether it must be complete; see `audit_of`.
    """

    epoch: int
    seen: int
    of: int
    doubled: int
    due: bool

    @property
    def lost(self) -> int:
        """Samples in no merged mini-epoch, which none that is still to be merged can have."""
        return self.of - self.seen if self.due else 0

    @property
    def state(self) -> Literal["complete", "in progress", "incomplete"]:
        """How far it is; what is doubled does not matter."""
        if self.seen == self.of:
            return "complete"
        return "incomplete" if self.due else "in progress"

    @property
    def share(self) -> float:
        """Part of the epoch that was seen, rounded down to 0.01 %: 1 only if it is complete."""
        return self.seen * 10_000 // self.of / 10_000

    def as_dict(self) -> dict[str, Any]:
        """Returns JSON values."""
        return {
            "epoch": self.epoch,
            "samples": self.seen,
            "share": self.share,
            "lost": self.lost,
            "doubled": self.doubled,
            "state": self.state,
        }


@dataclass(frozen=True)
class Audit:
    """What became of the samples of a run.

    Attributes:
        run: its directory.
        samples: training samples (d).
        epochs: in order, up to the last one that has a merged mini-epoch or must be complete.
    """

    run: Path
    samples: int
    epochs: Sequence[EpochAudit]

    @property
    def passed(self) -> bool:
        """Whether nothing is lost or doubled."""
        return not any(epoch.lost or epoch.doubled for epoch in self.epochs)

    @property
    def sentence(self) -> str:
        """What it comes to, in a line.

        Example:
            >>> Audit(Path("run"), 9, [EpochAudit(1, 9, 9, 0, True)]).sentence
            'every sample of 1 complete epoch was trained and merged exactly once'
        """
        if not self.passed:
            lost = {epoch.epoch: epoch.lost for epoch in self.epochs}
            doubled = {epoch.epoch: epoch.doubled for epoch in self.epochs}
            found = [
                _amount(lost, "lost, in no merged mini-epoch"),
                _amount(doubled, "trained and merged more than once"),
            ]
            return "; ".join(filter(None, found))
        complete = sum(epoch.state == "complete" for epoch in self.epochs)
        if not complete:
            return "no epoch is complete yet; nothing is lost, and nothing was merged twice"
        epochs = f"{complete} complete epoch" + ("s" if complete > 1 else "")
        return f"every sample of {epochs} was trained and merged exactly once"

    def as_dict(self) -> dict[str, Any]:
        """Returns JSON values."""
        return {
            "run": str(self.run),
            "samples_per_epoch": self.samples,
            "passed": self.passed,
            "summary": self.sentence,
            "lost": sum(epoch.lost for epoch in self.epochs),
            "doubled": sum(epoch.doubled for epoch in self.epochs),
            "epochs": [epoch.as_dict() for epoch in self.epochs],
        }


def read_audit(path: Path) -> Audit:
    """Returns the audit of the run in a directory; see `audit_of`.

    Raises:
        UserError: it is not a run directory, a file in it is damaged, or its workers do not share
            epochs.
    """
    return audit_of(read_run(path))


def audit_of(run: RecordedRun) -> Audit:
    """Returns what became of the samples of each epoch, without what a resumption discarded.

    All epochs of a run that has all its commits must be complete. Where it has not, or was ended
    early, an epoch must be complete once every worker that takes part has merged three mini-epochs
    that begin in later epochs, since the last fault and the last resumption. For a worker trains
    one share after another, and what a lost worker, a discarded result or an interruption left is
    given out again before anything of a later epoch. When the third began, nothing of the epoch was
    left to give out, and a worker has nothing older at hand than what it began last. Until then the
    epoch is in progress, however little of it was merged.

    Raises:
        UserError: its workers do not share epochs, or its files do not say which samples it has
            trained.
    """
    if run.config.get("data.sharing", "shared") != "disjoint":
        raise UserError(
            f"{run.path} has nothing to audit: each of its workers goes through the whole training "
            "set in an order of its own (data.sharing: shared); set data.sharing: disjoint in "
            "another run, in which each sample is trained by one worker in an epoch"
        )
    samples = _samples(run)
    shares = _shares(run, samples)
    covered = coverage([(share.first, share.samples) for share in shares], samples)
    due = run.config["schedule.epochs"] if _is_whole(run) else _due(run, shares, samples)
    covered += [Coverage()] * (due - len(covered))
    epochs = [
        EpochAudit(number, each.seen, samples, each.doubled, due=number <= due)
        for number, each in enumerate(covered, 1)
    ]
    return Audit(run.path, samples, epochs)


@dataclass(frozen=True)
class _Share:
    """The samples of a merged mini-epoch, the first of them by its position in the run."""

    commit: int
    worker: int
    first: int
    samples: int


def _samples(run: RecordedRun) -> int:
    """Returns the training samples, d."""
    try:
        if run.plan.get("samples") is None:
            raise ValueError("it does not say how many training samples there are")
        samples = whole_number(run.plan["samples"], "samples")
        if samples == 0:
            raise ValueError("samples is 0")
    except ValueError as error:
        raise damaged(RunDirectory(run.path).plan, str(error)) from error
    return samples


def _shares(run: RecordedRun, samples: int) -> list[_Share]:
    """Returns what was merged, in the order of the merges."""
    history = RunDirectory(run.path).history
    shares = []
    for mini_epoch in run.mini_epochs:
        first, count = mini_epoch.first_sample, mini_epoch.samples
        if first is None or count is None:
            name = "first_sample" if first is None else "samples"
            raise damaged(history, f"commit {mini_epoch.commit} has no {name}")
        if first + count > MOST_EPOCHS * samples:
            raise damaged(
                history,
                f"first_sample of commit {mini_epoch.commit} is {first}, which is epoch "
                f"{first // samples + 1} of {samples} samples each",
            )
        shares.append(_Share(mini_epoch.commit, mini_epoch.worker, first, count))
    return shares


def _is_whole(run: RecordedRun) -> bool:
    """Returns whether all mini-epochs are merged; a callback may have ended the run early."""
    asked = run.asked_commits
    return asked is not None and len(run.mini_epochs) >= asked


def _due(run: RecordedRun, shares: Sequence[_Share], samples: int) -> int:
    """Returns how many epochs of a run that has not ended must be complete; see `audit_of`."""
    resumed = run.resumptions[-1] if run.resumptions else None
    # Those before it are over: a resumed run begins with all of its workers.
    faults = [f for f in run.faults if resumed is None or f.time >= resumed.time]
    since = max([resumed.commit if resumed else 0, *(fault.commit for fault in faults)])
    last = {fault.worker: fault.kind for fault in faults}
    merged = defaultdict[int, list[int]](list)
    for share in shares:
        if share.commit > since:
            # How many epochs are over where it begins.
            merged[share.worker].append(share.first // samples)
    return min(
        (
            sorted([0] * _MERGED_SINCE + merged[worker])[-_MERGED_SINCE]
            for worker in range(run.workers)
            if last.get(worker) != "absent"
        ),
        default=0,
    )


def _amount(samples: Mapping[int, int], what: str) -> str:
    """Returns how many samples of which epochs, in words; empty if there are none."""
    epochs = [epoch for epoch, count in samples.items() if count]
    if not epochs:
        return ""
    total = sum(samples.values())
    number = f"{total} sample was" if total == 1 else f"{total} samples were"
    word = "epochs" if len(epochs) > 1 else "epoch"
    return f"{number} {what}: {word} {first_few(epochs, len(epochs))}"
