"""history.jsonl: written as the run goes on, and read to go on with it."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.results.checked_values import damaged, event_count
from dbsl_tf.results.records import (
    CommitRecord,
    DriftRecord,
    EvaluationRecord,
    FaultRecord,
    ResumeRecord,
)

# Kinds of lines that no longer count after a resumption from an earlier checkpoint.
_COUNTED = ("commit", "evaluation")


class History:
    """Appends to history.jsonl, and knows the records in it that count.

    A context manager and an observer of the run, which other processes cannot go on with
    meanwhile; where the file system has no locks, a line on standard error says so. A line that a
    crash cut short is removed.

    Args:
        path: of the file; made where there is none.

    Attributes:
        commits: those that count, in order: a resumed run has thrown away what came after its
            checkpoint.
        evaluations: likewise.

    Raises:
        UserError: the file is none that a run left, cannot be written, or is in use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.commits: list[CommitRecord] = []
        self.evaluations: list[EvaluationRecord] = []
        try:
            self._file = open(path, "a", encoding="utf-8")
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
        self._file.close()

    def resume(self, commit: int, changes: Sequence[str] = ()) -> ResumeRecord:
        """Go on after `commit`: later records no longer count, which a line says.

        Args:
            commit: of the checkpoint.
            changes: of the configuration, in words.
        """
        discarded = sum(record.commit > commit for record in self.commits)
        self.commits = [record for record in self.commits if record.commit <= commit]
        self.evaluations = [record for record in self.evaluations if record.commit <= commit]
        record = ResumeRecord(commit, discarded, time.time(), tuple(changes))
        self._append(record)
        return record

    def committed(self, record: CommitRecord) -> None:
        self.commits.append(record)
        self._append(record)

    def evaluated(self, record: EvaluationRecord) -> None:
        self.evaluations.append(record)
        self._append(record)

    def drifted(self, record: DriftRecord) -> None:
        self._append(record)

    def survived(self, record: FaultRecord) -> None:
        self._append(record)

    def _keep_others_out(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A process whose run could not begin has removed the file that it had locked.
            alone = os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except (BlockingIOError, FileNotFoundError):
            alone = False
        except OSError as error:
            print(
                f"warning: {self._path} cannot be locked ({error.strerror}): see to it that no "
                "other process continues this run",
                file=sys.stderr,
            )
            return
        if not alone:
            raise UserError(
                f"{self._path} is in use: another process continues this run; end it first, or "
                "give another run.dir"
            )

    def _read(self) -> None:
        for event in read_events(self._path):
            try:
                if event["event"] == "commit":
                    self.commits.append(CommitRecord(**_without_event(event)))
                elif event["event"] == "evaluation":
                    self.evaluations.append(EvaluationRecord(**_without_event(event)))
            except TypeError as error:
                raise UserError(
                    f"{self._path} was written by another version ({error}): give another run.dir"
                ) from error

    def _append(
        self,
        record: CommitRecord | EvaluationRecord | DriftRecord | FaultRecord | ResumeRecord,
    ) -> None:
        try:
            self._file.write(json.dumps(record.as_dict(), allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise self._cannot_be_written(error) from error

    def _cannot_be_written(self, error: OSError) -> UserError:
        return UserError(
            f"{self._path} cannot be written ({error.strerror}): make room or mend the "
            "permissions, and start the run again: it resumes from its last checkpoint"
        )


def read_events(path: Path) -> list[dict[str, Any]]:
    """The lines of a history.jsonl that count, as dictionaries; see `records`.

    Commits and evaluations after the checkpoint that a run went on from are left out, and so is a
    last line that is not complete: a crash cut it short, or it is being written.

    Raises:
        UserError: the file cannot be read, or is none that a run left.
    """
    events: list[dict[str, Any]] = []
    if not path.exists():
        return events
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path, str(error)) from error
    for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), 1):
        try:
            event = json.loads(line)
            if event["event"] in (*_COUNTED, "resume"):
                event_count(event, "commit")
            if event["event"] == "resume":
                events = _until(events, event["commit"])
            events.append(event)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f"{path} line {number} is no record of a run ({error!r}): restore the file or "
                "give another run.dir"
            ) from error
    return events


def _until(events: Sequence[dict[str, Any]], commit: int) -> list[dict[str, Any]]:
    return [e for e in events if e["event"] not in _COUNTED or e["commit"] <= commit]


def _without_event(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != "event"}


def _remove_cut_line(path: Path) -> None:
    if not path.exists():
        return
    with open(path, "rb+") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)
