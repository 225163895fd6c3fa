"""Keeps live.json up to date while a run goes on, and hears requests to stop it."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError, reason_of
from dbsl_tf.common.quiet import output_shown
from dbsl_tf.operating.live_state import (
    INTERVAL,
    LiveState,
    Outcome,
    read_live_state,
    write_live_state,
)
from dbsl_tf.operating.processes import ProcessIdentity
from dbsl_tf.operating.stopping import take_request
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.worker_state import WorkerState

if TYPE_CHECKING:
    from dbsl_tf.operating.metrics import Metrics


class LiveRun:
    """Renews live.json every second in a thread of its own. A context manager.

    A request to stop the run reaches the process as SIGTERM.

    Enter it when the directory is this run's own; entering it again has no effect. If the run ends
    before `doing` was called, live.json is as it was before. That it cannot be written is told once
    and does not end the run.

    Args:
        directory: of the run.
        report: called with lines for people.
        begins_again: whether this process resumes a run that ended with an error.
        metrics: what Prometheus gets of the run; None: nothing.

    Attributes:
        metrics: as given.
    """

    def __init__(
        self,
        directory: RunDirectory,
        report: Callable[[str], None],
        begins_again: Callable[[BaseException], bool] = lambda error: False,
        metrics: Metrics | None = None,
    ) -> None:
        self._directory = directory
        self._report = report
        self._begins_again = begins_again
        self.metrics = metrics
        self._process = ProcessIdentity.own()
        self._began = time.time()
        self._phase = "preparing the run"
        self._message = ""
        self._prepared = self._deaf = self._unwritable = False
        self._worker_states: Callable[[], Sequence[WorkerState]] = lambda: ()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._before: bytes | None = None

    def __enter__(self) -> LiveRun:
        if self._thread is None:
            with suppress(OSError):
                self._before = self._directory.live.read_bytes()
            for left in self._directory.live_files_cut_short():
                with suppress(OSError):
                    left.unlink()
            self._thread = threading.Thread(target=self._keep, name="live state", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        assert self._thread is not None
        self._thread.join()
        if not self._prepared:
            self._undo()
        elif error is not None and self._begins_again(error):
            self._phase = f"beginning again: {reason_of(error)}"
            self._write()
        elif not self._taken_over():
            outcome = _outcome(error)
            if error is not None and outcome == "failed":
                self._message = self._message or reason_of(error)
            self._write(outcome)
            # One that came too late is not left lying.
            take_request(self._directory, self._process)

    def doing(
        self,
        phase: str,
        workers: Callable[[], Sequence[WorkerState]] | None = None,
        at_the_end: bool = False,
    ) -> None:
        """Says what the run is at from now on.

        Args:
            phase: in a few words.
            workers: returns what the workers are doing; called every second. None: as before.
            at_the_end: whether it ends by itself, so that a request to stop changes nothing.
        """
        self._prepared = True
        self._phase = phase
        self._worker_states = workers or self._worker_states
        self._deaf = self._deaf or at_the_end

    def tell(self, message: str) -> None:
        """Keeps what the run says at its end."""
        self._message = message

    def _keep(self) -> None:
        while not self._closing.wait(INTERVAL):
            self._hear()
            self._write()

    def _hear(self) -> None:
        request = None if self._deaf else take_request(self._directory, self._process)
        if request is None:
            return
        # Another request is the same one, unlike a second Ctrl-C.
        self._deaf = True
        self._phase = "stopping"
        with output_shown():
            self._report(f"{request.by} has asked the run to stop")
        main = threading.main_thread().ident
        assert main is not None
        # Not SIGINT, which is ignored in the background.
        signal.pthread_kill(main, signal.SIGTERM)

    def _write(self, outcome: Outcome | None = None) -> None:
        state = LiveState(
            host=socket.gethostname(),
            process=self._process,
            began=self._began,
            renewed=time.time(),
            phase=self._phase,
            outcome=outcome,
            message=self._message,
            workers=() if outcome else tuple(self._worker_states()),
            metrics=self.metrics.url if self.metrics and not outcome else None,
        )
        try:
            write_live_state(self._directory, state)
        except UserError as error:
            if not self._unwritable:
                self._unwritable = True
                with output_shown():
                    self._report(
                        f"warning: {error}: the run goes on, but its status cannot be seen"
                    )

    def _undo(self) -> None:
        with suppress(OSError):
            if self._before is None:
                self._directory.live.unlink(missing_ok=True)
            else:
                self._directory.live.write_bytes(self._before)

    def _taken_over(self) -> bool:
        """Whether another process has resumed the run since it was released by this one."""
        try:
            state = read_live_state(self._directory)
        except UserError:
            return False
        return state is not None and state.process != self._process and state.began > self._began


def _outcome(error: BaseException | None) -> Outcome:
    if error is None:
        return "finished"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
