"""history.jsonl over interruptions."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from unittest import mock

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.results.history import History
from dbsl_tf.results.history_lines import read_events, records_of
from dbsl_tf.results.records import FaultRecord, RecordedEvaluation
from tests.support.records import commit_record, evaluation_record
from tests.support.small_disk import SmallDisk


def write(path: Path, commits: range) -> None:
    with History(path) as history:
        for commit in commits:
            history.committed(commit_record(commit=commit))


def test_a_history_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write(path, range(1, 3))
    with History(path) as history:
        history.evaluated(evaluation_record(commit=2))
        history.faulted(FaultRecord(2, "absent", 1, "gone"))
    with History(path) as history:
        assert history.commits == [commit_record(commit=1), commit_record(commit=2)]
        assert history.evaluations == [evaluation_record(commit=2)]


def test_an_evaluation_on_samples_held_out_says_so_and_others_do_not(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    held_out = evaluation_record(split="validation")
    with History(path) as history:
        for record in (held_out, evaluation_record()):
            history.evaluated(record)
    first, second = read_events(path)
    assert first["split"] == "validation"
    assert "split" not in second
    assert records_of([first, second]) == [
        RecordedEvaluation(**vars(held_out)),
        RecordedEvaluation(**vars(evaluation_record())),
    ]
    with History(path) as history:
        assert history.evaluations == [held_out, evaluation_record()]


def test_an_evaluation_on_an_unknown_split_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write(path, range(1, 2))
    with open(path, "a") as file:
        file.write(json.dumps({**evaluation_record().as_dict(), "split": "train"}) + "\n")
    with pytest.raises(UserError, match="split of .* is 'train', not test or validation"):
        read_events(path)


def test_what_a_resumed_run_has_lost_no_longer_counts_but_stays_in_the_file(tmp_path) -> None:
    path = tmp_path / "history.jsonl"
    write(path, range(1, 6))
    with History(path) as history:
        record = history.resume(3, ["run.seed was 0, now 1"])
        assert (record.commit, record.discarded) == (3, 2)
        history.committed(commit_record(commit=4, worker=1))
    with History(path) as history:
        assert [record.commit for record in history.commits] == [1, 2, 3, 4]
        assert history.commits[-1].worker == 1
    lines = [json.loads(line)["event"] for line in path.read_text().splitlines()]
    assert lines == ["commit"] * 5 + ["resume", "commit"]
    assert [e["commit"] for e in read_events(path)] == [1, 2, 3, 3, 4]
    assert read_events(path)[3]["changes"] == ["run.seed was 0, now 1"]


def test_a_line_that_a_crash_cut_short_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write(path, range(1, 3))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event": "commit", "comm')
    with History(path) as history:
        assert len(history.commits) == 2
    assert path.read_bytes() == whole


def test_two_processes_cannot_write_one_history(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with History(path):
        with pytest.raises(UserError, match="is in use"):
            History(path)
    History(path).__exit__(None, None, None)


def test_a_file_that_its_owner_has_just_removed_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for is_back in (False, True):

        def locked(*_: object, is_back: bool = is_back) -> None:
            path.unlink()
            if is_back:
                path.touch()

        with mock.patch("fcntl.flock", side_effect=locked):
            with pytest.raises(UserError, match="is in use"):
                History(path)


def test_nothing_is_saved_where_the_run_is_no_longer(tmp_path: Path) -> None:
    directory, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    path = directory / "history.jsonl"
    directory.mkdir()
    with History(path) as history:
        history.sync()
        directory.rename(elsewhere)
        for prepare in (lambda: None, directory.touch, directory.unlink, directory.mkdir):
            prepare()
            with pytest.raises(UserError, match="history.jsonl was removed or replaced"):
                history.sync()
        with History(path):  # of another run
            with pytest.raises(UserError, match="history.jsonl was removed or replaced"):
                history.sync()
        shutil.rmtree(directory)
        elsewhere.rename(directory)
        history.sync()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_a_run_goes_on_with_a_warning(tmp_path: Path, capsys, number: int) -> None:
    path = tmp_path / "history.jsonl"
    with mock.patch("fcntl.flock", side_effect=OSError(number, "no locks here")):
        write(path, range(1, 3))
    with History(path) as history:
        assert len(history.commits) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {path} cannot be locked (no locks here)")


def test_a_file_that_cannot_be_opened_is_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.mkdir()
    with pytest.raises(UserError, match="history.jsonl cannot be written"):
        History(path)


def test_a_full_disk_is_one_error_that_names_the_file(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "disk", 1 << 20)
    path = disk.path / "history.jsonl"
    try:
        with pytest.raises(UserError) as caught, History(path) as history:
            history.committed(commit_record(commit=1))
            disk.fill()
            for commit in range(2, 100):
                history.committed(commit_record(commit=commit))
        assert str(caught.value).startswith(f"{path} cannot be written (No space left on device)")
        disk.free()
        with History(path) as history:
            kept = [record.commit for record in history.commits]
        assert kept == list(range(1, len(kept) + 1))
        assert history.damaged == {}
    finally:
        disk.remove()


def test_a_foreign_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text("shopping list\n")
    failures = []
    for _ in range(2):
        with pytest.raises(UserError, match=r"history.jsonl line 1 is not a record") as failure:
            History(path)
        # Kept, as its traceback knows the file: the second try finds no lock all the same.
        failures.append(failure)
    assert path.read_text() == "shopping list\n"
