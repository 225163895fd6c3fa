"""`python -m dbsl_tf.stop` as a person runs it, on runs that do not go on."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

from dbsl_tf.operating.live_state import write_live_state
from tests.operating.test_live_state import ELSEWHERE, GONE, state
from tests.support.commands import ROOT, check_one_line_mistake, run_command
from tests.support.patience import wait_until
from tests.support.run_directories import make_run

stop = partial(run_command, "stop")


def test_what_does_not_go_on(tmp_path: Path) -> None:
    directory = make_run(tmp_path, commits=2)
    check_one_line_mistake(stop(tmp_path), "nothing trains it, or an earlier version does")
    check_one_line_mistake(stop(tmp_path / "none"), "is not a run directory")
    for live, said in (
        (state(GONE), ": not going on: process "),
        (
            state(outcome="interrupted", message="saved"),
            " has ended already: interrupted: saved: resume with python ",
        ),
    ):
        write_live_state(directory, live)
        done = stop(tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{tmp_path}{said}")
        assert not directory.stop_request.exists()
    write_live_state(directory, state(ELSEWHERE, age=200))
    done = stop(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    silence = re.search(r"no sign of life for (\d+) s", done.stderr)
    assert silence is not None and int(silence[1]) >= 200


def test_it_need_not_wait(tmp_path: Path) -> None:
    directory = make_run(tmp_path, commits=2)
    write_live_state(directory, state())
    done = stop(tmp_path, "--no-wait")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{tmp_path} is asked to stop: training (process ")
    assert directory.stop_request.exists()


def test_a_run_that_is_resumed_as_soon_as_it_has_ended(tmp_path: Path) -> None:
    directory = make_run(tmp_path, commits=2)
    asked = state()
    write_live_state(directory, asked)
    program = [sys.executable, "-m", "dbsl_tf.stop", str(tmp_path)]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        wait_until(directory.stop_request.exists, 20)
        resumed = state(GONE, began=asked.began + 1, outcome="finished")
        write_live_state(directory, resumed)
        assert process.stdout is not None
        *_, last = process.stdout.read().splitlines()
    assert process.returncode == 0
    assert last == (f"{tmp_path} has ended, and was resumed by another process since: finished")
