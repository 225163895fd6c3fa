"""A clock that stands still while its process does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

PROGRAM = """
import sys, time
from dbsl_tf.common import awake

began, truly = awake.seconds(), time.monotonic()
print("begun", flush=True)
sys.stdin.readline()
print(awake.seconds() - began, time.monotonic() - truly)
"""


def test_a_pause_of_the_process_hardly_counts():
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        time.sleep(6)
        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate("go on\n")
    counted, passed = map(float, output.split())
    assert passed > 5.9
    assert counted < passed - 4


def test_it_goes_on_as_others_do():
    from dbsl_tf.common import awake

    began, truly = awake.seconds(), time.monotonic()
    time.sleep(2.5)
    counted, passed = awake.seconds() - began, time.monotonic() - truly
    # A tick that comes late, on a busy machine, counts for a second all the same.
    assert 1.0 <= counted <= passed + 0.01
