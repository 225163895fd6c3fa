"""How long to wait: by the machine's pace, by what is usual, by whether a process goes on."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.common.patience import Limits, Patience, UsualTimes, communicate


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


def patience(times: UsualTimes, worker: int = 0, expected: float = 1.0) -> Patience:
    """The patience with a worker, where all are expected to take as long."""
    return times.patience([expected] * 16)(worker)


def test_the_plan_says_what_is_usual_until_something_has_come_back():
    times = UsualTimes(Limits(), ratio=1.0)
    assert patience(times, expected=30.0).seconds == 300.0
    times.observe(worker=0, seconds=8.0, expected=2.0)
    assert patience(times, expected=30.0).seconds == 1200.0


def test_where_all_are_slow_alike_none_hangs():
    """16 workers on two cores: planned 0.08 s, in fact 10 s each, and on a slower machine 40."""
    times = UsualTimes(Limits(), ratio=1.0)
    assert patience(times, expected=0.08).most >= 600
    for worker in range(16):
        times.observe(worker, seconds=40.0, expected=0.08)
    assert patience(times, 7, expected=0.08).seconds == pytest.approx(400.0)


def test_each_worker_is_judged_by_its_own_mini_epochs():
    times = UsualTimes(Limits(), ratio=1.0)
    for worker, seconds in ((0, 5.0), (1, 25.0)):
        times.observe(worker, seconds, expected=5.0)
    assert patience(times, 0, expected=5.0).seconds == 50.0
    assert patience(times, 1, expected=5.0).seconds == 250.0
    # The share of a worker counts too, once a new plan has changed it.
    assert times.patience([10.0, 1.0])(0).seconds == 100.0


def test_a_worker_nobody_has_observed_may_be_as_slow_as_the_slowest():
    times = UsualTimes(Limits(), ratio=1.0)
    for worker, seconds in ((0, 5.0), (1, 25.0)):
        times.observe(worker, seconds, expected=5.0)
    assert patience(times, 2, expected=5.0).seconds == 250.0


def test_one_slow_mini_epoch_is_not_the_usual():
    times = UsualTimes(Limits(), ratio=1.0)
    for seconds in (5.0, 500.0, 5.0):
        times.observe(worker=0, seconds=seconds, expected=5.0)
    assert patience(times, expected=5.0).seconds == 50.0


@pytest.mark.parametrize("fixed", [0.01, 2.0, 1e4])
def test_whoever_answers_has_as_long_as_it_needs_for_its_first_mini_epoch(fixed):
    times = UsualTimes(Limits(), fixed=fixed, ratio=1.0)
    times.observe(worker=0, seconds=0.1, expected=1.0)
    first = patience(times, worker=1)
    assert first.seconds == fixed
    assert first.most >= max(fixed, Limits().standstill)


def test_a_fixed_time_is_kept_unless_mini_epochs_take_longer():
    times = UsualTimes(Limits(100.0), fixed=2.0, ratio=1.0)
    times.observe(worker=0, seconds=0.1, expected=1.0)
    assert patience(times) == Patience(2.0, 2.0)
    times.observe(worker=1, seconds=6.0, expected=1.0)
    assert patience(times, worker=1) == Patience(2.0, 60.0)
    assert patience(times, worker=0) == Patience(2.0, 2.0)


@given(
    too_fast=st.floats(1.0, 1e4),
    seconds=st.lists(st.floats(0.5, 5.0), min_size=1, max_size=20),
    limit=st.one_of(st.none(), st.floats(1e-3, 1e3)),
)
def test_no_worker_that_answers_is_left_out_for_a_time_model_that_is_too_fast(
    too_fast, seconds, limit
):
    """Its mini-epochs differ among themselves by less than 10 times."""
    times = UsualTimes(Limits(), fixed=limit, ratio=1.0)
    for took in seconds:
        assert patience(times, expected=1.0 / too_fast).most >= took
        times.observe(0, took, expected=1.0 / too_fast)


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
