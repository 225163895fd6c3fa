"""scripts/until_eof.sh: a command ends with whoever started it."""

from __future__ import annotations

import signal
import subprocess
from functools import partial

import pytest

from tests.support.commands import check_one_line_mistake
from tests.support.launching import ROOT, processes_with
from tests.support.patience import wait_until

SCRIPT = str(ROOT / "scripts" / "until_eof.sh")
READY_THEN_WAIT = "echo ready; while :; do sleep 0.1; done"


def start(
    signal_name: str, seconds: str, command: str, name: str, **options: object
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["bash", SCRIPT, signal_name, seconds, "bash", "-c", command, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize("ignored", [False, True])
def test_the_end_of_standard_input_ends_the_command_with_the_signal(ignored: bool):
    """Also where whoever starts it ignores SIGINT, as shells do for what runs in the background."""
    command = f"trap 'echo saved; exit 7' INT; {READY_THEN_WAIT}"
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL)
    process = start("INT", "1000000", command, "eof-a", preexec_fn=ignore)
    assert process.stdout.readline() == "ready\n"
    output, errors = process.communicate()
    assert (process.returncode, output, errors) == (7, "saved\n", "")
    wait_until(lambda: not processes_with("eof-a"), 1)


def test_a_command_that_ignores_the_signal_is_killed():
    process = start("TERM", "1", f"trap '' TERM; {READY_THEN_WAIT}", "eof-b")
    assert process.stdout.readline() == "ready\n"
    process.communicate()
    assert process.returncode == 128 + signal.SIGKILL
    wait_until(lambda: not processes_with("eof-b"), 1)


def test_a_command_that_ends_gives_its_status_at_once():
    """Else the test would be ended for the time it takes."""
    process = start("TERM", "1000000", "exit 3", "eof-c")
    assert process.wait() == 3
    process.communicate()


def test_a_signal_is_passed_on():
    process = start("TERM", "1000000", READY_THEN_WAIT, "eof-d")
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    wait_until(lambda: not processes_with("eof-d"), 1)
    process.communicate()


def test_a_missing_word_is_named():
    result = subprocess.run(["bash", SCRIPT, "TERM", "5"], capture_output=True, text=True)
    check_one_line_mistake(result, "COMMAND")
