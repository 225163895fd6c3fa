"""Writes a result file of the authors as a run directory, for reports and plots."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from dbsl_tf.authors_files.file_name import NameFacts, batches_of_name, facts_of_name
from dbsl_tf.authors_files.reading import AuthorsCommit, AuthorsHistory
from dbsl_tf.common.atomic_folder import make_folder
from dbsl_tf.common.checksums import line_with_checksum
from dbsl_tf.common.errors import UserError
from dbsl_tf.config.yaml_text import write_yaml
from dbsl_tf.results.records import RecordedCommit, RecordedEvaluation
from dbsl_tf.results.run_directory import RunDirectory


def write_imported_run(
    history: AuthorsHistory, source: Path, target: Path, small_workers: int | None = None
) -> None:
    """Writes a history as a run directory: `history.jsonl`, `config.yaml` and `summary.json`.

    Lines are `dbsl_tf.results.records`, and keys are those of the configuration. Facts that the
    file does not contain are left out rather than filled with defaults, so such a run can be shown
    and compared but not resumed. Times begin at 0. `summary.json` has a key `imported`.

    Args:
        history: the content of the file.
        source: the file, whose name holds facts about the run; see `facts_of_name`.
        target: the directory to create.
        small_workers: n_S; None: taken from the name.

    Raises:
        UserError: the number of small-batch workers is not known or more than there are, or
            `target` is not empty or cannot be written.
    """
    facts = facts_of_name(source.stem, history.layout)
    small = facts.small_workers if small_workers is None else small_workers
    if small is None:
        raise UserError(
            f"{source.name} does not say how many workers had the small batch: give "
            "--small-workers, 0 for none"
        )
    if not 0 <= small <= history.workers:
        raise UserError(
            f"--small-workers is {small}, but {source.name} has {history.workers} worker(s): give "
            f"0 to {history.workers}"
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} already exists; give another --output, or remove it")
    events = [record.as_dict() for record in _records(history, facts, small, source.stem)]

    def write(folder: Path) -> None:
        run = RunDirectory(folder)
        lines = (line_with_checksum(json.dumps(event, allow_nan=False)) + "\n" for event in events)
        run.write_text(run.history, "".join(lines))
        header = f"# Imported from {source.name}; what it does not contain is left out.\n"
        run.write_text(run.configuration, header + write_yaml(_config(history, facts, small)))
        run.write_json(run.summary, _summary(history, facts, small, source.name))

    try:
        make_folder(target, write)
    except OSError as error:
        raise UserError(
            f"{target} cannot be written ({error.strerror or error}); give another --output"
        ) from error


def _role(commit: AuthorsCommit, small_workers: int) -> str:
    return "small" if commit.worker < small_workers else "large"


def _records(
    history: AuthorsHistory, facts: NameFacts, small_workers: int, stem: str
) -> Iterator[RecordedCommit | RecordedEvaluation]:
    batches = batches_of_name(stem)
    samples = _samples(history, facts, small_workers)
    for commit in history.commits:
        role = _role(commit, small_workers)
        yield RecordedCommit(
            commit=commit.commit,
            epoch=(commit.commit - 1) // history.workers + 1,
            worker=commit.worker,
            role=role,
            resolution=None,
            batch=batches.get(role),
            samples=samples.get(role),
            steps=None,
            started=commit.started,
            seconds=commit.seconds,
            loop_seconds=None,
            learning_rate=None,
            update_factor=None,
            staleness=None,
            train_loss=commit.train_loss,
            train_accuracy=commit.train_accuracy,
        )
        if commit.test_loss is None or commit.test_accuracy is None:
            continue
        ended = commit.started + commit.seconds
        yield RecordedEvaluation(
            commit=commit.commit,
            epoch=commit.commit // history.workers,
            resolution=None,
            test_loss=commit.test_loss,
            test_accuracy=commit.test_accuracy,
            samples=facts.test_samples,
            started=ended,
            seconds=max(0.0, commit.evaluated - ended),
        )


def _samples(history: AuthorsHistory, facts: NameFacts, small_workers: int) -> dict[str, int]:
    """Returns the samples in a mini-epoch of each role, if the name gives k and the data set.

    These are d_L = k d/n and what the large workers leave for the small ones (Eq. 4-5 of Lu et al.,
    COMPSAC 2022). Empty if nothing is left, as the name then belongs to another run.
    """
    d, n = facts.train_samples, history.workers
    if d is None or facts.extra_time_ratio is None:
        return {}
    whole = int if history.layout == "compsac" else round
    if small_workers == 0:
        return {"large": whole(d / n)}
    large = whole(facts.extra_time_ratio * d / n)
    small = whole((d - large * (n - small_workers)) / small_workers)
    return {"small": small, "large": large} if small >= 0 else {}


def _config(history: AuthorsHistory, facts: NameFacts, small_workers: int) -> dict[str, Any]:
    keys = {
        **facts.keys,
        "cluster.workers": history.workers,
        "dual_batch.small_workers": small_workers,
    }
    if "schedule.epochs" not in keys:
        keys["schedule.epochs"] = -(-len(history.commits) // history.workers)
    sections: dict[str, Any] = {}
    for key, value in keys.items():
        section, name = key.split(".")
        sections.setdefault(section, {})[name] = value
    return sections


def _summary(
    history: AuthorsHistory, facts: NameFacts, small_workers: int, source: str
) -> dict[str, Any]:
    evaluated = [commit for commit in history.commits if commit.test_loss is not None]
    seconds: dict[str, list[float]] = {"small": [], "large": []}
    for commit in history.commits:
        seconds[_role(commit, small_workers)].append(commit.seconds)
    small, large = (median(seconds[role]) if seconds[role] else None for role in seconds)
    accuracies = [c.test_accuracy for c in evaluated if c.test_accuracy is not None]
    return {
        "imported": {"file": source, "layout": history.layout},
        "test_loss": evaluated[-1].test_loss if evaluated else None,
        "test_accuracy": evaluated[-1].test_accuracy if evaluated else None,
        "best_test_accuracy": max(accuracies, default=None),
        "commits": len(history.commits),
        "wall_seconds": max(commit.evaluated for commit in history.commits),
        "planned_extra_time_ratio": facts.extra_time_ratio,
        "load_imbalance": small / large if small and large else None,
        "small_mini_epochs": len(seconds["small"]),
        "large_mini_epochs": len(seconds["large"]),
        "median_small_seconds": small,
        "median_large_seconds": large,
    }
