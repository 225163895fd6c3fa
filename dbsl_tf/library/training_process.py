"""The process in which a run of a user's program trains.

The program's own process never joins the cluster: it stays free to predict, to train something
else, or to be a notebook. The run has the command line's isolation, restarts and signals.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from dbsl_tf.common.errors import ClusterError, UserError
from dbsl_tf.common.printing import fitted
from dbsl_tf.common.program import STARTED_BY, command_line, python_module, python_path
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.running.remote_control import CONTROL

# Statuses of a run that saved and ended as it was asked to, by Ctrl-C or SIGTERM.
_INTERRUPTED = (130, 143)
_USER_ERROR = 2
_COMPLAINT = "error: "
# Of the output of errors, kept to explain an unexpected end.
_LAST_LINES = 30


class TrainingProcess:
    """`python -m dbsl_tf.train` on a configuration, with a connection to it. A context manager.

    When the context is left while it still trains, the process is asked to end, with a checkpoint.

    Args:
        arguments: of the command.
        quiet: whether its output goes nowhere.
    """

    def __init__(self, arguments: list[str], quiet: bool = False) -> None:
        self._arguments = arguments
        self._quiet = quiet
        self._last_error = ""
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._pending: deque[dict[str, Any]] = deque()
        self._asked_to_end = False

    def __enter__(self) -> TrainingProcess:
        self._connection, theirs = socket.socketpair()
        self._lines = self._connection.makefile("r", encoding="utf-8")
        with theirs:
            self._process = subprocess.Popen(
                [*python_module("dbsl_tf.train"), *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=self._output(sys.stdout),
                stderr=subprocess.PIPE,
                env={**_environment(), CONTROL: str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
                # A Ctrl-C in the terminal reaches this process, which passes it on once.
                start_new_session=True,
            )
        self._relays = [
            threading.Thread(target=self._relay, args=(ours, theirs), daemon=True)
            for ours, theirs in (
                (sys.stdout, self._process.stdout),
                (sys.stderr, self._process.stderr),
            )
            if theirs is not None
        ]
        for relay in self._relays:
            relay.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process.poll() is None:
            self._ask_to_end()
        self._finish()
        self._lines.close()
        self._connection.close()

    def events(self) -> Iterator[dict[str, Any]]:
        """Yields what the run sends, to its end; see `dbsl_tf.running.remote_control`."""
        while (event := self._next_event()) is not None:
            yield event

    def write_weights(self, path: Path) -> bool:
        """Has the run write its weights to a file (.npz); returns whether it could.

        What it sends in the meantime comes out of `events` later.
        """
        waiting = self._pending
        self._pending = deque()
        try:
            if not self.ask("weights", str(path)):
                return False
            while (event := self._next_event()) is not None:
                if event["event"] == "weights":
                    return event["problem"] is None
                waiting.append(event)
                if event["event"] == "begin":
                    # It was restarted, and what it was asked is forgotten.
                    return False
            return False
        finally:
            self._pending = waiting

    def _next_event(self) -> dict[str, Any] | None:
        if self._pending:
            return self._pending.popleft()
        try:
            line = self._lines.readline()
        except OSError:
            return None
        return json.loads(line) if line else None

    def ask(self, what: str, value: Any = None) -> bool:
        """Sends a request; returns whether the run could still be reached."""
        request = json.dumps({"do": what, "value": value}).encode() + b"\n"
        try:
            self._connection.sendall(request)
        except OSError:
            return False
        return True

    def wait(self) -> None:
        """Waits for the end of the run.

        Raises:
            UserError: it could not be trained as asked.
            ClusterError: something else ended it.
            KeyboardInterrupt: it was interrupted.
        """
        self._finish()
        status = self._process.returncode
        if status == 0:
            return
        if self._asked_to_end or status in _INTERRUPTED:
            raise KeyboardInterrupt
        if status == _USER_ERROR:
            raise UserError(self._last_error)
        raise ClusterError(self._last_error or self._unexpected_end(status))

    def _unexpected_end(self, status: int) -> str:
        if self._quiet:
            # Its last lines, such as those of a traceback, are all that explains it.
            self._write(sys.stderr, "".join(self._last_lines))
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else "failed"
        told = [line.strip() for line in self._last_lines if line.strip()]
        reason = f" ({told[-1]:.200})" if told and status > 0 else ""
        if status == -signal.SIGKILL:
            reason = " (as by a system that is out of memory)"
        return (
            f"the process that trains {how}{reason}; call fit again, with the same run_dir, to "
            "resume from the last checkpoint"
        )

    def _output(self, stream: Any) -> Any:
        """Where the output goes: to the terminal itself, so that it can be drawn upon."""
        if self._quiet:
            return subprocess.DEVNULL
        with suppress(Exception):
            if stream.fileno() == 1 and os.isatty(1):
                return None
        return subprocess.PIPE

    def _relay(self, ours: Any, theirs: IO[bytes]) -> None:
        for line in theirs:
            text = line.decode(errors="backslashreplace")
            if theirs is self._process.stderr and text.startswith(_COMPLAINT):
                # It becomes the message of an exception.
                self._last_error = text.removeprefix(_COMPLAINT).strip()
                continue
            if theirs is self._process.stderr:
                self._last_lines.append(text)
            if not self._quiet:
                self._write(ours, text)

    @staticmethod
    def _write(stream: Any, text: str) -> None:
        # A notebook, or a program that has closed it, may have any stream or none.
        with suppress(Exception):
            stream.write(fitted(text, stream))
            stream.flush()

    def _ask_to_end(self) -> None:
        # Not SIGINT, which a program that was started in the background ignores, and its children.
        self._asked_to_end = True
        self._process.send_signal(signal.SIGTERM)

    def _finish(self) -> None:
        while self._process.returncode is None:
            try:
                self._process.wait()
            except KeyboardInterrupt:
                # It does not save then, if that is what it is at.
                self._ask_to_end()
        for relay in self._relays:
            relay.join(timeout=10)


def _environment() -> dict[str, str]:
    # Kernels of notebooks set FORCE_COLOR, but show no progress bar that is drawn upon itself.
    kept = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    return {**kept, "PYTHONPATH": python_path(), STARTED_BY: command_line()}


def train_in_process(
    directory: RunDirectory,
    on_event: Callable[[TrainingProcess, dict[str, Any]], None],
    quiet: bool = False,
) -> None:
    """Trains in a process of its own until the run has ended.

    Args:
        directory: of the run, where its configuration is.
        on_event: given everything the run sends, in order.
        quiet: whether the run prints nothing.

    Raises:
        UserError, ClusterError, KeyboardInterrupt: as `TrainingProcess.wait`.
    """
    with TrainingProcess(["--config", str(directory.trainer)], quiet) as process:
        for event in process.events():
            on_event(process, event)
        process.wait()
