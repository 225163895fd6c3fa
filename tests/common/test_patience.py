"""How long to wait: by the machine's pace, by what is usual, by whether a process goes on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dbsl_tf.common.patience import Limits, UsualTimes, communicate


class Hurried(Limits):
    """Gives up what does nothing for a little while."""

    standstill = 2.0


def start(program: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_limits_grow_with_the_time_that_loading_took():
    unknown, fast, slow, slower = Limits(), Limits(2.0), Limits(20.0), Limits(80.0)
    for name in ("call", "answer", "restart", "standstill"):
        assert getattr(unknown, name) == getattr(fast, name)
        assert getattr(slow, name) > getattr(fast, name)
        assert getattr(slower, name) == 4 * getattr(slow, name)


def test_the_plan_says_what_is_usual_until_something_has_come_back():
    times = UsualTimes(Limits(), ratio=1.0)
    assert times.patience(expected=30.0).seconds == 300.0
    times.observe(worker=0, seconds=8.0, expected=2.0)
    assert times.patience(expected=30.0).seconds == 1200.0


def test_where_all_are_slow_alike_none_hangs():
    """16 workers on two cores: planned 0.08 s, in fact 10 s each, and on a slower machine 40."""
    times = UsualTimes(Limits(), ratio=1.0)
    assert times.patience(expected=0.08).most >= 600
    for worker in range(16):
        times.observe(worker, seconds=40.0, expected=0.08)
    assert times.patience(expected=0.08).seconds == pytest.approx(400.0)


def test_one_slow_mini_epoch_is_not_the_usual_and_one_slow_worker_is():
    times = UsualTimes(Limits(), ratio=1.0)
    for seconds in (5.0, 500.0, 5.0):
        times.observe(worker=0, seconds=seconds, expected=5.0)
    assert times.patience(expected=5.0).seconds == 50.0
    times.observe(worker=1, seconds=25.0, expected=5.0)
    assert times.patience(expected=5.0).seconds == 250.0


def test_a_fixed_time_is_kept():
    times = UsualTimes(Limits(100.0), fixed=2.0, ratio=1.0)
    times.observe(worker=0, seconds=50.0, expected=1.0)
    patience = times.patience(expected=1.0)
    assert (patience.seconds, patience.most) == (2.0, 2.0)


def test_a_process_that_computes_is_waited_for():
    """For longer than one may do nothing, by its own time."""
    program = "import time\nwhile time.process_time() < 3: pass\nprint('done')"
    assert communicate(start(program), Hurried())[0] == "done\n"


def test_so_is_one_whose_child_computes():
    computing = "import time\nwhile time.process_time() < 3: pass"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {computing!r}])"
    with start(program) as process:
        assert communicate(process, Hurried()) == ("", "")


def test_one_that_does_nothing_is_given_up():
    with start("import time; time.sleep(1000)") as process:
        with pytest.raises(subprocess.TimeoutExpired):
            communicate(process, Hurried())
        process.kill()
