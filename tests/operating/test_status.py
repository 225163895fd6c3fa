"""What a status says of runs that go on, have ended or are not known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dbsl_tf.common.errors import UserError
from dbsl_tf.operating.live_page import LivePage
from dbsl_tf.operating.live_state import LiveState, write_live_state
from dbsl_tf.operating.status import RunStatus, read_status
from dbsl_tf.operating.status_text import status_text
from dbsl_tf.results.history import History
from dbsl_tf.results.records import FaultRecord, WorkersRecord
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.worker_state import WorkerState
from tests.operating.test_live_state import ELSEWHERE, GONE, state
from tests.support.patience import wait_until
from tests.support.run_directories import HYBRID, make_run

TEN_OF_TWENTY = ("schedule.epochs=10",)


def text_of(status: RunStatus) -> str:
    console = Console(width=400, record=True, file=open("/dev/null", "w"))
    console.print(status_text(status))
    return console.export_text()


def part_run(path: Path, live: LiveState | None, *overrides: str, **options: object) -> RunStatus:
    directory = make_run(path, *(overrides or TEN_OF_TWENTY), commits=10, **options)
    if live is not None:
        write_live_state(directory, live)
    return read_status(path)


class TestProgress:
    def test_a_run_that_goes_on(self, tmp_path: Path) -> None:
        workers = (WorkerState(0, None, 12.5), WorkerState(1, "its port is closed"))
        fault = FaultRecord(7, "absent", 1, "worker 1 is left out")
        live = state(workers=workers, metrics="http://127.0.0.1:9100/metrics")
        status = part_run(tmp_path / "run", live, faults=[fault])
        assert (status.condition, status.goes_on) == ("running", True)
        assert (status.commits, status.of_commits, status.epoch, status.epochs) == (10, 20, 6, 10)
        # Half of it is left.
        assert status.seconds_left == pytest.approx(status.seconds, rel=0.1)
        assert status.images_per_second == pytest.approx(5 * 1437 / status.seconds, rel=0.1)
        assert status.evaluation.commit == 10
        assert [w.state for w in status.workers] == ["present", "absent"]
        assert [w.mini_epochs for w in status.workers] == [5, 5]
        assert [w.role for w in status.workers] == ["small", "large"]
        text = text_of(status)
        for part in (
            f"{tmp_path}/run: training (process ",
            "epoch 6/10, commit 10 of 20 (50 %)",
            "last evaluation: epoch 5, test accuracy",
            "metrics: http://127.0.0.1:9100/metrics",
            "12.5 s at its present task",
            "left out: worker 1 (its port is closed)\n",
            "left out: its port is closed",
            "faults: 1\n  after commit 7: worker 1 is left out",
        ):
            assert part in text

    def test_the_time_left_follows_the_plan_of_what_remains(self, tmp_path: Path) -> None:
        """Its last epochs have larger images than those trained so far."""
        directory = make_run(tmp_path / "run", *HYBRID, commits=2, evaluate=False)
        write_live_state(directory, state())
        status = read_status(directory.path)
        plan = json.loads(directory.plan.read_text())
        first, *rest = (part["predicted_seconds"] for part in plan["schedule"])
        assert (status.commits, status.of_commits) == (2, 8)
        assert first < min(rest) or len(set(rest)) > 1
        assert status.seconds_left == pytest.approx(status.seconds * sum(rest) / first, rel=0.01)

    def test_epochs_that_are_merged_more_or_less_often(self, tmp_path: Path) -> None:
        """Two epochs of six commits each, then two that are trained in one mini-epoch."""
        merges = ("schedule.epochs=4", "schedule.mini_epochs_per_epoch=3")
        merges += ("schedule.final_local_epochs=2",)
        directory = make_run(tmp_path / "run", *merges, commits=8)
        write_live_state(directory, state())
        status = read_status(directory.path)
        assert (status.commits, status.of_commits, status.epoch, status.epochs) == (8, 14, 2, 4)
        assert status.evaluation.commit == 6 and status.evaluation.epochs == 1.0
        # A third of the epochs is done after 8 of 14 commits.
        assert status.seconds_left == pytest.approx(2 * status.seconds, rel=0.15)
        after = read_status(make_run(tmp_path / "done", *merges).path)
        assert (after.commits, after.epoch, after.evaluation.epochs) == (14, 4, 4.0)
        # Of the last, long mini-epochs alone.
        assert after.workers[0].mini_epoch_seconds > 4 * status.workers[0].mini_epoch_seconds

    def test_the_pace_is_that_since_the_run_was_resumed(self, tmp_path: Path) -> None:
        directory = make_run(tmp_path / "run", *TEN_OF_TWENTY, commits=10)
        before = read_status(directory.path)
        with History(directory.history) as history:
            history.resume(10)
        assert before.images_per_second
        assert read_status(directory.path).images_per_second is None

    def test_nothing_trained_yet(self, tmp_path: Path) -> None:
        directory = RunDirectory(tmp_path / "run")
        directory.make()
        write_live_state(directory, state(phase="preparing the run"))
        status = read_status(directory.path)
        assert (status.commits, status.epochs, status.seconds_left) == (0, None, None)
        assert "preparing the run (process " in text_of(status)


class TestWorkersThatCome:
    WORKERS = (WorkerState(0), WorkerState(1, "it has not answered yet"), WorkerState(2))
    PLAN = {
        "workers": 2, "small_workers": 1, "large_workers": 1, "realised_extra_time_ratio": 1.1,
        "per_worker": [
            {"worker": 0, "role": "small", "batch": 11}, {"worker": 2, "role": "large", "batch": 64}
        ],
    }  # fmt: skip

    def directory(self, path: Path, *records: WorkersRecord) -> RunDirectory:
        directory = make_run(path, *TEN_OF_TWENTY, "cluster.workers=3", commits=10)
        write_live_state(directory, state(workers=self.WORKERS))
        with History(directory.history) as history:
            for record in records:
                history.planned_for_present(record)
        return directory

    def test_who_is_there_and_the_plan_for_them(self, tmp_path: Path) -> None:
        record = WorkersRecord(9, 4, (0, 2), self.PLAN, None)
        directory = self.directory(tmp_path / "run", WorkersRecord(6, 3, (0,), {}, None), record)
        status = read_status(directory.path)
        assert status.plan_for_present == record
        line = (
            "workers: 2 of 3 are there; from epoch 4 on: a plan for 2 of 3 workers (0, 2): "
            "1 small with batches of 11, 1 large with batches of 64; k = 1.100"
        )
        assert f"\n{line}\n" in text_of(status)
        assert line in LivePage(directory.path).status["lines"]
        told = json.loads(json.dumps(status.as_dict(), allow_nan=False))["plan_for_present"]
        assert (told["epoch"], told["present"], told["plan"]) == (4, [0, 2], self.PLAN)

    def test_why_there_is_no_plan_for_them(self, tmp_path: Path) -> None:
        record = WorkersRecord(9, 4, (0, 2), None, "k is too large")
        text = text_of(read_status(self.directory(tmp_path / "run", record).path))
        assert (
            "workers: 2 of 3 are there; epoch 4: no plan for 2 of 3 workers (0, 2), the one before "
            "is kept: k is too large\n"
        ) in text

    def test_the_page_is_drawn_anew_with_a_plan(self, tmp_path: Path) -> None:
        directory = self.directory(tmp_path / "run")
        page = LivePage(directory.path)
        with History(directory.history) as history:
            history.planned_for_present(WorkersRecord(9, 4, (0, 2), self.PLAN, None))
        drawn_anew(page)
        assert "from epoch 4 on: a plan for 2 of 3 workers" in page.html

    def test_a_run_begins_and_is_resumed_with_the_plan_of_all(self, tmp_path: Path) -> None:
        directory = self.directory(tmp_path / "run")
        assert read_status(directory.path).plan_for_present is None
        with History(directory.history) as history:
            history.planned_for_present(WorkersRecord(9, 4, (0, 2), self.PLAN, None))
            history.resume(10)
        status = read_status(directory.path)
        assert status.plan_for_present is None
        assert status.as_dict()["plan_for_present"] is None
        assert "workers: " not in text_of(status)

    def test_who_is_there_may_not_be_known(self, tmp_path: Path) -> None:
        """Before the workers have loaded the network."""
        record = WorkersRecord(9, 4, (0, 2), self.PLAN, None)
        directory = self.directory(tmp_path / "run", record)
        write_live_state(directory, state())
        assert "\nworkers: from epoch 4 on: a plan for 2 of 3" in text_of(
            read_status(directory.path)
        )


def drawn_anew(page: LivePage) -> None:
    """Have the page look until it is drawn a second time; it takes a share of the time only."""

    def drawn() -> bool:
        page.renew()
        return page.status["drawing"] == 2

    wait_until(drawn)


class TestConditions:
    @pytest.mark.parametrize(
        ("live", "condition", "text"),
        [
            ({"process": GONE}, "gone", "not going on: process "),
            ({"process": ELSEWHERE, "age": 7200}, "silent", "no sign of life for 720"),
            ({"process": ELSEWHERE, "age": 20}, "running", " on here; 2"),
            ({"outcome": "failed", "message": "lost"}, "failed", "run: failed: lost\n"),
            ({"outcome": "interrupted", "message": "saved"}, "interrupted", ": saved: resume with"),
            ({"outcome": "interrupted"}, "interrupted", ": interrupted: resume with "),
            (None, None, "it is not recorded whether it goes on"),
        ],
    )
    def test_what_is_said(
        self, live: dict[str, Any] | None, condition: str | None, text: str, tmp_path: Path
    ) -> None:
        status = part_run(tmp_path / "run", None if live is None else state(**live))
        assert status.condition == condition
        assert status.goes_on == (condition == "running")
        assert text in text_of(status)

    def test_a_run_that_was_moved_is_resumed_where_it_is_now(self, tmp_path: Path) -> None:
        part_run(tmp_path / "run", state(outcome="interrupted", message="saved"))
        moved = (tmp_path / "run").rename(tmp_path / "moved")
        text = text_of(read_status(moved))
        assert f"resume with python -m dbsl_tf.train --config {moved}/config.yaml" in text
        assert str(tmp_path / "run/") not in text

    def test_a_finished_run_of_an_earlier_version(self, tmp_path: Path) -> None:
        make_run(tmp_path / "run")
        status = read_status(tmp_path / "run")
        assert (status.condition, status.seconds_left) == ("finished", None)

    def test_workers_of_a_run_that_has_ended_do_nothing(self, tmp_path: Path) -> None:
        live = state(GONE, workers=(WorkerState(0), WorkerState(1)))
        status = part_run(tmp_path / "run", live)
        assert [worker.state for worker in status.workers] == [None, None]


def test_the_last_faults_are_shown(tmp_path: Path) -> None:
    faults = [FaultRecord(n, "absent", 1, f"fault {n}") for n in range(1, 8)]
    text = text_of(part_run(tmp_path / "run", state(), faults=faults))
    assert "faults: 7, the last 5\n" in text
    assert "fault 2" not in text
    assert "fault 3" in text


def test_it_is_json(tmp_path: Path) -> None:
    status = part_run(tmp_path / "run", state(workers=(WorkerState(0),)))
    values = json.loads(json.dumps(status.as_dict(), allow_nan=False))
    assert values["condition"] == "running"
    assert values["live"]["workers"][0] == {"worker": 0, "absent": None, "task_seconds": None}
    assert values["evaluation"]["commit"] == 10
    assert values["workers"][1]["role"] == "large"


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run directory"):
        read_status(tmp_path)
