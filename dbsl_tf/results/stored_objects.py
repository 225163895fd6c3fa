"""Reads the JSON objects of a run and checks them, as a file may have been damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dbsl_tf.profiling.precision_choice import PrecisionChoice, stored_choice
from dbsl_tf.results.checked_values import check_known, damaged
from dbsl_tf.results.checkpoints import checkpoint_files, commit_of
from dbsl_tf.results.history_lines import lacking, read_events
from dbsl_tf.results.run_directory import RunDirectory

_SUMMARY_NUMBERS = (
    "test_loss",
    "test_accuracy",
    "best_test_loss",
    "validation_loss",
    "validation_accuracy",
    "best_validation_accuracy",
    "best_validation_loss",
    "wall_seconds",
    "planned_extra_time_ratio",
    "realised_extra_time_ratio",
)


def read_object(directory: RunDirectory, path: Path) -> dict[str, Any]:
    """Returns a JSON object of a run.

    Raises:
        UserError: the file cannot be read, or holds something else.
    """
    content = directory.read_json(path)
    if not isinstance(content, dict):
        raise damaged(path, "it does not hold a JSON object")
    return content


def read_summary(directory: RunDirectory) -> dict[str, Any]:
    """Returns summary.json of a run, see `dbsl_tf.results.summary`; numbers are finite or null.

    Raises:
        UserError: it does not exist or is damaged.
    """
    summary = read_object(directory, directory.summary)
    try:
        check_known(summary, counts=("commits",), numbers=_SUMMARY_NUMBERS)
        for name in ("test_metrics", "validation_metrics"):
            metrics = summary.get(name, {})
            if not isinstance(metrics, dict):
                raise ValueError(f"{name} is not an object")
            check_known(metrics, numbers=metrics, of=f" in {name}")
    except ValueError as error:
        raise damaged(directory.summary, str(error)) from error
    return summary


def read_history(directory: RunDirectory) -> list[dict[str, Any]]:
    """Returns the lines of history.jsonl that count, see `history_lines.read_events`.

    Raises:
        UserError: it cannot be read, is damaged, or ends before the newest checkpoint or the number
            of commits in summary.json.
    """
    # A checkpoint or a summary is written only after the history has reached it.
    reaching = max(map(commit_of, checkpoint_files(directory.checkpoints)), default=0)
    summary = read_summary(directory) if directory.summary.exists() else {}
    events = read_events(directory.history, reaching)
    commits = sum(event["event"] == "commit" for event in events)
    said = summary.get("commits") or 0
    if commits < said:
        lost = lacking(range(commits + 1, said + 1))
        raise damaged(directory.history, f"it {lost} of those in {directory.summary.name}")
    return events


def read_precision_choice(directory: RunDirectory) -> PrecisionChoice | None:
    """Returns what `compute.precision: auto` chose, from plan.json; None if it does not say.

    Raises:
        UserError: the file is damaged.
    """
    if not directory.plan.exists():
        return None
    return stored_choice(read_object(directory, directory.plan).get("precision_choice"))
