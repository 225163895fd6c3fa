"""Epochs out of records, of runs that were interrupted too."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest

from dbsl_tf.library.epochs import Epochs
from dbsl_tf.schedules.calendar import Calendar, Stretch


def commit(number: int) -> dict[str, Any]:
    return {"event": "commit", "commit": number, "samples": 2, "train_loss": float(number)}


def evaluation(number: int) -> dict[str, Any]:
    return {"event": "evaluation", "commit": number, "test_loss": number + 0.5}


def completed(epochs: Epochs, *events: dict[str, Any]) -> list[tuple[int, dict[str, float]]]:
    return [done for event in events for done in epochs.completed_by(event)]


def test_an_epoch_is_its_commits_and_its_evaluation() -> None:
    epochs = Epochs(Calendar(2, 9))
    assert completed(epochs, commit(1), commit(2), commit(3)) == []
    assert completed(epochs, evaluation(2)) == [(0, {"loss": 1.5, "val_loss": 2.5})]
    assert completed(epochs, commit(4), evaluation(4)) == [(1, {"loss": 3.5, "val_loss": 4.5})]


def test_an_epoch_that_was_not_evaluated_does_not_hold_up_later_ones() -> None:
    epochs = Epochs(Calendar(2, 9))
    # Interrupted, and saved, in epoch 1 before epoch 0 was evaluated.
    assert completed(epochs, commit(1), commit(2), commit(3)) == []
    epochs.begin_after(3)
    (first, logs), second = completed(epochs, commit(4), evaluation(4))
    assert first == 0
    assert logs["loss"] == 1.5
    assert math.isnan(logs["val_loss"])
    assert second == (1, {"loss": 3.5, "val_loss": 4.5})


def test_no_epoch_comes_twice() -> None:
    epochs = Epochs(Calendar(1, 9))
    before = completed(epochs, commit(1), evaluation(1), commit(2), evaluation(2), commit(3))
    assert [epoch for epoch, _ in before] == [0, 1]
    epochs.begin_after(1)
    after = completed(epochs, commit(2), evaluation(2), commit(3), evaluation(3))
    assert after == [(2, {"loss": 3.0, "val_loss": 3.5})]


@pytest.mark.parametrize("lost", [{1}, {2}, {1, 2}])
def test_what_is_missing_of_a_damaged_history_is_passed_over(lost: set[int]) -> None:
    epochs = Epochs(Calendar(2, 9))
    numbers = [number for number in range(1, 5) if number not in lost]
    done = completed(epochs, *map(commit, numbers), evaluation(2), evaluation(4))
    assert [epoch for epoch, _ in done] == [0, 1]
    assert math.isnan(done[0][1]["loss"]) == (lost == {1, 2})
    assert done[1][1] == {"loss": 3.5, "val_loss": 4.5}


def test_only_validation_completes_epochs_where_samples_are_held_out() -> None:
    epochs = Epochs(Calendar(1, 9), validation=True)
    commit = {"event": "commit", "commit": 1, "samples": 9, "train_loss": 0.5}
    test = {"event": "evaluation", "commit": 1, "test_loss": 0.75}
    assert [list(epochs.completed_by(event)) for event in (commit, test)] == [[], []]
    assert epochs.tested == {"test_loss": 0.75}
    held_out = {**test, "test_loss": 0.25, "split": "validation"}
    assert list(epochs.completed_by(held_out)) == [(0, {"loss": 0.5, "val_loss": 0.25})]


def test_a_metric_that_is_no_number_makes_its_mean_none_either() -> None:
    epochs = Epochs(Calendar(2, 9))
    metrics = [{"auc": None, "mae": 1.0}, {"auc": 0.5, "mae": 2.0}]
    commits = [{**commit(n), "train_metrics": values} for n, values in enumerate(metrics, 1)]
    ((_, logs),) = completed(epochs, *commits, {**evaluation(2), "test_metrics": metrics[0]})
    assert (logs["mae"], logs["val_mae"]) == (1.5, 1.0)
    assert math.isnan(logs["auc"]) and math.isnan(logs["val_auc"])


def test_epochs_that_are_trained_in_one_come_as_the_last_of_them() -> None:
    """One epoch of four mini-epochs, then two that every worker trains in one."""
    calendar = Calendar(2, 3, stretches=(Stretch(1, Fraction(2)),), local_epochs=2)
    epochs = Epochs(calendar)
    events = [*map(commit, range(1, 5)), evaluation(4), commit(5), commit(6), evaluation(6)]
    assert completed(epochs, *events) == [
        (0, {"loss": 2.5, "val_loss": 4.5}),
        (2, {"loss": 5.5, "val_loss": 6.5}),
    ]
