"""Reads run directories: finished and interrupted runs, and imported ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import WRITTEN_BY_HAND, read_text
from dbsl_tf.config.flat import flat
from dbsl_tf.config.moved_keys import with_moved_dotted_keys
from dbsl_tf.config.names import MERGE_RULE_ALIASES
from dbsl_tf.config.ranges import MOST_WORKERS
from dbsl_tf.config.yaml_text import YamlProblem, read_yaml
from dbsl_tf.planning.time_model import TimeModel
from dbsl_tf.profiling.precision_choice import stored_choice
from dbsl_tf.reporting.history_times import timed_history
from dbsl_tf.reporting.recorded_run import RecordedRun
from dbsl_tf.reporting.stored_calendar import calendar_of
from dbsl_tf.results.checked_values import (
    check_known,
    damaged,
    finite_number,
    whole_number,
)
from dbsl_tf.results.history_lines import records_of
from dbsl_tf.results.origin import read_starts
from dbsl_tf.results.records import HistoryRecord, RecordedCommit
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.stored_config import unrecorded
from dbsl_tf.results.stored_objects import read_history, read_object, read_summary

# Lists in plan.json: the keys of their entries for whole numbers, and for other numbers.
_PLAN_TABLES = {
    "per_worker": (("worker", "batch", "samples", "steps"), ("update_factor", "predicted_seconds")),
    "schedule": (
        (
            "first_epoch",
            "last_epoch",
            "resolution",
            "small_batch",
            "large_batch",
            "small_samples",
            "large_samples",
            "mini_epochs",
        ),
        ("learning_rate", "dropout", "predicted_seconds"),
    ),
}


def read_runs(paths: Sequence[Path]) -> list[RecordedRun]:
    """Reads several runs, see `read_run`.

    Raises:
        UserError: a run is named twice, or `read_run` raises it.
    """
    seen: set[str] = set()
    for path in paths:
        # Unlike `Path.resolve`, it accepts a link that leads to itself, which is refused below.
        place = os.path.realpath(path)
        if place in seen:
            raise UserError(f"{path} is named twice; name each run once")
        seen.add(place)
    return [read_run(path) for path in paths]


def read_run(path: Path) -> RecordedRun:
    """Reads a run directory, of which only history.jsonl must exist.

    Raises:
        UserError: it is not a run directory, or a file in it is damaged.
    """
    directory = RunDirectory(path)
    directory.check_has_history()
    text, config = _configuration(directory.configuration)
    plan = _plan(directory)
    if config.get("compute.precision") == "auto":
        choice = stored_choice(plan.get("precision_choice"))
        config["compute.precision"] = choice.precision if choice else "auto"
    try:
        records = records_of(read_history(directory))
    except ValueError as error:
        raise damaged(directory.history, str(error)) from error
    workers = _workers(directory, config, plan, records)
    history = timed_history(records, calendar_of(config, plan, workers))
    resolutions = {m.resolution for m in history.mini_epochs}
    try:
        time_models = _time_models(config, workers, resolutions)
    except ValueError as error:
        raise damaged(directory.configuration, str(error)) from error
    return RecordedRun(
        path=path,
        workers=workers,
        config=config,
        config_text=text,
        plan=plan,
        data=read_object(directory, directory.data) if directory.data.exists() else {},
        summary=read_summary(directory) if directory.summary.exists() else {},
        starts=read_starts(directory),
        by_class=_by_class(directory),
        mini_epochs=tuple(history.mini_epochs),
        evaluations=tuple(sorted(history.evaluations, key=lambda e: e.commit)),
        validations=tuple(sorted(history.validations, key=lambda e: e.commit)),
        noises=tuple(sorted(history.noises, key=lambda record: record.commit)),
        faults=tuple(history.faults),
        resumptions=tuple(history.resumptions),
        drifts=tuple(history.drifts),
        plans_for_present=tuple(history.plans_for_present),
        time_models=time_models,
    )


def _by_class(directory: RunDirectory) -> Mapping[str, Any]:
    """Returns evaluation.json; empty if there is no such file."""
    if not directory.evaluation.exists():
        return {}
    found = read_object(directory, directory.evaluation)
    try:
        check_known(found, ("commit", "samples"), ("loss", "accuracy", "top5_accuracy"))
        _check_table(found, "classes", ("samples",), ("accuracy",))
    except ValueError as error:
        raise damaged(directory.evaluation, str(error)) from error
    return found


def _configuration(path: Path) -> tuple[str, dict[str, Any]]:
    """Returns the text of a configuration and its keys by dotted name; empty without a file.

    It is not checked against `dbsl_tf.config`: imported runs have only some of the keys, and runs
    of other versions may have others.
    """
    if not path.exists():
        return "", {}
    try:
        text = read_text(path, WRITTEN_BY_HAND, encoding="utf-8-sig")
        values = read_yaml(text)
    except (OSError, ValueError, YamlProblem) as error:
        raise damaged(path, str(error)) from error
    if not isinstance(values, Mapping | None):
        raise damaged(path, "it holds no sections")
    keys = with_moved_dotted_keys(flat(values or {}))
    rule = keys.get("merge.rule")
    if isinstance(rule, str):
        keys["merge.rule"] = MERGE_RULE_ALIASES.get(rule, rule)
        # Earlier versions had no such key.
        keys.setdefault("merge.staleness_power", 0.0)
    if "data.image_size" in keys:
        # Not those of imported runs, of which this is not known.
        keys |= unrecorded(keys)
    return text, keys


def _plan(directory: RunDirectory) -> Mapping[str, Any]:
    """Returns plan.json; empty if there is no such file."""
    if not directory.plan.exists():
        return {}
    plan = read_object(directory, directory.plan)
    try:
        ratios = ("realised_extra_time_ratio", "mini_epochs_per_epoch")
        check_known(plan, ("workers", "small_workers"), ratios)
        for table, (counts, numbers) in _PLAN_TABLES.items():
            _check_table(plan, table, counts, numbers)
    except ValueError as error:
        raise damaged(directory.plan, str(error)) from error
    return plan


def _check_table(
    plan: Mapping[str, Any], table: str, counts: Sequence[str], numbers: Sequence[str]
) -> None:
    rows = plan.get(table)
    if rows is None:
        return
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise ValueError(f"{table} is not a list of objects")
    for row in rows:
        check_known(row, counts, numbers, ("role",), f" in {table}")


def _workers(
    directory: RunDirectory,
    config: Mapping[str, Any],
    plan: Mapping[str, Any],
    records: Sequence[HistoryRecord],
) -> int:
    """Returns the number of workers.

    Raises:
        UserError: it is far too large, or a worker has trained that is none of them.
    """
    trained = [record.worker for record in records if isinstance(record, RecordedCommit)]
    last = max(trained, default=0)
    for file, key, known in (
        (directory.configuration, "cluster.workers", config.get("cluster.workers")),
        (directory.plan, "workers", plan.get("workers")),
        (directory.history, "the number of workers", last + 1),
    ):
        if isinstance(known, int) and known > 0:
            if known > MOST_WORKERS:
                raise damaged(file, f"{key} is {known}, above {MOST_WORKERS}")
            if last >= known:
                reason = f"it has commits of worker {last}, but {key} is {known}"
                raise damaged(directory.history, reason)
            return known
    raise AssertionError


def _time_models(
    config: Mapping[str, Any], workers: int, resolutions: set[int | None]
) -> dict[int | None, tuple[TimeModel, ...]]:
    """Returns the time models in a configuration, see `RecordedRun.time_models`.

    Raises:
        ValueError: it has something else in the place of a number.
    """
    if config.get("time_model.profile") is not None:
        return _profiled(Path(str(config["time_model.profile"])), workers, resolutions)
    sizes: Sequence[int | None] = [None]
    section = "time_model"
    if config.get("progressive.mode", "off") != "off" and config.get("progressive.a") is not None:
        section, key = "progressive", "progressive.resolutions"
        sizes = [whole_number(value, key) for value in _listed(config.get(key))]
    a, b, c = (_numbers(config, f"{section}.{name}") for name in ("a", "b", "overhead"))
    slopes, intercepts = ([v for v in values if v is not None] for values in (a, b))
    if len(slopes) < len(a) or len(intercepts) < len(b):
        return {}
    overheads = [value or 0.0 for value in c] if len(c) == len(a) else [0.0] * len(a)
    models = zip(sizes, map(TimeModel, slopes, intercepts, overheads))
    return {resolution: (model,) * workers for resolution, model in models}


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _numbers(config: Mapping[str, Any], key: str) -> list[float | None]:
    """Returns the number for each resolution, or the only one; None if none is given."""
    values = _listed(config.get(key))
    return [None if value is None else finite_number(value, key) for value in values]


def _profiled(
    path: Path, workers: int, resolutions: set[int | None]
) -> dict[int | None, tuple[TimeModel, ...]]:
    from dbsl_tf.profiling.profile_file import load_profile

    try:
        profile = load_profile(path)
        return {size: profile.time_models(workers, size) for size in resolutions}
    except UserError:
        # It was on the machine that trained and may not exist here.
        return {}
