"""history.jsonl on one time axis: seconds of training, pauses left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dbsl_tf.reporting.recorded_run import Drift, Evaluation, Fault, MiniEpoch, Resumption
from dbsl_tf.results.checked_values import event_count, event_number, finite_number

_OPTIONAL_COUNTS = ("resolution", "batch", "samples", "steps", "staleness")
_OPTIONAL_NUMBERS = (
    "train_loss",
    "train_accuracy",
    "loop_seconds",
    "learning_rate",
    "update_factor",
)


@dataclass
class TimedHistory:
    """The records of a history; see `RecordedRun` for what they are."""

    mini_epochs: list[MiniEpoch] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    resumptions: list[Resumption] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)

    @property
    def end(self) -> float:
        """Seconds of training at the end of the last mini-epoch."""
        return max((m.end for m in self.mini_epochs), default=0.0)


@dataclass(frozen=True)
class _Clock:
    """Unix times of what lies between two resumptions, as seconds of training.

    Its time goes on where that of the last commit before it ended, as the training itself counts.
    """

    base: float
    origin: float | None

    def seconds(self, unix: float) -> float:
        """Returns the seconds of training; as clocks differ a little, never before `base`."""
        return self.base if self.origin is None else self.base + max(0.0, unix - self.origin)


def timed_history(events: Sequence[Mapping[str, Any]], workers: int) -> TimedHistory:
    """Puts the events of a history on one time axis.

    Args:
        events: as `dbsl_tf.results.history_lines.read_events` returns them.
        workers: number of workers, n.

    Raises:
        ValueError: an event lacks a value, or has one of another type.
    """
    history = TimedHistory()
    last_unix: float | None = None
    sizes = [
        event_count(event, "resolution")
        for event in events
        if event["event"] == "evaluation" and event.get("resolution") is not None
    ]
    highest = max(sizes, default=None)
    for segment in _segments(events):
        starts = [
            event_number(event, "started")
            for event in segment
            if event["event"] == "commit" or "started" in event
        ]
        clock = _Clock(history.end, min(starts, default=None))
        for event in segment:
            if event["event"] == "resume":
                pause = None
                if last_unix is not None and clock.origin is not None:
                    pause = max(0.0, clock.origin - last_unix)
                history.resumptions.append(_resumption(event, clock, pause))
            else:
                _add(history, event, clock, workers, highest)
        ends = [
            event_number(event, "started") + event_number(event, "seconds")
            for event in segment
            if event["event"] == "commit"
        ]
        # What was noticed after them was thrown away with the commits of that time.
        for place, fault in enumerate(history.faults):
            if fault.seconds > history.end:
                history.faults[place] = replace(fault, seconds=history.end)
        last_unix = max(ends, default=last_unix)
    return history


def _segments(events: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Splits a history before every resumption."""
    segments: list[list[Mapping[str, Any]]] = [[]]
    for event in events:
        if event["event"] == "resume":
            segments.append([])
        segments[-1].append(event)
    return segments


def _add(
    history: TimedHistory,
    event: Mapping[str, Any],
    clock: _Clock,
    workers: int,
    highest: int | None,
) -> None:
    match event["event"]:
        case "commit":
            history.mini_epochs.append(_mini_epoch(event, clock, workers))
        case "evaluation" if event.get("resolution") in (None, highest):
            history.evaluations.append(_evaluation(event, clock, workers, history))
        case "fault":
            history.faults.append(
                Fault(
                    seconds=clock.seconds(event_number(event, "time")),
                    commit=event_count(event, "commit"),
                    kind=str(event.get("kind")),
                    worker=event_count(event, "worker"),
                    message=str(event.get("message")),
                )
            )
        case "drift":
            history.drifts.append(_drift(event))


def _mini_epoch(event: Mapping[str, Any], clock: _Clock, workers: int) -> MiniEpoch:
    commit = event_count(event, "commit")
    begin = clock.seconds(event_number(event, "started"))
    optional: dict[str, Any] = {
        **{name: event_count(event, name) for name in _known(event, _OPTIONAL_COUNTS)},
        **{name: event_number(event, name) for name in _known(event, _OPTIONAL_NUMBERS)},
        **{name: None for name in ("train_loss", "train_accuracy") if event.get(name) is None},
    }
    return MiniEpoch(
        commit=commit,
        epoch=(commit - 1) // workers + 1,
        worker=event_count(event, "worker"),
        role=str(event.get("role")),
        begin=begin,
        end=begin + event_number(event, "seconds"),
        **optional,
    )


def _evaluation(
    event: Mapping[str, Any], clock: _Clock, workers: int, history: TimedHistory
) -> Evaluation:
    commit = event_count(event, "commit")
    if event.get("started") is None:
        ends = [m.end for m in history.mini_epochs if m.commit == commit]
        begin = end = ends[0] if ends else history.end
    else:
        begin = clock.seconds(event_number(event, "started"))
        end = begin + event_number(event, "seconds")
    return Evaluation(
        commit=commit,
        epochs=commit / workers,
        begin=begin,
        end=end,
        test_loss=event_number(event, "test_loss"),
        test_accuracy=event_number(event, "test_accuracy"),
    )


def _resumption(event: Mapping[str, Any], clock: _Clock, pause: float | None) -> Resumption:
    changes = event.get("changes", [])
    if not isinstance(changes, list):
        raise ValueError(f"changes of a line of kind {event['event']} is not a list")
    return Resumption(
        seconds=clock.base,
        commit=event_count(event, "commit"),
        discarded=event_count(event, "discarded"),
        pause=pause,
        changes=tuple(map(str, changes)),
    )


def _drift(event: Mapping[str, Any]) -> Drift:
    factors = event.get("factors")
    name = f"factors of a line of kind {event['event']}"
    if not isinstance(factors, list):
        raise ValueError(f"{name} is not a list")
    return Drift(
        commit=event_count(event, "commit"),
        factors=tuple(finite_number(factor, f"one of the {name}") for factor in factors),
        adopted=bool(event.get("adopted")),
    )


def _known(event: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    return [key for key in keys if event.get(key) is not None]
