"""The training command with moments at which a test can have a process die.

`python -m tests.support.injected_train` takes the arguments of dbsl_tf.train. A worker that comes
to a moment looks for a named pipe that a test has put into the folder $FAULT_FOLDER for it; where
there is one it leaves a mark and waits at the pipe, to be killed. The coordinator kills itself in
the middle of writing a checkpoint where the folder has a file `checkpoint`, and never goes on in
Python once there is a file `freeze`, if it began with a file `may_freeze`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from pathlib import Path

from tests.support.faults import pipe_of

FOLDER = Path(os.environ["FAULT_FOLDER"])


def _passing(moment, worker):
    import tensorflow as tf

    prefix = str(pipe_of(FOLDER, moment, ""))
    path = tf.strings.join([prefix, tf.strings.as_string(worker)])

    def wait() -> tf.Tensor:
        marked = tf.io.write_file(tf.strings.join([path, ".reached"]), "")
        with tf.control_dependencies([marked]):
            return tf.strings.length(tf.io.read_file(path))

    armed = tf.size(tf.io.matching_files(path)) > 0
    return tf.cond(armed, wait, lambda: tf.constant(0)).op


def _freeze():
    while not (FOLDER / "freeze").exists():
        time.sleep(0.05)
    (FOLDER / "frozen").touch()
    # With the interpreter's lock held.
    ctypes.PyDLL(None).sleep(1_000_000)


def _replace(source, target):
    order = FOLDER / "checkpoint"
    if Path(target).name.startswith("commit-") and order.exists():
        order.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    _real_replace(source, target)


if __name__ == "__main__":
    import dbsl_tf.cli.train
    import dbsl_tf.common.files
    from dbsl_tf.cli.command_line import run

    _real_replace = os.replace
    dbsl_tf.common.files.os.replace = _replace

    def injected(arguments):
        from dbsl_tf.common.quiet import import_tensorflow_quietly

        import_tensorflow_quietly()
        from dbsl_tf.coordinator import moments

        moments.passing = _passing
        return dbsl_tf.cli.train.main(arguments)

    # A process with another thread gets no network namespace of its own.
    if (FOLDER / "may_freeze").exists():
        threading.Thread(target=_freeze, daemon=True).start()
    run(injected)
