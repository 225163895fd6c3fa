"""The history of a run as columns, one entry for each commit; see the package for their meaning."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from dbsl_tf.results.checked_values import event_count, event_number
from dbsl_tf.results.records import VALIDATION

COLUMNS = (
    "worker_ID",
    "global_commit_ID",
    "local_commit_ID",
    "train_loss",
    "train_acc",
    "train_time",
    "val_loss",
    "val_acc",
    "commit_time",
)
MEASURED = "val_measured"


def columns_of_events(events: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Returns the commits of a history as the authors' columns, plus `val_measured`.

    The authors evaluate after every commit; a run of this package does so every
    `schedule.eval_every` epochs, on samples held out for validation if there are any. A commit in
    between has the val_loss and val_acc of the last evaluation before it; before the first
    evaluation they are NaN and 0. `val_measured` says whether they were measured after the commit
    itself. Of runs without accuracy, train_acc and val_acc are NaN.

    commit_time is the training time until the worker had pushed and all earlier commits had
    arrived. Pauses before a resumption do not count, nor does the evaluation.

    Args:
        events: as returned by `dbsl_tf.results.history_lines.read_events`.

    Raises:
        ValueError: a line lacks a value, or has one of another type.
    """
    commits = [event for event in events if event["event"] == "commit"]
    columns: dict[str, list[Any]] = {name: [] for name in (*COLUMNS, MEASURED)}
    done: Counter[int] = Counter()
    for commit in commits:
        worker = event_count(commit, "worker")
        duration = "seconds" if commit.get("loop_seconds") is None else "loop_seconds"
        columns["worker_ID"].append(worker + 1)
        columns["global_commit_ID"].append(event_count(commit, "commit") - 1)
        columns["local_commit_ID"].append(done[worker])
        columns["train_loss"].append(event_number(commit, "train_loss"))
        columns["train_acc"].append(_accuracy(commit, "train_accuracy"))
        columns["train_time"].append(event_number(commit, duration))
        done[worker] += 1
    columns["commit_time"] = _commit_times(events)
    for loss, accuracy, measured in _evaluations(commits, events):
        columns["val_loss"].append(loss)
        columns["val_acc"].append(accuracy)
        columns[MEASURED].append(measured)
    return columns


def _evaluations(
    commits: Iterable[dict[str, Any]], events: Iterable[dict[str, Any]]
) -> Iterable[tuple[float, float, bool]]:
    evaluations = [event for event in events if event["event"] == "evaluation"]
    # Where samples are held out, the test set is evaluated once, after the last commit.
    watched = [event for event in evaluations if event.get("split") == VALIDATION] or evaluations
    by_commit = {event_count(event, "commit"): event for event in watched}
    loss, accuracy = math.nan, 0.0
    for commit in commits:
        evaluation = by_commit.get(commit["commit"])
        if evaluation is not None:
            loss = event_number(evaluation, "test_loss")
            accuracy = _accuracy(evaluation, "test_accuracy")
        yield loss, accuracy, evaluation is not None


def _accuracy(event: dict[str, Any], name: str) -> float:
    # Null where the objective has none; left out it is a damage.
    return math.nan if event.get(name, "") is None else event_number(event, name)


def _commit_times(events: Iterable[dict[str, Any]]) -> list[float]:
    times: list[float] = []
    for commits in _uninterrupted(events):
        starts = [event_number(commit, "started") for commit in commits]
        begin, before = min(starts), max(times, default=0.0)
        times += [
            before + start + event_number(commit, "seconds") - begin
            for start, commit in zip(starts, commits)
        ]
    return list(accumulate(times, max))


def _uninterrupted(events: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Returns the commits between each interruption and the next."""
    parts: list[list[dict[str, Any]]] = [[]]
    for event in events:
        if event["event"] == "resume":
            parts.append([])
        elif event["event"] == "commit":
            parts[-1].append(event)
    return [part for part in parts if part]
