"""The training command with points at which a test can have a process die.

`python -m tests.support.injected_train` takes the arguments of dbsl_tf.train. A worker that comes
to a fault point looks for a named pipe that a test has put into the folder $FAULT_FOLDER for it;
where there is one it leaves a mark and waits at the pipe, to be killed. The coordinator kills
itself in the middle of writing a checkpoint where the folder has a file `checkpoint`, and never
goes on in Python once there is a file `freeze`, if it began with a file `may_freeze`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from pathlib import Path

# Preparing the digits loads SciPy, whose threads would keep this process, which is not restarted
# as a command is, from a network of its own.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
FOLDER = Path(os.environ["FAULT_FOLDER"])


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
        from dbsl_tf.shared_model import shared_model
        from tests.support.faulty_exchange import FaultyExchange

        FaultyExchange.folder = FOLDER
        shared_model.Exchange = FaultyExchange
        return dbsl_tf.cli.train.main(arguments)

    # A process with another thread gets no network namespace of its own.
    if (FOLDER / "may_freeze").exists():
        threading.Thread(target=_freeze, daemon=True).start()
    run(injected)
