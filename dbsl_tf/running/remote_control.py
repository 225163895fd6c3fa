"""The connection of a run to the program that started it: records go out, requests come in.

Lines of JSON over a socket that the process inherits. The program may ask for the weights, for
another learning rate, or for an early end; if it goes away, the run ends as after a Ctrl-C, with
a checkpoint.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dbsl_tf.common.errors import reason_of

if TYPE_CHECKING:
    import numpy as np

    from dbsl_tf.results.records import (
        CommitRecord,
        DriftRecord,
        EvaluationRecord,
        FaultRecord,
        WorkersRecord,
    )

# Environment variable: the number of the socket's file descriptor.
CONTROL = "DBSL_TF_CONTROL"


class Steered(Protocol):
    """What can be asked of a training; `dbsl_tf.coordinator.trainer.Trainer` has it."""

    def stop_early(self) -> None:
        """Begin no further mini-epoch; the run then ends in order."""

    def scale_learning_rates(self, factor: float) -> None:
        """Begin mini-epochs at so many times the learning rate of the schedule from now on."""

    def hold_evaluations(self, may_begin: Callable[[], bool]) -> None:
        """Evaluate only when `may_begin` returns True."""

    def weights(self) -> list[np.ndarray]:
        """The weights of the last evaluation, in the network's order."""


class RemoteControl:
    """An observer that passes records on to the program that started this run.

    Args:
        connection: to the program.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        # Evaluations that were begun, and those whose record the program is done with.
        self._begun = self._seen = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> RemoteControl | None:
        """The connection that this process was started with; None: it has none."""
        if CONTROL not in environment:
            return None
        return cls(socket.socket(fileno=int(environment[CONTROL])))

    def begin(self, trained: Steered, merged: int) -> None:
        """Say that the training goes on after `merged` commits, and hear requests from now on."""
        trained.hold_evaluations(self._may_begin)
        self._send({"event": "begin", "commit": merged})
        threading.Thread(
            target=self._hear, args=(trained,), name="remote control", daemon=True
        ).start()

    def committed(self, record: CommitRecord) -> None:
        self._send(record.as_dict())

    def evaluated(self, record: EvaluationRecord) -> None:
        self._send(record.as_dict())

    def drifted(self, record: DriftRecord) -> None:
        self._send(record.as_dict())

    def planned_for_present(self, record: WorkersRecord) -> None:
        self._send(record.as_dict())

    def faulted(self, record: FaultRecord) -> None:
        self._send(record.as_dict())

    def _may_begin(self) -> bool:
        """Whether the program is done with the previous evaluation; counts the next if it is."""
        if self._seen < self._begun:
            return False
        self._begun += 1
        return True

    def _count_seen(self) -> None:
        self._seen += 1

    def _send(self, content: Mapping[str, Any]) -> None:
        # A program that has gone is noticed where it is listened to.
        with self._sending, suppress(OSError):
            self._connection.sendall(json.dumps(content).encode() + b"\n")

    def _hear(self, trained: Steered) -> None:
        actions: dict[str, Callable[[Any], None]] = {
            "seen": lambda _: self._count_seen(),
            "stop": lambda _: trained.stop_early(),
            "scale_learning_rates": lambda factor: trained.scale_learning_rates(float(factor)),
            "weights": lambda path: self._write_weights(trained, Path(path)),
        }
        with suppress(OSError), self._connection.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                request = json.loads(line)
                actions[request["do"]](request.get("value"))
        os.kill(os.getpid(), signal.SIGTERM)

    def _write_weights(self, trained: Steered, path: Path) -> None:
        import numpy as np

        problem = None
        try:
            np.savez(path, *trained.weights())
        except Exception as error:  # The program has to know, whatever it is.
            problem = reason_of(error)
        self._send({"event": "weights", "problem": problem})
