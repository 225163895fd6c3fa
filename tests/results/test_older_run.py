"""A run of before files had checksums is read as any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dbsl_tf.authors_files.reading import read_history
from dbsl_tf.cli import export
from dbsl_tf.reporting.comparison import group_runs
from dbsl_tf.reporting.page import render_page
from dbsl_tf.reporting.reading import read_run
from dbsl_tf.results.history import History
from dbsl_tf.results.stored_run import StoredRun
from tests.support.older_runs import unpack_older_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return unpack_older_run(tmp_path)


class TestOlderRun:
    def test_nothing_in_it_has_a_checksum(self, path: Path):
        for file in path.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                assert b"sha256" not in content and b"crc32" not in content

    def test_its_checkpoint_is_read(self, path: Path, capsys):
        checkpoint = StoredRun.read(path).checkpoint()
        assert capsys.readouterr().err == ""
        assert (checkpoint.commit, checkpoint.clocks) == (6, (3, 3))
        assert checkpoint.samples == {32: (135, 165)}
        assert checkpoint.time_models == {32: ((0.001, 0.01, 0.0),) * 2}
        with np.load(path / "checkpoints" / "commit-000000006.npz") as content:
            assert len(checkpoint.weights) == len(content.files) - 1
            for number, weight in enumerate(checkpoint.weights):
                np.testing.assert_array_equal(weight, content[f"weight_{number:05d}"])

    def test_it_is_reported(self, path: Path):
        run = read_run(path)
        assert (run.status, len(run.mini_epochs)) == ("finished; resumed once", 6)
        assert run.data["classes"] == 10
        assert (run.starts, run.by_class) == ([], {})
        page = render_page(group_runs([run]))
        assert "Learning rate over training time" in page
        assert "How it was started" not in page and "Accuracy of each class" not in page

    def test_its_history_is_taken_away(self, path: Path, capsys):
        assert export.main([str(path), "--format", "npy"]) == 0
        history = read_history(path / "history.npy")
        assert [commit.commit for commit in history.commits] == [1, 2, 3, 4, 5, 6]

    def test_it_can_be_gone_on_with(self, path: Path):
        with History(path / "history.jsonl") as history:
            assert history.damaged == {}
            assert [history.lacks(commit) for commit in range(7)] == [""] * 7
