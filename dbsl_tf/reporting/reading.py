"""Reads run directories: those of training, whole or interrupted, and imported ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.flat import flat
from dbsl_tf.config.yaml_text import YamlProblem, read_yaml
from dbsl_tf.planning.time_model import TimeModel
from dbsl_tf.reporting.history_times import timed_history
from dbsl_tf.reporting.recorded_run import RecordedRun
from dbsl_tf.results.history import read_events
from dbsl_tf.results.run_directory import RunDirectory


def read_runs(paths: Sequence[Path]) -> list[RecordedRun]:
    """Reads several runs, see `read_run`.

    Raises:
        UserError: also where a run is named twice.
    """
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise UserError(f"{path} is named twice; name each run once")
        seen.add(path.resolve())
    return [read_run(path) for path in paths]


def read_run(path: Path) -> RecordedRun:
    """Reads what a run directory holds; only history.jsonl must be there.

    Raises:
        UserError: it is no run directory, or a file in it is damaged.
    """
    directory = RunDirectory(path)
    if not directory.history.is_file():
        raise UserError(
            f"{path}: is no run directory, as it has no history.jsonl; name the run.dir of a run "
            "of dbsl_tf.train"
        )
    text, config = _configuration(directory.configuration)
    plan = _object(directory, directory.plan)
    events = _events(directory.history)
    workers = _workers(config, plan, events)
    try:
        history = timed_history(events, workers)
    except ValueError as error:
        raise _damaged(directory.history, str(error)) from error
    resolutions = {m.resolution for m in history.mini_epochs}
    return RecordedRun(
        path=path,
        workers=workers,
        config=config,
        config_text=text,
        plan=plan,
        data=_object(directory, directory.data),
        summary=_object(directory, directory.summary),
        mini_epochs=tuple(history.mini_epochs),
        evaluations=tuple(sorted(history.evaluations, key=lambda e: e.commit)),
        faults=tuple(history.faults),
        resumptions=tuple(history.resumptions),
        drifts=tuple(history.drifts),
        time_models=_time_models(config, workers, resolutions),
    )


def _configuration(path: Path) -> tuple[str, dict[str, Any]]:
    """The text of a configuration and its keys by dotted name; empty where there is no file.

    It is not checked against `dbsl_tf.config`: imported runs know only a part of the keys, and
    those of another version have others.
    """
    if not path.exists():
        return "", {}
    try:
        text = path.read_text(encoding="utf-8")
        values = read_yaml(text)
    except (OSError, ValueError, YamlProblem) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(values, Mapping | None):
        raise _damaged(path, "it holds no sections")
    return text, flat(values or {})


def _object(directory: RunDirectory, path: Path) -> Mapping[str, Any]:
    """A JSON object of the run; empty where there is no such file."""
    if not path.exists():
        return {}
    content = directory.read_json(path)
    if not isinstance(content, Mapping):
        raise _damaged(path, "it holds no JSON object")
    return content


def _events(path: Path) -> list[dict[str, Any]]:
    try:
        return read_events(path)
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error


def _workers(
    config: Mapping[str, Any], plan: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
) -> int:
    for known in (config.get("cluster.workers"), plan.get("workers")):
        if isinstance(known, int) and known > 0:
            return known
    seen = {event.get("worker") for event in events if event["event"] == "commit"}
    return max(1, len(seen))


def _time_models(
    config: Mapping[str, Any], workers: int, resolutions: set[int | None]
) -> dict[int | None, tuple[TimeModel, ...]]:
    """The time models that a configuration gives, see `RecordedRun.time_models`."""
    if config.get("time_model.profile") is not None:
        return _profiled(Path(str(config["time_model.profile"])), workers, resolutions)
    sizes: Sequence[int | None] = [None]
    section = "time_model"
    if config.get("progressive.mode", "off") != "off" and config.get("progressive.a") is not None:
        sizes, section = _listed(config.get("progressive.resolutions")), "progressive"
    a, b, c = (_listed(config.get(f"{section}.{name}")) for name in ("a", "b", "overhead"))
    if not all(isinstance(value, int | float) for value in (*a, *b)):
        return {}
    overheads = [value or 0.0 for value in c] if len(c) == len(a) else [0.0] * len(a)
    models = zip(sizes, map(TimeModel, a, b, overheads))
    return {resolution: (model,) * workers for resolution, model in models}


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _profiled(
    path: Path, workers: int, resolutions: set[int | None]
) -> dict[int | None, tuple[TimeModel, ...]]:
    from dbsl_tf.profiling.profile_file import load_profile

    try:
        profile = load_profile(path)
        return {size: profile.time_models(workers, size) for size in resolutions}
    except UserError:
        # It lay on the machine that trained, and need not be here.
        return {}


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} cannot be read ({' '.join(reason.split())}): restore the file, or name another run"
    )
