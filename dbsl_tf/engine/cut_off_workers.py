"""Workers that cannot reach a parameter server which the chief itself can reach.

Such a worker is left alone until it reaches all of them again, and others run its calls. It uses
private names of TensorFlow, of the version that requirements.txt pins.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.distribute.coordinator import cluster_coordinator
from tensorflow.python.eager import cancellation

from dbsl_tf.engine.failures import unreachable_server
from dbsl_tf.engine.membership import Membership

# Seconds between two attempts of a worker to reach the parameter servers.
_PAUSE = 2.0


class CutOffWorkers:
    """Keeps `coordinator` from taking a worker that is cut off for a lost parameter server.

    Args:
        coordinator: the ClusterCoordinator.
        membership: where workers are marked as lost while they are cut off.
        marks: a variable on every parameter server.
        answer: returns whether all parameter servers answer the chief; may take a while.
    """

    def __init__(
        self,
        coordinator: Any,
        membership: Membership,
        marks: list[tf.Variable],
        answer: Callable[[], bool],
    ) -> None:
        self._membership = membership
        self._marks = marks
        self._answer = answer
        # Traced now, as every worker is informed of a function.
        read = tf.function(lambda: tf.stack([tf.identity(mark) for mark in marks]))
        self._trial = cluster_coordinator.Closure(
            read.get_concrete_function(), cancellation.CancellationManager()
        )
        # Of the thread that runs the calls of one worker.
        self._call = threading.local()
        cluster = coordinator._cluster
        self._is_passing = cluster._record_and_ignore_transient_ps_failure
        cluster._record_and_ignore_transient_ps_failure = self._is_survived
        for worker in cluster.workers:
            worker._process_closure = self._watched(worker, worker._process_closure)

    def _watched(self, worker: Any, run: Callable[[Any], None]) -> Callable[[Any], None]:
        """Returns `run`, which runs a closure on a worker, followed by waiting if it is cut off."""

        def run_and_wait(closure: Any) -> None:
            self._call.cut_off_from = ""
            run(closure)
            # Now others may run it.
            if self._call.cut_off_from:
                self._wait(worker, self._call.cut_off_from)
            del self._call.cut_off_from

        return run_and_wait

    def _is_survived(self, error: Exception) -> bool:
        """Returns whether the call that raised `error` is run again as if nothing had happened."""
        if not hasattr(self._call, "cut_off_from"):
            return self._is_passing(error)
        server = unreachable_server(error)
        if server is None or not self._are_intact():
            return False
        self._call.cut_off_from = server
        return True

    def _wait(self, worker: Any, server: str) -> None:
        """Waits until a worker reaches all parameter servers, or one of them or itself is lost."""
        index = worker.worker_index
        absent = False
        while (error := self._trial_error(worker)) is not None and self._are_intact():
            if unreachable_server(error) is None:
                # It has ended or was started again: its next call has TensorFlow see to that.
                return
            self._membership.mark_lost(index, f"it cannot reach {server}")
            absent = True
            time.sleep(_PAUSE)
        if absent:
            self._membership.mark_alive(index)

    def _trial_error(self, worker: Any) -> tf.errors.OpError | None:
        """Has a worker read from all parameter servers; returns what went wrong."""
        try:
            self._trial.execute_on(worker)
        except tf.errors.OpError as error:
            return error
        return None

    def _are_intact(self) -> bool:
        """Returns whether the parameter servers answer the chief and have kept their variables."""
        try:
            return self._answer() and all(mark.numpy() is not None for mark in self._marks)
        except tf.errors.OpError:
            return False
