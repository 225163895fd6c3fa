"""What callbacks get of the records of a run, through the connection to its process."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest

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


class Called(keras.callbacks.Callback):
    """Notes which epochs begin and end, at which learning rate, and sets it in the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, int, float]] = []

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.calls.append(("begin", epoch, self.model.optimizer.learning_rate))
        if epoch == 0:
            self.model.optimizer.learning_rate = 0.2

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.calls.append(("end", epoch, self.model.optimizer.learning_rate))


@pytest.mark.parametrize(
    ("calendar", "commits", "epochs"),
    [
        (Calendar(1, 3), [1, 2, 3], [0, 1, 2]),
        # The last three epochs are trained without a merge.
        (Calendar(1, 5, local_epochs=3), [1, 2, 3], [0, 1, 4]),
    ],
)
def test_every_epoch_begins_before_it_ends(
    tmp_path: Path, calendar: Calendar, commits: Sequence[int], epochs: Sequence[int]
) -> None:
    called, asked = Called(), []
    rates = [0.1, 0.05, 0.05, 0.05, 0.025][: calendar.epochs]
    observation = Observation(
        Expected(RunDirectory(tmp_path), calendar, rates), None, None, [called]
    )
    process = SimpleNamespace(ask=lambda *request: asked.append(request))
    observation.take(process, {"event": "begin", "commit": 0})
    for commit in commits:
        trained = {"event": "commit", "commit": commit, "samples": 9, "train_loss": 0.5}
        evaluated = {"event": "evaluation", "commit": commit, "test_loss": 0.5}
        for event in (trained, evaluated):
            observation.take(process, event)
    # What was set in the first is twice the schedule's, and stays so.
    shown = [2 * rates[epoch] for epoch in epochs]
    assert called.calls == [
        ("begin", epochs[0], pytest.approx(0.1)),
        ("end", epochs[0], pytest.approx(shown[0])),
        ("begin", epochs[1], pytest.approx(shown[1])),
        ("end", epochs[1], pytest.approx(shown[1])),
        ("begin", epochs[2], pytest.approx(shown[2])),
        ("end", epochs[2], pytest.approx(shown[2])),
    ]
    assert asked[0] == ("scale_learning_rates", pytest.approx(2.0))
