"""history.jsonl with lines that are missing, doubled or damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.results.history import History
from dbsl_tf.results.history_lines import read_events, read_lines, records_of
from dbsl_tf.results.records import DriftRecord, FaultRecord, WorkersRecord
from tests.support.records import commit_record, evaluation_record, noise_record

Change = Callable[[list[str]], None]
# What is done to the lines of commits 1 … 6, the last commit from which a run can go on, and why
# not from the next.
DAMAGES: dict[str, tuple[Change, int, str]] = {
    "none": (lambda lines: None, 6, ""),
    "last removed": (lambda lines: lines.pop(), 5, "lacks commit 6"),
    "middle removed": (lambda lines: lines.pop(2), 2, "lacks commit 3"),
    "all removed": (lambda lines: lines.clear(), 0, "lacks commit 1"),
    "first removed": (lambda lines: lines.pop(0), 0, "lacks commit 1"),
    "doubled": (lambda lines: lines.insert(3, lines[3]), 3, "has commit 4 twice"),
    "swapped": (lambda lines: lines.insert(2, lines.pop(3)), 3, "are out of order"),
}


def write(path: Path, change: Change) -> None:
    with History(path) as history:
        for commit in range(1, 7):
            history.committed(commit_record(commit=commit))
    lines = path.read_text().splitlines(keepends=True)
    change(lines)
    path.write_text("".join(lines))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


@pytest.mark.parametrize("damage", DAMAGES)
class TestMissingLines:
    def test_a_run_goes_on_only_from_where_the_history_is_whole(self, path: Path, damage: str):
        change, last, problem = DAMAGES[damage]
        write(path, change)
        with History(path) as history:
            assert [commit for commit in range(7) if not history.lacks(commit)] == [
                *range(last + 1)
            ]
            assert problem in history.lacks(last + 1)

    def test_once_it_has_gone_on_the_history_is_whole(self, path: Path, damage: str):
        change, last, _ = DAMAGES[damage]
        write(path, change)
        with History(path) as history:
            history.resume(last)
            for commit in range(last + 1, 8):
                history.committed(commit_record(commit=commit, worker=1))
            assert [record.commit for record in history.commits] == [*range(1, 8)]
        commits = [e for e in read_events(path, reaching=7) if e["event"] == "commit"]
        assert [e["commit"] for e in commits] == [*range(1, 8)]
        assert [e["worker"] for e in commits] == [0] * last + [1] * (7 - last)

    def test_no_reader_believes_it(self, path: Path, damage: str):
        change, last, problem = DAMAGES[damage]
        write(path, change)
        if last == 6:
            assert len(read_events(path, reaching=6)) == 6
            return
        with pytest.raises(UserError) as caught:
            read_events(path, reaching=6)
        assert f"{path} is damaged (it" in str(caught.value)
        assert problem in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_checkpoint_that_the_history_came_to_once_is_no_reproach(path: Path) -> None:
    """The run has gone on from one before it, as it was damaged."""
    write(path, lambda lines: None)
    with History(path) as history:
        history.resume(2)
    assert len(read_events(path, reaching=6)) == 3
    with pytest.raises(UserError, match="lacks commit 7, 8, 9 and 1 more"):
        read_events(path, reaching=10)


def test_a_number_that_is_far_too_large_takes_no_memory(path: Path) -> None:
    write(path, lambda lines: None)
    last = json.loads(path.read_text().splitlines()[-1])
    damaged = {key: value for key, value in last.items() if key != "crc32"} | {"commit": 2**53}
    path.write_text(path.read_text() + json.dumps(damaged) + "\n")
    missing = f"lacks commit 7, 8, 9 and {2**53 - 10} more"
    with History(path) as history:
        assert history.lacks(6) == ""
        assert missing in history.lacks(2**53)
    with pytest.raises(UserError, match=missing):
        read_events(path, reaching=6)


class TestRecords:
    def test_what_is_written_is_read(self, path: Path):
        written = [
            commit_record(commit=1),
            FaultRecord(1, "absent", 0, "gone", time=5.0),
            evaluation_record(commit=1),
            noise_record(commit=1, noise=None, high=None),
            DriftRecord(1, (1.0, 1.5), adopted=False, plan=None, problem="none fits"),
            WorkersRecord(1, 2, (0, 2), plan={"workers": 2}, problem=None, time=6.0),
            WorkersRecord(1, 3, (2,), plan=None, problem="k is too large", time=7.0),
        ]
        with History(path) as history:
            for record, tell in zip(
                written,
                (
                    history.committed,
                    history.faulted,
                    history.evaluated,
                    history.noise_measured,
                    history.drifted,
                    history.planned_for_present,
                    history.planned_for_present,
                ),
                strict=True,
            ):
                tell(record)
            written.append(history.resume(1, ["run.seed was 0, now 1"]))
        read = records_of(read_events(path))
        assert [vars(record) for record in read] == [vars(record) for record in written]

    def test_noise_of_commits_that_were_thrown_away_is_too(self, path: Path):
        with History(path) as history:
            for commit in range(1, 5):
                history.committed(commit_record(commit=commit))
                history.noise_measured(noise_record(commit=commit))
            history.resume(2)
        noises = [event["commit"] for event in read_events(path) if event["event"] == "noise"]
        assert noises == [1, 2]

    def test_of_another_objective(self, path: Path):
        """No accuracy, and other metrics, of which a value may not be a number."""
        commit = commit_record(train_accuracy=None, train_metrics={"auc": 0.5, "f": None})
        evaluation = evaluation_record(commit=1, test_accuracy=None, test_metrics={"auc": 1})
        with History(path) as history:
            history.committed(commit)
            history.evaluated(evaluation)
        with History(path) as history:
            assert (history.commits, history.evaluations) == ([commit], [evaluation])
            assert history.damaged == {}
        assert [vars(r) for r in records_of(read_events(path))] == [vars(commit), vars(evaluation)]

    def test_lines_of_runs_with_accuracy_alone_are_what_they_always_were(self):
        assert list(commit_record().as_dict()) == [
            *("event", "commit", "epoch", "worker", "role", "resolution", "batch", "samples"),
            *("steps", "started", "seconds", "loop_seconds", "learning_rate", "update_factor"),
            *("staleness", "train_loss", "train_accuracy"),
        ]
        assert list(evaluation_record().as_dict()) == [
            *("event", "commit", "epoch", "resolution", "test_loss", "test_accuracy", "samples"),
            *("started", "seconds"),
        ]

    def test_what_an_imported_run_leaves_out_is_none(self):
        event = {"event": "commit", "commit": 1, "worker": 0, "role": "small"}
        event |= {"started": 10.0, "seconds": 2.0, "train_loss": None}
        (commit,) = records_of([event])
        assert (commit.steps, commit.train_loss, commit.started) == (None, None, 10.0)
        assert commit.as_dict() == {k: v for k, v in event.items() if v is not None}

    def test_lines_of_other_kinds_are_left_out(self):
        assert records_of([{"event": "of another version", "commit": "x"}]) == []

    def test_a_value_that_every_run_has_is_missed(self):
        with pytest.raises(ValueError, match="started of a line of kind commit is None"):
            records_of([{"event": "commit", "commit": 1, "worker": 0, "seconds": 1.0}])


WRONG: list[tuple[str, Any, str]] = [
    ("worker", "x", "worker of a line of kind commit is 'x', not a count"),
    ("worker", -1, "worker of a line of kind commit is -1, not a count"),
    ("steps", 1.5, "steps of a line of kind commit is 1.5, not a count"),
    ("started", None, "started of commit 3 is null"),
    ("seconds", "1", "seconds of a line of kind commit is '1', not a finite number"),
    ("seconds", 0, "seconds of commit 3 is 0"),
    ("samples", 0, "samples of commit 3 is 0"),
    ("role", 1, "role of a line of kind commit is 1, not text"),
    ("role", "medium", "role of commit 3 is 'medium'"),
    ("train_loss", [2.0], "train_loss of a line of kind commit is [2.0], not a finite number"),
    ("train_accuracy", "x", "train_accuracy of a line of kind commit is 'x', not a finite number"),
    ("train_metrics", [1], "train_metrics of a line of kind commit is not an object"),
    (
        "train_metrics",
        {"auc": "x"},
        "auc in the train_metrics of a line of kind commit is 'x', not a finite number",
    ),
    ("velocity", 1, "commit 3 has an unknown velocity"),
]


class TestDamagedLines:
    def changed(self, path: Path, number: int, content: str) -> None:
        lines = path.read_text().splitlines()
        lines[number - 1] = content
        path.write_text("".join(f"{line}\n" for line in lines))

    @pytest.mark.parametrize(("key", "value", "expected"), WRONG)
    def test_values_that_cannot_be_are_noticed_before_anything_is_trained(
        self, path: Path, key: str, value: Any, expected: str
    ):
        write(path, lambda lines: None)
        record = {**commit_record(commit=3).as_dict(), key: value}
        self.changed(path, 3, json.dumps(record))
        with History(path) as history:
            assert list(history.damaged.values()) == [expected]
            assert (history.lacks(2), "lacks commit 3" in history.lacks(4)) == ("", True)

    @pytest.mark.parametrize("content", ["", "{}", "[1]", '{"event": 1}', "[" * 100_000, "\udcff"])
    def test_a_damaged_line_is_named_and_left_out_for_good(self, path: Path, content: str):
        write(path, lambda lines: None)
        lines = path.read_text().splitlines()
        lines[3] = content
        path.write_text("".join(f"{line}\n" for line in lines), errors="surrogateescape")
        with pytest.raises(UserError, match="line 4 is not a record of a run"):
            read_events(path)
        with History(path) as history:
            assert [*history.damaged] == [4]
            assert "lacks commit 4" in history.lacks(5)
            assert history.resume(3).left_out == (4,)
            history.committed(commit_record(commit=4))
        assert [e["commit"] for e in read_events(path, 6)] == [1, 2, 3, 3, 4]
        assert read_lines(path).damaged == {}

    def test_what_was_left_out_is_only_what_was_known_then(self, path: Path):
        write(path, lambda lines: None)
        with History(path) as history:
            history.evaluated(evaluation_record(commit=6))
            history.resume(6)
        self.changed(path, 7, "{")
        with pytest.raises(UserError, match="line 7 is not a record"):
            read_events(path)

    def test_of_a_worker_that_there_is_not(self, path: Path):
        write(path, lambda lines: None)
        self.changed(path, 3, json.dumps(commit_record(commit=3, worker=2).as_dict()))
        with History(path) as history:
            history.check_workers(3)
            with pytest.raises(UserError, match=r"commit 3 is of worker 2, but the run has 2"):
                history.check_workers(2)
