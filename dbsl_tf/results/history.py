"""Writes history.jsonl during a run, and reads it once to resume."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from dbsl_tf.common.checksums import line_with_checksum
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import open_to_append
from dbsl_tf.common.printing import tell
from dbsl_tf.results.history_lines import problem_of, read_lines, record_of
from dbsl_tf.results.records import (
    CommitRecord,
    DriftRecord,
    EvaluationRecord,
    FaultRecord,
    HistoryRecord,
    NoiseRecord,
    ResumeRecord,
    WorkersRecord,
)

_LONGEST_LINE = 1 << 20  # bytes


class History:
    """Appends to history.jsonl, and knows the records in it that count.

    It is a context manager and an observer of the run. While it is open, other processes cannot
    resume the run; if the file system has no locks, a line on standard error says so. A last line
    that a crash cut short is removed. Lines may be missing or damaged: `lacks` says whether the run
    can be resumed after a given commit.

    Args:
        path: the file, created if it does not exist.

    Attributes:
        commits: the commits that count, in order; a resumed run has discarded those after its
            checkpoint.
        evaluations: likewise.
        damaged: what is wrong with lines that are not records, by line number; resuming excludes
            them permanently.

    Raises:
        UserError: the file was not written by a run, cannot be written, or is in use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.commits: list[CommitRecord] = []
        self.evaluations: list[EvaluationRecord] = []
        self.damaged: dict[int, str] = {}
        try:
            self._file = open_to_append(path)
        except OSError as error:
            raise self._cannot_be_written(error) from error
        try:
            self._keep_others_out()
            _remove_cut_line(path)
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> History:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
        except OSError as unwritten:
            # It tries again what could not be written before, which has been told then.
            if error is None:
                raise self._cannot_be_written(unwritten) from unwritten

    def lacks(self, commit: int) -> str:
        """Returns what is missing to resume after `commit`, in words; empty if nothing is."""
        problem = problem_of([record.commit for record in self.commits], commit)
        return f"{self._path} is damaged ({problem})" if problem else ""

    def check_workers(self, workers: int) -> None:
        """Checks that only workers 0 … `workers` - 1 have trained.

        Raises:
            UserError: another one has.
        """
        for record in self.commits:
            if record.worker >= workers:
                raise UserError(
                    f"{self._path}: commit {record.commit} is of worker {record.worker}, but the "
                    f"run has {workers} (cluster.workers); restore the file"
                )

    def resume(self, commit: int, changes: Sequence[str] = ()) -> ResumeRecord:
        """Resumes after `commit`: writes a line saying that later records no longer count.

        Args:
            commit: the commit of the checkpoint.
            changes: how the configuration has changed, in words.
        """
        discarded = sum(record.commit > commit for record in self.commits)
        self.commits = [record for record in self.commits if record.commit <= commit]
        self.evaluations = [record for record in self.evaluations if record.commit <= commit]
        record = ResumeRecord(commit, discarded, time.time(), tuple(changes), tuple(self.damaged))
        self.damaged = {}
        self._append(record)
        return record

    def committed(self, record: CommitRecord) -> None:
        self.commits.append(record)
        self._append(record)

    def evaluated(self, record: EvaluationRecord) -> None:
        self.evaluations.append(record)
        self._append(record)

    def noise_measured(self, record: NoiseRecord) -> None:
        self._append(record)

    def drifted(self, record: DriftRecord) -> None:
        self._append(record)

    def planned_for_present(self, record: WorkersRecord) -> None:
        self._append(record)

    def faulted(self, record: FaultRecord) -> None:
        self._append(record)

    def sync(self) -> None:
        """Flushes everything recorded so far to the disk.

        Raises:
            UserError: that is not possible, or the file is no longer at its path: what is written
                there now may be of another run.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._cannot_be_written(error) from error
        # Last, as the disk may be slow, and the caller is going to write there.
        if not self._is_in_place():
            raise UserError(
                f"{self._path} was removed or replaced, or its directory renamed, while the run "
                "went on: nothing more is written there; rename it back and start the run again, "
                "or begin another one"
            )

    def _keep_others_out(self) -> None:
        from filelock import lock_descriptor  # Readers need no lock.

        try:
            # A process whose run could not start has removed the file after locking it.
            alone = lock_descriptor(self._file.fileno(), blocking=False) and self._is_in_place()
        except OSError as error:
            tell(
                f"warning: {self._path} cannot be locked ({error.strerror}): make sure that no "
                "other process continues this run"
            )
            return
        if not alone:
            raise UserError(
                f"{self._path} is in use: another process continues this run; stop it first, or "
                "give another run.dir"
            )

    def _is_in_place(self) -> bool:
        """Whether the file at the path is the one that is open."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _read(self) -> None:
        lines = read_lines(self._path)
        self.damaged = dict(lines.damaged)
        for number, event in lines.events.items():
            if event["event"] not in ("commit", "evaluation"):
                continue
            try:
                record = record_of(event)
            except ValueError as error:
                self.damaged[number] = str(error)
                continue
            if isinstance(record, CommitRecord):
                self.commits.append(record)
            else:
                self.evaluations.append(record)

    def _append(self, record: HistoryRecord) -> None:
        try:
            line = json.dumps(record.as_dict(), allow_nan=False)
            self._file.write(line_with_checksum(line) + "\n")
            self._file.flush()
        except OSError as error:
            raise self._cannot_be_written(error) from error

    def _cannot_be_written(self, error: OSError) -> UserError:
        return UserError(
            f"{self._path} cannot be written ({error.strerror}); free some space or correct the "
            "permissions, and start the run again: it is resumed from its last checkpoint"
        )


def _remove_cut_line(path: Path) -> None:
    with open(path, "rb+") as file:
        size = file.seek(0, os.SEEK_END)
        start = file.seek(max(0, size - _LONGEST_LINE))
        place = file.read().rfind(b"\n")
        if place >= 0 or start == 0:
            file.truncate(start + place + 1)
