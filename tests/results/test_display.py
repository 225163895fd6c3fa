"""What is printed where output is piped, and that a terminal gets a live picture."""

from __future__ import annotations

import io
import re
from fractions import Fraction
from itertools import count

import pytest
from rich.console import Console

from dbsl_tf.planning import PlanRequest, TimeModel, plan_dual_batch
from dbsl_tf.results.display import Display
from dbsl_tf.results.records import DriftRecord, WorkersRecord
from dbsl_tf.schedules.calendar import Calendar, Stretch
from tests.support.records import commit_record, evaluation_record
from tests.support.screens import COLUMNS, shown_of

PLAN = plan_dual_batch(
    PlanRequest(TimeModel(0.001, 0.02), 1000, 2, 1, 100, "nearest"), extra_time_ratio=1.2
)


def show(terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    with Display(console, PLAN, Calendar(2, 2)) as display:
        display.committed(commit_record(commit=1, epoch=1, role="small", train_loss=2.5))
        display.committed(commit_record(commit=2, epoch=1, role="large", train_loss=1.5))
        display.evaluated(evaluation_record(epoch=1, test_accuracy=0.4321, test_loss=1.25))
    return console.file.getvalue()


class TestDisplay:
    def test_piped_output_is_plain_lines(self):
        first, second = show(terminal=False).splitlines()
        assert re.search(r"^epoch +1/2  small loss 2\.5000  large loss 1\.5000  lr 0\.1 ", first)
        assert re.search(r"[\d,]+ images/s  \d+ s left$", first)
        assert re.search(r"^epoch +1/2  test accuracy +43\.21%  test loss 1\.2500$", second)

    def test_a_run_that_goes_on_in_mid_epoch_has_a_line_for_each_whole_epoch(self):
        console = Console(file=io.StringIO(), width=120)
        losses = [("small", 6.0), ("large", 5.0), ("small", 4.0), ("large", 3.0)]
        records = [
            commit_record(commit=n, epoch=(n + 1) // 2, role=role, train_loss=loss)
            for n, (role, loss) in enumerate(losses, 1)
        ]
        with Display(console, PLAN, Calendar(2, 2), before=records[:1]) as display:
            for record in records[1:]:
                display.committed(record)
        first, second = console.file.getvalue().splitlines()
        assert re.search(r"^epoch +1/2  small loss 6\.0000  large loss 5\.0000  ", first)
        assert re.search(r"^epoch +2/2  small loss 4\.0000  large loss 3\.0000  ", second)

    def test_epochs_that_are_merged_more_or_less_often(self) -> None:
        """One of four commits, then two that are trained in one mini-epoch of every worker."""
        calendar = Calendar(2, 3, stretches=(Stretch(1, Fraction(2)),), local_epochs=2)
        records = [
            commit_record(commit=n + 1, epoch=calendar.epoch_at(n), role=("small", "large")[n % 2])
            for n in range(6)
        ]
        console = Console(file=io.StringIO(), width=120)
        with Display(console, PLAN, calendar, before=records[:2]) as display:
            for record in records[2:]:
                display.committed(record)
        first, second = console.file.getvalue().splitlines()
        assert first.startswith("epoch   1/3  small loss")
        assert second.startswith("epoch   3/3  small loss")
        assert second.endswith(" 0 s left")
        console = Console(file=io.StringIO(), force_terminal=True, width=COLUMNS)
        with Display(console, PLAN, calendar, before=records[:4]):
            pass
        run, small, _ = shown_of(console.file.getvalue()).shown
        assert re.search(r"^epoch 3/3 .* 4/6", run) and re.search(r" 2/3$", small)

    def test_a_run_without_accuracy_shows_its_loss_and_metrics(self):
        record = evaluation_record(
            test_accuracy=None, test_loss=1.25, test_metrics={"auc": 0.98765, "f": None}
        )
        for terminal, expected in (
            (False, "epoch   1/2  test loss 1.2500  auc 0.9877  f -\n"),
            (True, "test loss 1.25"),
        ):
            console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
            with Display(console, PLAN, Calendar(2, 2)) as display:
                display.evaluated(record)
            assert expected in console.file.getvalue()
            assert "accuracy" not in console.file.getvalue()

    def test_an_evaluation_says_what_it_is_on(self):
        console = Console(file=io.StringIO(), width=120)
        with Display(console, PLAN, Calendar(2, 2)) as display:
            display.evaluated(evaluation_record(split="validation"))
        expected = "epoch   1/2  validation accuracy  50.00%  validation loss 1.5000\n"
        assert console.file.getvalue() == expected

    def test_a_drift_is_told_with_what_would_fit_and_its_end_without(self):
        drift = DriftRecord(4, (2.0, 1.0), adopted=False, plan=PLAN.as_dict(), problem=None)
        over = DriftRecord(9, (1.01, 1.0), adopted=False, plan=None, problem=None, fits=True)
        console = Console(file=io.StringIO(), width=200)
        with Display(console, PLAN, Calendar(2, 2)) as display:
            display.drifted(drift)
            display.drifted(over)
        first, second = console.file.getvalue().splitlines()
        small = PLAN.workers[0]
        assert "worker 0: 2.00, worker 1: 1.00; a plan that fits: worker 0 " in first
        assert f"worker 0 {small.samples} samples in batches of {small.batch}" in first
        assert second.endswith("worker 0: 1.01, worker 1: 1.00; the plan fits them again")

    def test_a_plan_for_those_present_is_told_in_a_line(self):
        small = [{"role": "small", "batch": 38}, {"role": "small", "batch": 41}]
        plan = {"workers": 3, "small_workers": 2, "large_workers": 1}
        plan |= {"per_worker": [*small, {"role": "large", "batch": 500}]}
        plan |= {"realised_extra_time_ratio": 1.0996}
        alone = {"workers": 1, "small_workers": 1, "large_workers": 0, "per_worker": small[:1]}
        everybody = {"workers": 4, "small_workers": 0, "large_workers": 4, "per_worker": []}
        console = Console(file=io.StringIO(), width=200)
        with Display(console, PLAN, Calendar(4, 9)) as display:
            display.planned_for_present(WorkersRecord(24, 7, (0, 1, 3), plan, None))
            display.planned_for_present(WorkersRecord(24, 7, (0,), alone, None))
            display.planned_for_present(WorkersRecord(28, 8, (0, 1, 2, 3), everybody, None))
            display.planned_for_present(WorkersRecord(32, 9, (0, 1), None, "k is too large"))
        assert console.file.getvalue().splitlines() == [
            "from epoch 7 on: a plan for 3 of 4 workers (0, 1, 3): 2 small with batches of "
            "38 to 41, 1 large with batches of 500; k = 1.100",
            "from epoch 7 on: a plan for 1 of 4 workers (0): 1 small with batches of 38",
            "from epoch 8 on: a plan for all 4 workers: 4 large",
            "epoch 9: no plan for 2 of 4 workers (0, 1), the one before is kept: k is too large",
        ]

    def test_the_bars_of_roles_follow_the_plan_for_those_present(self):
        plan = {"workers": 3, "small_workers": 1, "large_workers": 2, "per_worker": []}
        console = Console(file=io.StringIO(), force_terminal=True, width=120)
        with Display(console, PLAN, Calendar(2, 3)) as display:
            display.planned_for_present(WorkersRecord(0, 1, (0, 1), plan, None))
        *_, small, large = shown_of(console.file.getvalue()).shown
        assert "0/2" in small and "0/4" in large

    def test_a_terminal_shows_progress_of_both_roles(self):
        shown = show(terminal=True)
        for text in ("epoch 1/2", "small workers", "large workers", "2/4", "1/2", "loss 1.500"):
            assert text in shown

    @pytest.mark.parametrize("epochs", [2, 1000])
    def test_a_small_terminal_shows_a_line_for_each_bar(self, epochs: int) -> None:
        console = Console(file=io.StringIO(), force_terminal=True, width=COLUMNS)
        # The width of the bar must not depend on how fast the commits of this test come.
        clock = count(step=0.01).__next__
        with Display(console, PLAN, Calendar(2, epochs), clock=clock) as display:
            for role, batch in (("small", 11), ("large", 1024)):
                display.committed(
                    commit_record(role=role, batch=batch, train_loss=12.345, learning_rate=0.00123)
                )
            display.evaluated(evaluation_record(split="validation", test_accuracy=0.4321))
        *_, run, small, large = shown_of(console.file.getvalue()).shown
        assert re.search(r"^epoch 1/\d+ .*━{4,}.* images/s, validation accuracy 43.21%$", run)
        assert re.search(r"^small workers .* B=11 loss 12.345 lr 0.00123$", small)
        assert re.search(r"^large workers .* B=1024 loss 12.345 lr 0.00123$", large)

    def test_a_resumed_run_begins_where_it_is(self) -> None:
        before = [
            commit_record(commit=n, epoch=(n + 1) // 2, role=("large", "small")[n % 2], seconds=20)
            for n in range(1, 12)
        ]
        console = Console(file=io.StringIO(), force_terminal=True, width=COLUMNS)
        with Display(
            console, PLAN, Calendar(2, 40), before, evaluation_record(test_accuracy=0.4321)
        ):
            pass
        run, small, large = shown_of(console.file.getvalue()).shown
        # 69 commits of 20 s on two workers.
        assert re.search(r"^epoch 6/40 .* 11/80 0:11:(30|29) test accuracy 43.21%$", run)
        assert re.search(r"^small workers .*  6/40$", small)
        assert re.search(r"^large workers .*  5/40$", large)
