"""What is recorded of the starts of a run."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.results.origin import add_start, read_starts
from dbsl_tf.results.run_directory import RunDirectory


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.make()
    return directory


def test_each_start_is_kept(
    directory: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for commit, option in ((0, "run.seed=1"), (4, "a b=2")):
        monkeypatch.setattr(sys, "argv", ["/usr/bin/dbsl", "train", "--config", "c.yaml", option])
        add_start(directory, tmp_path / "c.yaml", commit)
    first, second = read_starts(directory)
    assert (first["commit"], first["command"]) == (0, "dbsl train --config c.yaml run.seed=1")
    assert (second["commit"], second["command"]) == (4, "dbsl train --config c.yaml 'a b=2'")
    assert first["host"] == socket.gethostname()
    assert first["git"] is None
    assert (first["cores"], first["memory_bytes"] > 2**20) == (os.cpu_count(), True)
    assert first["time"] <= second["time"]


def test_nothing_of_the_environment_is_in_it(
    directory: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "a-secret-of-somebody")
    add_start(directory, tmp_path / "c.yaml", 0)
    assert "a-secret-of-somebody" not in directory.origin.read_text()


def test_a_run_that_begins_again_has_one_start(directory: RunDirectory, tmp_path: Path) -> None:
    for _ in range(2):
        add_start(directory, tmp_path / "c.yaml", 0)
    assert len(read_starts(directory)) == 1


def test_a_run_restarted_very_often_keeps_its_first_and_last_starts(
    directory: RunDirectory, tmp_path: Path
) -> None:
    directory.write_json(directory.origin, {"starts": [{"commit": n} for n in range(500)]})
    add_start(directory, tmp_path / "c.yaml", 500)
    found = [start["commit"] for start in read_starts(directory)]
    assert found == [0, *range(402, 501)]


def test_a_damaged_file_does_not_stop_a_run(directory: RunDirectory, tmp_path: Path) -> None:
    directory.origin.write_text("{")
    with pytest.raises(UserError, match=r"origin\.json"):
        read_starts(directory)
    add_start(directory, tmp_path / "c.yaml", 4)
    assert len(read_starts(directory)) == 1


def test_older_runs_have_none(directory: RunDirectory) -> None:
    assert read_starts(directory) == []
