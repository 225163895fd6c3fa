"""The run directory and the history in it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.results.history import History
from dbsl_tf.results.records import FaultRecord
from dbsl_tf.results.run_directory import RunDirectory, release_folder
from tests.support.records import commit_record, evaluation_record

CONFIG = Path("configs/any.yaml")


def test_directories_are_made(tmp_path: Path):
    run = RunDirectory.of(tmp_path / "deep" / "run", CONFIG)
    assert not run.resumes("auto")
    assert not run.path.exists()
    run.make()
    assert run.logs.is_dir()
    run.write_json(run.plan, {"small_batch": 3})
    plan = json.loads((tmp_path / "deep" / "run" / "plan.json").read_text())
    assert plan == {"small_batch": 3, "sha256": plan["sha256"]}
    assert run.read_json(run.plan) == {"small_batch": 3}
    assert not list(run.path.glob(".*"))


def test_the_default_directory_is_named_after_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    run = RunDirectory.of(None, CONFIG)
    assert run.path.parent == Path("runs")
    assert run.path.name.startswith("any-2")
    assert not run.resumes("auto")


def test_no_two_runs_have_the_same_default_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda _: RunDirectory.of(None, CONFIG).path, range(24)))
    assert len(set(runs)) == 24
    (runs[0] / "history.jsonl").touch()
    for path in runs:
        release_folder(path)
    assert list(tmp_path.glob("runs/*")) == [tmp_path / runs[0]]
    (runs[0] / "history.jsonl").unlink()
    release_folder(runs[0])
    assert not list(tmp_path.iterdir())


def test_a_default_directory_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").touch()
    with pytest.raises(UserError, match="cannot be created or written"):
        RunDirectory.of(None, CONFIG).make()


@pytest.mark.parametrize("resume", ["auto", "never"])
def test_a_directory_with_other_content_is_refused(tmp_path: Path, resume: str):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=f"run.dir={tmp_path} is not empty"):
        RunDirectory.of(tmp_path, CONFIG).resumes(resume)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_run_that_ended_before_its_first_checkpoint_begins_anew(tmp_path: Path):
    run = RunDirectory.of(tmp_path, CONFIG)
    run.make()
    run.write_text(run.configuration, "")
    assert not run.resumes("auto")


def test_a_first_checkpoint_that_a_crash_cut_short_is_no_result(tmp_path: Path):
    run = RunDirectory.of(tmp_path, CONFIG)
    run.checkpoints.mkdir()
    (run.checkpoints / ".12.commit-000000000.npz").write_text("PK")
    assert not run.resumes("auto")
    (run.checkpoints / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=f"run.dir={tmp_path} is not empty"):
        run.resumes("auto")


def test_a_worker_lost_before_the_first_checkpoint_is_no_result(tmp_path: Path):
    run = RunDirectory.of(tmp_path, CONFIG)
    run.make()
    with History(run.history) as history:
        history.faulted(FaultRecord(0, "absent", 1, "gone"))
    assert not run.resumes("auto") and not run.resumes("never")
    with History(run.history) as history:
        history.committed(commit_record())
    with pytest.raises(UserError, match=f"run.dir={tmp_path} is not empty"):
        run.resumes("auto")


@pytest.mark.parametrize(
    "content",
    [
        # Commits that no longer count were results all the same.
        b'{"event": "commit", "commit": 1}\n{"event": "resume", "commit": 0}\n',
        b'{"event": "commit", "comm',
        b"\xff\xfe",
        b"shopping list\n",
    ],
)
def test_a_history_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes):
    run = RunDirectory.of(tmp_path, CONFIG)
    run.history.write_bytes(content)
    with pytest.raises(UserError, match=f"run.dir={tmp_path} is not empty"):
        run.resumes("auto")
    assert run.history.read_bytes() == content


def test_a_run_with_a_checkpoint_goes_on_unless_told_otherwise(tmp_path: Path):
    run = RunDirectory.of(tmp_path, CONFIG)
    run.checkpoints.mkdir()
    (run.checkpoints / "commit-000000004.npz").write_text("")
    assert run.resumes("auto") and run.resumes("must")
    with pytest.raises(UserError, match="is not empty"):
        run.resumes("never")


def test_nothing_to_go_on_with_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="run.resume=must, but .* has no checkpoint"):
        RunDirectory.of(tmp_path, CONFIG).resumes("must")


def test_a_file_in_the_way_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be created"):
        RunDirectory.of(tmp_path / "file" / "run", CONFIG).make()


def test_history_has_one_line_for_each_event(tmp_path: Path):
    with History(tmp_path / "history.jsonl") as history:
        history.committed(commit_record(commit=1, staleness=2))
        history.evaluated(evaluation_record(commit=1, test_accuracy=0.5))
        # Each line is there at once: a run that dies keeps its history.
        lines = [json.loads(line) for line in (tmp_path / "history.jsonl").open()]
    assert [line["event"] for line in lines] == ["commit", "evaluation"]
    assert (lines[0]["commit"], lines[0]["staleness"]) == (1, 2)
    assert lines[1]["test_accuracy"] == 0.5
    assert set(lines[0]) == {
        *("event", "commit", "epoch", "worker", "role", "resolution", "batch", "samples", "steps"),
        *("started", "seconds", "loop_seconds", "learning_rate", "update_factor", "staleness"),
        *("train_loss", "train_accuracy", "crc32"),
    }
    assert (len(history.commits), len(history.evaluations)) == (1, 1)
