"""What callbacks get of the records of a run, through the connection to its process."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dbsl_tf
from dbsl_tf.coordinator.record_writer import RecordWriter
from dbsl_tf.library.observation import Expected, Observation
from dbsl_tf.results.records import FaultRecord, WorkersRecord
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.running.remote_control import RemoteControl
from dbsl_tf.schedules.calendar import Calendar


class Noted(dbsl_tf.RunCallback):
    """Notes what it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, Any]] = []

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self.seen.append(("begin", None))

    def on_fault(self, record: Mapping[str, Any]) -> None:
        self.seen.append(("fault", record["message"]))

    def on_workers(self, record: Mapping[str, Any]) -> None:
        self.seen.append(("workers", (record["present"], record["plan"], record["problem"])))


def test_a_plan_for_the_workers_that_are_there(tmp_path: Path) -> None:
    """The first is made while the workers load the network, before the training begins."""
    plan = {"workers": 2, "small_workers": 1}
    theirs, ours = socket.socketpair()
    records = RecordWriter([RemoteControl(theirs)])
    records.start(lambda error: None)
    with theirs, ours, ours.makefile("r") as lines:
        records.planned_for_present(WorkersRecord(0, 1, (0, 2), plan, None))
        records.faulted(FaultRecord(0, "back", 1, "worker 1 has joined"))
        assert records.flush()
        theirs.sendall(b'{"event": "begin", "commit": 0}\n')
        records.planned_for_present(WorkersRecord(6, 3, (1,), None, "k is too large"))
        assert records.flush()
        theirs.shutdown(socket.SHUT_WR)
        noted = Noted()
        expected = Expected(RunDirectory(tmp_path), Calendar(3, 9), [0.1] * 9)
        observation = Observation(expected, None, None, [noted, dbsl_tf.RunCallback()])
        for line in lines:
            observation.take(SimpleNamespace(ask=None), json.loads(line))
    assert noted.seen == [
        ("begin", None),
        ("workers", ([0, 2], plan, None)),
        ("fault", "worker 1 has joined"),
        ("workers", ([1], None, "k is too large")),
    ]
