"""A history as the authors' columns, and the files that hold them."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from dbsl_tf.authors_files.columns import COLUMNS, columns_of_events
from dbsl_tf.authors_files.writing import save_npy, save_npz
from dbsl_tf.results.records import ResumeRecord
from tests.support.records import commit_record, evaluation_record


def commit(number: int, worker: int, started: float, seconds: float = 2.0, **values):
    record = commit_record(
        commit=number, worker=worker, started=started, seconds=seconds,
        loop_seconds=seconds - 0.5, train_loss=1 / number, train_accuracy=number / 100, **values,
    )  # fmt: skip
    return record.as_dict()


EVENTS = [
    commit(1, 1, 1000.0, 2.0),
    commit(2, 0, 1000.5, 3.0),
    evaluation_record(commit=2, test_loss=1.5, test_accuracy=0.5).as_dict(),
    # Merged after another that ended later: it is there when that one is.
    commit(3, 1, 1002.0, 1.0),
    # An hour passes before the run goes on.
    ResumeRecord(3, 1, 5000.0).as_dict(),
    commit(4, 1, 5001.0, 2.0),
    commit(5, 0, 5000.0, 4.0),
    evaluation_record(commit=5, test_loss=1.25, test_accuracy=0.75).as_dict(),
]


class TestColumns:
    def test_every_column_by_hand(self):
        columns = columns_of_events(EVENTS)
        assert columns["worker_ID"] == [2, 1, 2, 2, 1]
        assert columns["global_commit_ID"] == [0, 1, 2, 3, 4]
        assert columns["local_commit_ID"] == [0, 0, 1, 2, 1]
        assert columns["train_loss"] == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
        assert columns["train_acc"] == [0.01, 0.02, 0.03, 0.04, 0.05]
        assert columns["train_time"] == [1.5, 2.5, 0.5, 1.5, 3.5]
        assert columns["commit_time"] == [2.0, 3.5, 3.5, 6.5, 7.5]
        assert columns["val_acc"] == [0.0, 0.5, 0.5, 0.5, 0.75]
        assert math.isnan(columns["val_loss"][0])
        assert columns["val_loss"][1:] == [1.5, 1.5, 1.5, 1.25]
        assert columns["val_measured"] == [False, True, False, False, True]

    def test_where_samples_are_held_out_val_is_of_them(self):
        held_out = [
            evaluation_record(commit=n, split="validation", test_loss=0.1 * n).as_dict()
            for n in (2, 5)
        ]
        columns = columns_of_events([*EVENTS[:2], *held_out, *EVENTS[3:]])
        assert columns["val_loss"][1:] == [0.2, 0.2, 0.2, 0.5]

    def test_a_damaged_line_is_told(self, subtests):
        for number, key, value in (
            (0, "commit", "x"),
            (0, "worker", None),
            (1, "worker", [1]),
            (0, "train_loss", None),
            (3, "train_accuracy", "x"),
            (0, "loop_seconds", math.inf),
            (0, "started", "x"),
            (0, "seconds", math.nan),
            (2, "commit", [1]),
            (2, "test_loss", "x"),
            (2, "test_accuracy", "x"),
        ):
            with subtests.test(str(number), key=key, value=value):
                events = [dict(event) for event in EVENTS]
                events[number][key] = value
                expected = f"{key} of a line of kind {events[number]['event']} is"
                with pytest.raises(ValueError, match=expected):
                    columns_of_events(events)

    def test_without_accuracy_there_are_nan(self):
        events = [
            {k: None if k.endswith("_accuracy") else v for k, v in event.items()}
            for event in EVENTS
        ]
        columns, usual = (columns_of_events(given) for given in (events, EVENTS))
        assert all(map(math.isnan, columns["train_acc"]))
        measured = columns["val_measured"].index(True)
        assert all(map(math.isnan, columns["val_acc"][measured:]))
        assert columns["train_loss"] == usual["train_loss"]

    def test_npz_needs_no_unpickling(self):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "new" / "history.arrays"
            save_npz(path, EVENTS)
            with np.load(path, allow_pickle=False) as content:
                assert set(content.files) == {*COLUMNS, "val_measured"}
                for name, column in columns_of_events(EVENTS).items():
                    np.testing.assert_array_equal(content[name], column)
                    assert content[name].dtype.kind in "ifb"

    def test_npy_opens_and_is_used_as_in_the_authors_notebooks(self):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "history.npy"
            save_npy(path, EVENTS)
            npy = np.load(path, allow_pickle=True).item()
            best = np.argmax(npy["val_acc"])
            assert best == 4
            assert npy["val_loss"][best] == 1.25
            assert npy["commit_time"][-1] == 7.5
            assert type(npy["val_acc"]) is list
