"""Reads history.jsonl and finds what is missing from it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from dbsl_tf.common.checksums import verified_line
from dbsl_tf.common.errors import UserError, reason_of
from dbsl_tf.common.files import HISTORY, read_text
from dbsl_tf.common.first_few import first_few
from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.results.checked_values import (
    check_known,
    damaged,
    event_count,
    event_number,
    finite_number,
    whole_number,
)
from dbsl_tf.results.records import (
    SPLITS,
    CommitRecord,
    DriftRecord,
    EvaluationRecord,
    FaultRecord,
    HistoryRecord,
    Metrics,
    NoiseRecord,
    RecordedCommit,
    RecordedEvaluation,
    ResumeRecord,
    WorkersRecord,
)

# Kinds of lines that no longer count after a resumption from an earlier checkpoint.
_COUNTED = ("commit", "evaluation", "noise")
_KINDS: dict[str, type[HistoryRecord]] = {
    "commit": CommitRecord,
    "evaluation": EvaluationRecord,
    "noise": NoiseRecord,
    "drift": DriftRecord,
    "workers": WorkersRecord,
    "fault": FaultRecord,
    "resume": ResumeRecord,
}
# The types that lines are read as if values may be missing.
_RECORDED: dict[str, type[HistoryRecord]] = {
    **_KINDS,
    "commit": RecordedCommit,
    "evaluation": RecordedEvaluation,
}
# The values that must be above 0 in a commit.
_ABOVE_ZERO = ("commit", "epoch", "resolution", "batch", "samples", "steps", "seconds")
# What is null or left out where the objective has none.
_NULLABLE = ("train_accuracy", "test_accuracy")
_OPTIONAL = {"train_metrics", "test_metrics", "split", "weights", "first_sample"}
_NAMED_AT_MOST = 3


@dataclass(frozen=True)
class Lines:
    """The content of a history.jsonl, by line number.

    Attributes:
        events: the lines that count, as dictionaries; see `dbsl_tf.results.records`.
        damaged: what is wrong with lines that are not records, unless a resumption has excluded
            them.
        recorded: the highest commit number in the file, including commits that a resumption has
            discarded; 0 if there is none.
    """

    events: dict[int, dict[str, Any]]
    damaged: dict[int, str]
    recorded: int

    @property
    def commits(self) -> list[int]:
        """Numbers of the commits that count, in the order of the file."""
        return [e["commit"] for e in self.events.values() if e["event"] == "commit"]


def read_events(path: Path, reaching: int = 0) -> list[dict[str, Any]]:
    """Returns the lines of a history.jsonl that count, as dictionaries; see `records`.

    What belongs to commits after a checkpoint that the run was resumed from is left out, and so is
    an incomplete last line, which a crash cut short or which is still being written.

    Args:
        path: the file; one that does not exist has no lines.
        reaching: a commit that the history must have reached, as there is a checkpoint of it.

    Raises:
        UserError: the file cannot be read, was not written by a run, or its commits are not
            1, 2, … without gaps or repeats.
    """
    lines = read_lines(path)
    problem = first_of(lines.damaged) or problem_of(lines.commits)
    if not problem and lines.recorded < reaching:
        problem = f"it {lacking(range(lines.recorded + 1, reaching + 1))}"
    if problem:
        raise UserError(
            f"{path} is damaged ({problem}); restore the file, or start the run again, which "
            "resumes it from the last checkpoint that the history reaches"
        )
    return list(lines.events.values())


def first_of(damaged: Mapping[int, str]) -> str:
    """Returns the first damaged line and what is wrong with it; empty if there is none."""
    return next(
        (f"line {number} is not a record of a run: {damaged[number]}" for number in damaged), ""
    )


def read_lines(path: Path) -> Lines:
    """Returns everything that can be read of a history.jsonl, however damaged it is.

    Raises:
        UserError: the file cannot be read, or none of its lines is a record of a run.
    """
    if not path.exists():
        return Lines({}, {}, 0)
    try:
        text = read_text(path, HISTORY, errors="surrogateescape")
    except OSError as error:
        raise damaged(path, str(error)) from error
    events: dict[int, dict[str, Any]] = {}
    faults: dict[int, str] = {}
    recorded = 0
    for number, line in enumerate(text.split("\n")[:-1], 1):
        try:
            event = _event(line)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            faults[number] = reason_of(error)[:100]
            continue
        if event["event"] == "resume":
            left_out = set(event.get("left_out") or ())
            events = {n: e for n, e in _until(events, event["commit"]).items() if n not in left_out}
            faults = {n: fault for n, fault in faults.items() if n not in left_out}
        elif event["event"] == "commit":
            recorded = max(recorded, event["commit"])
        events[number] = event
    if faults and not events:
        raise UserError(f"{path} {first_of(faults)}; restore the file or give another run.dir")
    return Lines(events, faults, recorded)


def record_of(event: Mapping[str, Any]) -> CommitRecord | EvaluationRecord:
    """Returns the record in a line of kind commit or evaluation.

    Raises:
        ValueError: a value is missing, unknown or impossible.
    """
    kind: type[CommitRecord | EvaluationRecord]
    kind = CommitRecord if event["event"] == "commit" else EvaluationRecord
    names = {field.name for field in fields(kind)}
    what = f"{event['event']} {event['commit']}"
    for name in sorted((names ^ (event.keys() - {"event"})).difference(_OPTIONAL & names)):
        raise ValueError(f"{what} {'has no' if name in names else 'has an unknown'} {name}")
    for name in sorted(names & event.keys()):
        if event[name] is None and name not in _NULLABLE:
            raise ValueError(f"{name} of {what} is null")
        if kind is CommitRecord and name in _ABOVE_ZERO and event[name] <= 0:
            raise ValueError(f"{name} of {what} is {event[name]}")
    if event.get("role", ROLES[0]) not in ROLES:
        raise ValueError(f"role of {what} is {event['role']!r:.40}")
    return kind(**{name: event[name] for name in names & event.keys()})


def records_of(events: Iterable[Mapping[str, Any]]) -> list[HistoryRecord]:
    """Returns the records of lines as `read_events` gives them, those of unknown kinds left out.

    What imported runs leave out is None.

    Raises:
        ValueError: a line lacks a value that every run has, or has one of another type.
    """
    return [_recorded(e, _RECORDED[e["event"]]) for e in events if e["event"] in _RECORDED]


def _recorded(event: Mapping[str, Any], kind: type[HistoryRecord]) -> HistoryRecord:
    values: dict[str, Any] = {}
    for field in fields(kind):
        of, _, optional = str(field.type).partition(" | ")
        if event.get(field.name) is not None:
            values[field.name] = _READERS[of](event, field.name)
        elif optional:
            values[field.name] = None
        elif field.default is MISSING and field.default_factory is MISSING:
            values[field.name] = _READERS[of](event, field.name)  # says what is missing
    return kind(**values)


def _list_of(check: Callable[[Any, str], Any]) -> Callable[[Mapping[str, Any], str], tuple]:
    def read(event: Mapping[str, Any], name: str) -> tuple:
        what = f"{name} of a line of kind {event['event']}"
        if not isinstance(event.get(name), list):
            raise ValueError(f"{what} is not a list")
        return tuple(check(value, f"one of the {what}") for value in event[name])

    return read


def _object(event: Mapping[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(event.get(name), dict):
        raise ValueError(f"{name} of a line of kind {event['event']} is not an object")
    return event[name]


def _metrics(event: Mapping[str, Any], name: str) -> Metrics:
    values = _object(event, name)
    for metric, value in values.items():
        if value is not None:
            finite_number(value, f"{metric} in the {name} of a line of kind {event['event']}")
    return values


def _text(event: Mapping[str, Any], name: str) -> str:
    return str(event.get(name))


def _split(event: Mapping[str, Any], name: str) -> str:
    if event.get(name) not in SPLITS:
        raise ValueError(
            f"{name} of a line of kind {event['event']} is {event.get(name)!r:.40}, "
            f"not {' or '.join(SPLITS)}"
        )
    return event[name]


# How the value of a field is read from a line, by its type.
_READERS: dict[str, Callable[[Mapping[str, Any], str], Any]] = {
    "int": event_count,
    "float": event_number,
    "str": _text,
    "FaultKind": _text,
    "Split": _split,
    "bool": lambda event, name: bool(event.get(name)),
    "Metrics": _metrics,
    "dict[str, Any]": _object,
    "tuple[int, ...]": _list_of(whole_number),
    "tuple[float, ...]": _list_of(finite_number),
    "tuple[str, ...]": _list_of(lambda value, _: str(value)),
}


def problem_of(commits: Sequence[int], last: int | None = None) -> str:
    """Returns what is wrong with the numbers of commits; empty if they are 1, 2, … `last`.

    Args:
        commits: the numbers, in order.
        last: the number that they must reach, while later ones are irrelevant; None: any.
    """
    if last is None:
        last = max(commits, default=0)
    else:
        commits = [commit for commit in commits if commit <= last]
    # A damaged number may be so large that nothing can be made of all before it.
    if len(commits) == last and all(c == number for number, c in enumerate(commits, 1)):
        return ""
    counts = Counter(commits)
    if missing := last - len(counts):
        absent = (commit for commit in range(1, last + 1) if commit not in counts)
        return f"it {_lacking(absent, missing)}"
    if repeated := [commit for commit, times in counts.items() if times > 1]:
        return f"it has commit {repeated[0]} twice"
    return "its commits are out of order"


def lacking(commits: range) -> str:
    """Returns which commits are missing, in words."""
    return _lacking(commits, len(commits))


def _lacking(commits: Iterable[int], count: int) -> str:
    return f"lacks commit {first_few(commits, count, _NAMED_AT_MOST)}"


def _event(line: str) -> dict[str, Any]:
    """Returns a line as a dictionary; raises nearly any exception if it is not a record."""
    event = json.loads(verified_line(line))
    if not isinstance(event, dict) or not isinstance(event["event"], str):
        raise ValueError("it is not an event")
    kind = _KINDS.get(event["event"])
    if kind is None:
        return event
    if event["event"] in (*_COUNTED, "resume"):
        event_count(event, "commit")
    types = {field.name: str(field.type).removesuffix(" | None") for field in fields(kind)}
    check_known(
        event,
        counts=_of(types.items(), "int"),
        numbers=_of(types.items(), "float"),
        texts=_of(types.items(), "str"),
        of=f" of a line of kind {event['event']}",
    )
    for of in ("tuple[float, ...]", "tuple[int, ...]", "Metrics", "Split", "dict[str, Any]"):
        for name in _of(types.items(), of):
            if event.get(name) is not None:
                _READERS[of](event, name)
    return event


def _of(types: Iterable[tuple[str, Any]], wanted: str) -> list[str]:
    return [name for name, of in types if of == wanted]


def _until(events: Mapping[int, dict[str, Any]], commit: int) -> dict[int, dict[str, Any]]:
    return {
        number: event
        for number, event in events.items()
        if event["event"] not in _COUNTED or event["commit"] <= commit
    }
