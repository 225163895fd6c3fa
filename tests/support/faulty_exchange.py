"""Pulls and pushes with points at which a test can have a worker wait, to be killed there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import tensorflow as tf

from dbsl_tf.engine.engine import Engine
from dbsl_tf.shared_model.exchange import Exchange
from tests.support.faults import (
    AFTER_PUSH,
    BEFORE_PULL,
    DURING_EVALUATION,
    DURING_PULL,
    DURING_PUSH,
    IN_THE_LOOP,
    MARK,
    REQUEST,
    pipe_of,
)


class FaultyExchange(Exchange):
    """A worker that comes to a fault point looks for the named pipe of it, and waits there.

    Attributes:
        folder: where tests put the pipes.
    """

    folder: Path

    def pull(self, variables, worker):
        # A push is part of a branch, where it cannot be asked for.
        self._worker = worker
        self._reads: list[tf.Tensor] = []
        with tf.control_dependencies([self._pass(BEFORE_PULL, worker)]):
            pulled = super().pull(variables, worker)
        with tf.control_dependencies(pulled.weights):
            # One that does not get its weights does not come to the loop.
            passed = tf.cond(
                pulled.first, lambda: self._pass(IN_THE_LOOP, worker), lambda: tf.constant(0)
            )
        with tf.control_dependencies([passed]):
            return replace(pulled, weights=[tf.identity(weight) for weight in pulled.weights])

    def _on_server(self, read, device, dtype):
        """Have a worker wait between the first piece that it pulls and all others."""
        if len(self._reads) == 1:
            with tf.control_dependencies(self._reads):
                self._reads.append(self._pass(DURING_PULL, self._worker))
        with tf.control_dependencies(self._reads[1:]):
            value = super()._on_server(read, device, dtype)
        if not self._reads:
            self._reads.append(value)
        return value

    def pull_snapshot(self):
        with tf.control_dependencies([self._pass(DURING_EVALUATION, Engine.worker_index())]):
            return super().pull_snapshot()

    def push(self, variables, pieces, worker, attempt):
        half = len(pieces) // 2
        marked = self._mark_unmerged(worker, attempt)
        with tf.control_dependencies([self._write(variables, pieces, range(half)), *marked]):
            passed = self._pass(DURING_PUSH, self._worker)
        with tf.control_dependencies([passed]):
            pushed = self._write(variables, pieces, range(half, len(pieces)))
        with tf.control_dependencies([pushed]):
            return tf.group(self._pass(AFTER_PUSH, self._worker))

    def _pass(self, point: str, worker: tf.Tensor) -> tf.Tensor:
        prefix = str(pipe_of(self.folder, point, ""))
        path = tf.strings.join([prefix, tf.strings.as_string(worker)])

        def exists(suffix: str) -> tf.Tensor:
            return tf.size(tf.io.matching_files(tf.strings.join([path, suffix]))) > 0

        def leave_mark() -> tf.Tensor:
            with tf.control_dependencies([tf.io.write_file(tf.strings.join([path, MARK]), "")]):
                return tf.constant(0)

        def wait() -> tf.Tensor:
            with tf.control_dependencies([leave_mark()]):
                return tf.strings.length(tf.io.read_file(path))

        def go_on() -> tf.Tensor:
            return tf.cond(exists(REQUEST), leave_mark, lambda: tf.constant(0))

        return tf.cond(exists(""), wait, go_on)
