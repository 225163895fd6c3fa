"""Trains the runs of a sweep one after the other, each in its own processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console

from dbsl_tf.common.patience import Limits, communicate
from dbsl_tf.common.printing import print_line
from dbsl_tf.sweeping.planned_run import PlannedRun


@dataclass(frozen=True)
class Failure:
    """A run that did not finish: its exit status and its last message."""

    run: PlannedRun
    status: int
    reason: str


def run_all(
    runs: Sequence[PlannedRun],
    launcher: Sequence[str],
    console: Console,
    remark: Callable[[], str] = str,
) -> list[Failure]:
    """Trains the runs that are not finished; one that fails does not stop the others.

    Args:
        runs: the runs, in order.
        launcher: the words of the command that trains, without its arguments.
        console: shows every run.
        remark: what more to say before a run that is not finished.

    Returns:
        The runs that failed.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C, and the current run has saved and ended.
    """
    failures = []
    for number, run in enumerate(runs, 1):
        heading = f"run {number} of {len(runs)}: {run.name}"
        if run.summary() is not None:
            print_line(console, f"{heading}: already finished")
            continue
        print_line(console, heading + remark())
        began = time.monotonic()
        status, errors = _run([*launcher, *run.arguments])
        seconds = time.monotonic() - began
        if status == 0 and run.summary() is None:
            status, errors = 1, f"it ended without {run.directory.summary.name}"
        if status:
            lines = errors.strip().splitlines() or [f"exit status {status}"]
            failures.append(Failure(run, status, lines[-1].removeprefix("error: ")))
            print_line(console, f"failed after {seconds:.0f} s")
    return failures


def _run(command: Sequence[str]) -> tuple[int, str]:
    """Runs a command while showing its output; returns its exit status and standard error."""
    # Not in this process's group: Ctrl-C reaches only this process, which passes it on once.
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, process_group=0)
    try:
        _, errors = process.communicate()
    except KeyboardInterrupt:
        _stop(process)
        raise
    sys.stderr.write(errors)
    return process.returncode, errors


def _stop(process: subprocess.Popen[str]) -> None:
    """Makes a run save and end; a second Ctrl-C interrupts that."""
    # Not SIGINT, which a process started in the background may ignore.
    process.terminate()
    try:
        _, errors = communicate(process, Limits())
        sys.stderr.write(errors)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()
        sys.stderr.write("not saved; the same sweep resumes the run from its last checkpoint\n")
