"""A process that does not react to a signal is ended, and only that one."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.support.patience import at_most

PROGRAM = """
import ctypes, os, signal, sys, threading, time
from dbsl_tf.running.last_resort import LastResort

def slowly(number, frame):
    time.sleep(8)
    # The signal may have come within a call of print.
    os.write(1, b"ended in order\\n")
    sys.exit(3)

def freeze():
    # Calls that keep the lock of the interpreter, from the first to the second.
    c = ctypes.PyDLL(None)
    c.write(1, b"begun\\n", 6), c.sleep(1000)

def tell_that_it_waits(mutex):
    # The main thread's system call, futex(2), has the address of what it waits for.
    address = hex(ctypes.addressof(mutex))
    while address not in open(f"/proc/self/task/{os.getpid()}/syscall").read():
        time.sleep(0.05)
    print("begun", flush=True)

signal.signal(signal.SIGTERM, slowly)
with LastResort(seconds=4, last_words="the last words") as last_resort:
    {what}
"""
FREEZE = "sys.setswitchinterval(1000); threading.Thread(target=freeze).start(); time.sleep(1000)"
# No signal interrupts it, unlike a sleep.
WAIT_IN_C = (
    "mutex = ctypes.create_string_buffer(64); "
    "threading.Thread(target=tell_that_it_waits, args=[mutex], daemon=True).start(); "
    "[ctypes.CDLL(None).pthread_mutex_lock(mutex) for _ in range(2)]"
)
WAIT = "print('begun', flush=True); time.sleep(1000)"


def end_of(what: str, number: signal.Signals) -> tuple[int, str, str]:
    """Status, output and errors of a process that gets a signal while it does `what`."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("{what}", what)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        begun = process.stdout.readline()
        process.send_signal(number)
        output, errors = process.communicate()
    return process.returncode, begun + output, errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_holds_the_lock_of_the_interpreter_is_ended(number):
    assert end_of(FREEZE, number) == (-signal.SIGKILL, "begun\n", "the last words\n")


@pytest.mark.slow
def test_a_main_thread_that_does_not_come_back_is_ended():
    status, _, errors = end_of(WAIT_IN_C, signal.SIGTERM)
    assert (status, errors) == (-signal.SIGKILL, "the last words\n")


def test_a_process_that_takes_its_time_ends_in_order():
    status, output, errors = end_of(WAIT, signal.SIGTERM)
    assert (status, output, errors) == (3, "begun\nended in order\n", "")


def test_without_a_signal_it_is_left_alone():
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{what}", "ctypes.PyDLL(None).sleep(8)")],
        capture_output=True,
        text=True,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def test_it_is_not_waited_for_where_it_is_stopped():
    stop = "os.kill(last_resort._process.pid, signal.SIGSTOP)"
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{what}", stop)],
        capture_output=True,
        timeout=at_most(3),
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, b"", b"")


@pytest.mark.slow
def test_it_ends_with_the_process_that_it_watches():
    program = PROGRAM.replace("{what}", "os.kill(os.getpid(), signal.SIGKILL)")
    # Its error stream is inherited: this returns when nobody has it any more.
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (killed.returncode, killed.stderr) == (-signal.SIGKILL, "")
