"""What Ctrl-C and its like do to a process that ends in order."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from dbsl_tf.common.interruptions import SAME_REQUEST
from tests.support.patience import wait_until

PROGRAM = """
import signal, sys, time
from dbsl_tf.common.interruptions import ends_at_once, handle_interruptions, uninterrupted

handle_interruptions()
try:
    print("ready", flush=True)
    time.sleep(600)
except KeyboardInterrupt as request:
    try:
        print("ending", type(request).__name__, ends_at_once(), flush=True)
        for line in sys.stdin:  # until it is told that nothing follows
            print("going on", flush=True)
    except KeyboardInterrupt as request:
        with uninterrupted():
            print("at once", type(request).__name__, ends_at_once(), flush=True)
            sys.stdin.readline()
            print("whole", flush=True)
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (signal.SIGINT, "KeyboardInterrupt"),
        (signal.SIGTERM, "Terminated"),
        (signal.SIGHUP, "HungUp"),
    ],
)
def test_the_same_request_twice_ends_in_order(process: subprocess.Popen[str], number, name):
    process.send_signal(number)
    assert process.stdout.readline() == f"ending {name} False\n"
    for again in (number, signal.SIGINT, signal.SIGTERM):
        process.send_signal(again)
    output, errors = process.communicate("\n")
    assert (output, errors) == ("going on\n", "")


def test_both_before_the_first_is_handled(process: subprocess.Popen[str]):
    for _ in range(2):
        process.send_signal(signal.SIGINT)
    output, errors = process.communicate("\n")
    assert (output, errors) == ("ending KeyboardInterrupt False\ngoing on\n", "")


def test_a_later_request_ends_at_once_but_for_what_must_not_be_interrupted(
    process: subprocess.Popen[str],
):
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "ending KeyboardInterrupt False\n"
    later(process)
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "at once Terminated True\n"
    later(process)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate("\n")
    assert output == "whole\n"
    assert errors.endswith("KeyboardInterrupt\n")


def later(process: subprocess.Popen[str]) -> None:
    """Lets so much time pass that two requests are not the same."""
    then = time.monotonic() + 1.5 * SAME_REQUEST
    wait_until(lambda: time.monotonic() > then, alive=lambda: process.poll() is None)


def test_what_is_ignored_stays_ignored():
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    program = ignoring + PROGRAM.replace("time.sleep(600)", "sys.stdin.readline()")
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate("\n")
    assert (process.returncode, output) == (0, "")
