"""Puts history.jsonl on one time axis: seconds of training, without pauses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dbsl_tf.reporting.recorded_run import Evaluation, Fault, MiniEpoch, Resumption
from dbsl_tf.results.records import (
    VALIDATION,
    DriftRecord,
    FaultRecord,
    HistoryRecord,
    NoiseRecord,
    RecordedCommit,
    RecordedEvaluation,
    ResumeRecord,
    WorkersRecord,
)
from dbsl_tf.schedules.calendar import Calendar


@dataclass
class TimedHistory:
    """The records of a history; see `RecordedRun` for their meaning."""

    mini_epochs: list[MiniEpoch] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    validations: list[Evaluation] = field(default_factory=list)
    noises: list[NoiseRecord] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    resumptions: list[Resumption] = field(default_factory=list)
    drifts: list[DriftRecord] = field(default_factory=list)
    plans_for_present: list[WorkersRecord] = field(default_factory=list)

    @property
    def end(self) -> float:
        """Seconds of training at the end of the last mini-epoch."""
        return max((m.end for m in self.mini_epochs), default=0.0)


@dataclass(frozen=True)
class _Clock:
    """Converts Unix times between two resumptions to seconds of training.

    They continue from the end of the last commit before the resumption.
    """

    base: float
    origin: float | None

    def seconds(self, unix: float) -> float:
        """Returns seconds of training, at least `base`, as clocks differ slightly."""
        return self.base if self.origin is None else self.base + max(0.0, unix - self.origin)


def timed_history(records: Sequence[HistoryRecord], calendar: Calendar) -> TimedHistory:
    """Puts the records of a history on one time axis.

    Args:
        records: as returned by `dbsl_tf.results.history_lines.records_of`.
        calendar: of the run.
    """
    history = TimedHistory()
    last_unix: float | None = None
    sizes = [
        record.resolution
        for record in records
        if isinstance(record, RecordedEvaluation) and record.resolution is not None
    ]
    highest = max(sizes, default=None)
    for segment in _segments(records):
        commits = [record for record in segment if isinstance(record, RecordedCommit)]
        starts = [
            record.started
            for record in segment
            if isinstance(record, RecordedCommit | RecordedEvaluation)
            and record.started is not None
        ]
        clock = _Clock(history.end, min(starts, default=None))
        for record in segment:
            if isinstance(record, ResumeRecord):
                pause = None
                if last_unix is not None and clock.origin is not None:
                    pause = max(0.0, clock.origin - last_unix)
                timed = Resumption(**vars(record), seconds=clock.base, pause=pause)
                history.resumptions.append(timed)
            else:
                _add(history, record, clock, calendar, highest)
        # Faults noticed later were discarded together with the commits of that time.
        for place, fault in enumerate(history.faults):
            if fault.seconds > history.end:
                history.faults[place] = replace(fault, seconds=history.end)
        ends = [commit.started + commit.seconds for commit in commits]
        last_unix = max(ends, default=last_unix)
    return history


def _segments(records: Sequence[HistoryRecord]) -> list[list[HistoryRecord]]:
    """Splits a history before every resumption."""
    segments: list[list[HistoryRecord]] = [[]]
    for record in records:
        if isinstance(record, ResumeRecord):
            segments.append([])
        segments[-1].append(record)
    return segments


def _add(
    history: TimedHistory,
    record: HistoryRecord,
    clock: _Clock,
    calendar: Calendar,
    highest: int | None,
) -> None:
    match record:
        case RecordedCommit():
            values = {**vars(record), "epoch": calendar.epoch_of(record.commit)}
            begin = clock.seconds(record.started)
            history.mini_epochs.append(MiniEpoch(**values, begin=begin))
        case RecordedEvaluation() if record.resolution in (None, highest):
            found = history.validations if record.split == VALIDATION else history.evaluations
            found.append(_evaluation(record, clock, calendar, history))
        case NoiseRecord():
            history.noises.append(record)
        case FaultRecord():
            history.faults.append(Fault(**vars(record), seconds=clock.seconds(record.time)))
        case DriftRecord():
            history.drifts.append(record)
        case WorkersRecord():
            history.plans_for_present.append(record)


def _evaluation(
    record: RecordedEvaluation, clock: _Clock, calendar: Calendar, history: TimedHistory
) -> Evaluation:
    if record.started is None or record.seconds is None:
        ends = [m.end for m in history.mini_epochs if m.commit == record.commit]
        begin = end = ends[0] if ends else history.end
    else:
        begin = clock.seconds(record.started)
        end = begin + record.seconds
    epochs = calendar.position(record.commit)
    return Evaluation(**vars(record), epochs=epochs, begin=begin, end=end)
