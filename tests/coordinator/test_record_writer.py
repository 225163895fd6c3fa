"""Records are delivered in order, beside the run; no cluster."""

from __future__ import annotations

import threading
import unittest.mock

import pytest

from dbsl_tf.coordinator import record_writer
from dbsl_tf.coordinator.record_writer import RecordWriter
from dbsl_tf.results.records import FaultRecord, WorkersRecord
from tests.support.patience import at_most
from tests.support.records import commit_record, evaluation_record

SOON = at_most(6)


class Slow:
    """An observer that waits until it is released."""

    def __init__(self) -> None:
        self.begun, self.released = threading.Event(), threading.Event()
        self.delivered: list[object] = []

    def committed(self, record) -> None:
        self.begun.set()
        self.released.wait(SOON)
        self.delivered.append(record.commit)

    def evaluated(self, record) -> None:
        self.delivered.append(record)

    faulted = drifted = evaluated


class Failing(Slow):
    def committed(self, record) -> None:
        raise OSError("the disk is full")


class ToldOfWorkers(Slow):
    def planned_for_present(self, record) -> None:
        self.delivered.append(record)


class TestRecordWriter:
    def started(self, *observers) -> RecordWriter:
        self.failed, self.failures = threading.Event(), []
        writer = RecordWriter(observers)
        writer.start(lambda error: (self.failures.append(error), self.failed.set()))
        return writer

    def test_plans_for_present_workers_are_told_to_those_that_ask_for_them(self):
        asks, does_not = ToldOfWorkers(), Slow()
        writer = self.started(does_not, asks)
        record = WorkersRecord(4, 2, (0, 2), None, "there is none")
        writer.planned_for_present(record)
        assert writer.flush(SOON)
        assert (asks.delivered, does_not.delivered) == ([record], [])

    def test_nobody_waits_for_the_observers_who_get_all_records_in_order(self):
        slow = Slow()
        writer = self.started(slow)
        evaluation, fault = evaluation_record(), FaultRecord(2, "back", 0, "it is back")
        writer.committed(commit_record(commit=1))
        assert slow.begun.wait(SOON)
        writer.committed(commit_record(commit=2))
        writer.evaluated(evaluation)
        writer.faulted(fault)
        assert slow.delivered == []
        assert not writer.flush(0.05)
        slow.released.set()
        assert writer.flush(SOON)
        assert slow.delivered == [1, 2, evaluation, fault]

    def test_who_is_far_ahead_waits(self):
        slow = Slow()
        with unittest.mock.patch.object(record_writer, "_MOST", 3):
            writer = self.started(slow)
            writer.committed(commit_record())
            assert slow.begun.wait(SOON)
            for _ in range(3):
                writer.committed(commit_record())
            one_more = threading.Thread(
                target=writer.committed, args=(commit_record(commit=9),), daemon=True
            )
            one_more.start()
            one_more.join(0.1)
            assert one_more.is_alive()
            slow.released.set()
            one_more.join(SOON)
            assert writer.flush(SOON)
        assert slow.delivered == [1, 1, 1, 1, 9]

    def test_an_observer_that_fails_ends_the_run_and_holds_nobody_up(self):
        with unittest.mock.patch.object(record_writer, "_MOST", 3):
            writer = self.started(Failing())
            writer.committed(commit_record())
            assert self.failed.wait(SOON)
            for _ in range(10):
                writer.committed(commit_record())
        assert isinstance(self.failures[0], OSError)
        with pytest.raises(OSError, match="disk is full"):
            writer.flush()
