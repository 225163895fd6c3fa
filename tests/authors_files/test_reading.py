"""The authors' result files, read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsl_tf.authors_files.columns import columns_of_events
from dbsl_tf.authors_files.reading import LARGEST, read_history
from dbsl_tf.authors_files.writing import save_npy
from dbsl_tf.common.errors import UserError
from tests.authors_files.test_columns import EVENTS
from tests.support.authors_results import compsac_content, journal_content, save_pickled


class _Command:
    def __reduce__(self):
        return os.system, ("touch executed",)


class TestReadHistory:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path):
        self.folder = tmp_path
        self.path = self.folder / "result.npy"

    def check_refused(self, pattern: str, path: Path | None = None) -> None:
        path = path or self.path
        with pytest.raises(UserError, match=pattern) as caught:
            read_history(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_the_layout_of_the_journal(self):
        history = read_history(save_pickled(self.path, journal_content()))
        assert (history.layout, history.workers) == ("journal", 4)
        assert [commit.commit for commit in history.commits] == list(range(1, 13))
        assert [commit.worker for commit in history.commits] == [0, 1, 2, 3] * 3
        first, second = history.commits[0], history.commits[5]
        # The first mini-epoch began 2 s of validation and 10 s of training before its record.
        assert (first.started, first.seconds, first.evaluated) == (7.0, 10.0, 19.0)
        assert (second.started, second.evaluated) == (19.25, 31.25)
        assert (first.train_loss, first.test_loss, first.test_accuracy) == (4.0, 5.0, 0.0)

    def test_the_layout_of_compsac(self):
        history = read_history(save_pickled(self.path, compsac_content()))
        assert (history.layout, history.workers) == ("compsac", 4)
        assert [commit.worker for commit in history.commits] == [0, 1, 2, 3] * 3
        first, sixth = history.commits[0], history.commits[5]
        assert (first.started, first.seconds) == (0.0, 11.75)
        assert (sixth.started, sixth.seconds, sixth.evaluated) == (12.0, 12.0, 24.0)
        assert (sixth.train_loss, sixth.test_accuracy) == (4 / 6, 6 / 200)

    def test_arrays_and_numpy_numbers_in_the_place_of_lists(self):
        content = journal_content()
        expected = read_history(save_pickled(self.path, content))
        arrays = {name: np.asarray(column) for name, column in content.items()}
        scalars = {name: list(np.asarray(column)) for name, column in content.items()}
        for variant in (arrays, scalars):
            assert read_history(save_pickled(self.path, variant)) == expected

    def test_what_is_exported_comes_back(self):
        save_npy(self.path, EVENTS)
        commits = read_history(self.path).commits
        columns = columns_of_events(EVENTS)
        assert [c.worker + 1 for c in commits] == columns["worker_ID"]
        assert [c.train_loss for c in commits] == columns["train_loss"]
        assert [c.test_accuracy for c in commits] == [None, 0.5, None, None, 0.75]
        assert [c.evaluated for c in commits] == columns["commit_time"]

    def test_malicious_files_are_refused_by_name_and_not_executed(self, monkeypatch):
        monkeypatch.chdir(self.folder)
        objects = np.array([None, _Command()], object)
        for content in (
            _Command(),
            {**journal_content(), "extra": _Command()},
            {**journal_content(), "val_acc": [_Command()]},
            {**compsac_content(), "push_time": objects},
        ):
            save_pickled(self.path, content)
            self.check_refused(r"refers to posix\.system.*not executed")
        assert os.listdir() == ["result.npy"]

    def test_foreign_files(self):
        self.check_refused("No such file")
        self.path.write_bytes(b"not numpy")
        self.check_refused("not a result file of the authors")
        np.save(self.path, np.zeros(3))
        self.check_refused("float64 of shape .* is not one dictionary")
        for content, pattern in (
            ([1, 2], "not hold a dictionary"),
            ({"val_acc": [1]}, "worker_ID is missing"),
            ({**journal_content(), "val_acc": [0.5]}, "val_acc has 1 entries, worker_ID 12"),
            ({**journal_content(), "val_acc": "high"}, "val_acc is not a list"),
            ({**journal_content(), "val_acc": [[0.5]] * 12}, "val_acc holds a list"),
            ({**journal_content(), "val_loss": [float("nan")] * 12}, "val_loss has nan"),
            (
                {**journal_content(), "global_commit_ID": [3] * 12},
                "global_commit_ID occurs twice",
            ),
            (
                {**journal_content(), "global_commit_ID": [*range(5), *range(6, 13)]},
                "global_commit_ID lacks 5",
            ),
            ({**journal_content(), "worker_ID": [-1] * 12}, "worker_ID has -1"),
            ({**journal_content(), "worker_ID": [1.5] * 12}, "worker_ID has 1.5"),
            ({name: [] for name in journal_content()}, "no commit"),
            ({**compsac_content(), "test_acc": np.zeros(3)}, "test_acc is not a table"),
            ({**compsac_content(), "test_acc": np.zeros((5, 2))}, "test_acc has the shape"),
            ({**compsac_content(), "start_time": None}, "start_time has None"),
            ({**compsac_content(), "push_time": np.zeros((5, 6))}, "no commit"),
        ):
            save_pickled(self.path, content)
            self.check_refused(pattern)

    def test_a_far_too_large_file_is_not_read(self):
        self.path.touch()
        os.truncate(self.path, LARGEST + 1)
        self.check_refused("far more than a history needs")

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_damage_is_told_in_one_line(self, data):
        content = bytearray(save_pickled(self.path, journal_content()).read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        self.path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        try:
            read_history(self.path)
        except UserError as error:
            assert "\n" not in str(error)
