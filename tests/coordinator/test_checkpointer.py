"""What counts as saved: what is on the disk."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dbsl_tf.coordinator.checkpointer import Checkpointer, Progress
from dbsl_tf.coordinator.record_writer import RecordWriter
from dbsl_tf.results.checkpoints import Checkpoints
from dbsl_tf.results.history import History
from dbsl_tf.shared_model.stored_model import ModelState
from tests.support.records import commit_record

PROGRESS = Progress([4, 3], {8: (10, 20)}, {}, {})


class FailingDisk(Checkpoints):
    """Cannot write as often as `failures` says."""

    failures = 0
    written = 0

    def save(self, *arguments, **options):
        if self.failures:
            self.failures -= 1
            raise OSError("no space left")
        self.written += 1
        return super().save(*arguments, **options)


class TestCheckpointer:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path: Path):
        self.disk = FailingDisk(tmp_path, 2)
        # Of a model on parameter servers, only this counts here.
        self.model = SimpleNamespace(
            state=lambda: ModelState(7, [np.zeros(3, np.float32)], []), averaging=None
        )
        self.failures: list[BaseException] = []
        self.records = RecordWriter([])
        self.checkpointer = Checkpointer(
            self.disk, self.model, self.records, 0.0, self.failures.append
        )

    def saved(self) -> int | None:
        checkpoint = self.disk.latest(print)
        return None if checkpoint is None else checkpoint.commit

    def test_a_commit_is_written_once(self):
        self.checkpointer.save(PROGRESS)
        self.checkpointer.save_and_wait(PROGRESS)
        self.checkpointer.save(PROGRESS)
        self.checkpointer.wait()
        assert (self.saved(), self.disk.written, self.failures) == (7, 1, [])

    def test_what_could_not_be_written_is_not_taken_for_saved(self):
        self.disk.failures = 2
        self.checkpointer.save(PROGRESS)
        with pytest.raises(OSError, match="no space left"):
            self.checkpointer.save_and_wait(PROGRESS)
        assert [str(failure) for failure in self.failures] == ["no space left"]
        self.checkpointer.save_and_wait(PROGRESS)
        assert self.saved() == 7

    def test_neither_is_what_has_no_records(self, monkeypatch):
        def fail() -> None:
            raise OSError("history.jsonl cannot be written")

        monkeypatch.setattr(self.records, "flush", fail)
        self.checkpointer.save(PROGRESS)
        with pytest.raises(OSError, match=r"history\.jsonl"):
            self.checkpointer.save_and_wait(PROGRESS)
        assert self.saved() is None

    def test_the_history_is_on_the_disk_before_the_checkpoint_of_its_commits(
        self, tmp_path: Path, monkeypatch
    ):
        """Else a power failure could leave the checkpoint without them."""
        path = tmp_path / "history.jsonl"
        written: list[tuple[int, int | None]] = []

        def fsync(descriptor: int, really=os.fsync) -> None:
            really(descriptor)
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                written.append((path.read_text().count("\n"), self.saved()))

        monkeypatch.setattr(os, "fsync", fsync)
        with History(path) as history:
            records = RecordWriter([history])
            records.start(self.failures.append)
            checkpointer = Checkpointer(self.disk, self.model, records, 0.0, self.failures.append)
            for commit in range(1, 8):
                records.committed(commit_record(commit=commit))
            checkpointer.save(PROGRESS)
            checkpointer.wait()
        assert (written, self.saved(), self.failures) == ([(7, None)], 7, [])
