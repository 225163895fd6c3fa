"""Whether the process that trains a run is seen from elsewhere for what it is."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dbsl_tf.operating.processes import ProcessIdentity, _stat
from tests.support.patience import wait_until


@pytest.fixture
def other() -> Iterator[subprocess.Popen]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def identity_of(process: subprocess.Popen) -> ProcessIdentity:
    return ProcessIdentity(ProcessIdentity.own().system, process.pid, _stat(process.pid)[1])


def test_a_process_is_alive_until_it_has_ended(other: subprocess.Popen) -> None:
    identity = identity_of(other)
    assert identity.sight() == "alive"
    other.send_signal(signal.SIGSTOP)
    wait_until(lambda: identity.sight() == "paused", 1)
    other.send_signal(signal.SIGCONT)
    wait_until(lambda: identity.sight() == "alive", 1)
    other.kill()
    wait_until(lambda: identity.sight() == "gone", 1)  # not waited for: a zombie
    other.wait()
    assert identity.sight() == "gone"


def test_another_process_that_got_its_number_is_not_it() -> None:
    own = ProcessIdentity.own()
    assert own.sight() == "alive"
    assert replace(own, started=own.started - 1).sight() == "gone"


def test_on_another_machine_or_in_another_container_it_cannot_be_seen() -> None:
    assert replace(ProcessIdentity.own(), system="another boot").sight() == "unseen"


def test_it_is_the_same_after_it_has_become_another_program() -> None:
    program = (
        "import os, sys; from dbsl_tf.operating.processes import ProcessIdentity;"
        "print(ProcessIdentity.own(), flush=True);"
        "'again' in sys.argv or os.execv(sys.executable, [*sys.orig_argv, 'again'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()
    assert first == second
