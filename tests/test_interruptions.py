"""Runs that are interrupted once, twice at the same time, and again while they end."""

from __future__ import annotations

import signal
import time

import pytest
import tensorflow as tf

from dbsl_tf.common.interruptions import SAME_REQUEST
from tests.support.tiny_runs import TinyRunCase


@pytest.mark.cluster
class RequestTest(TinyRunCase):
    @pytest.mark.slow
    def test_two_requests_at_the_same_time_are_one(self):
        """As of a terminal and `timeout`: it saves, and goes on from there."""
        commits = 0
        for numbers in (
            (signal.SIGINT, signal.SIGINT),
            (signal.SIGTERM, signal.SIGINT),
            (signal.SIGINT, signal.SIGTERM, signal.SIGINT),
        ):
            process = self.start("schedule.epochs=1000", "schedule.eval_every=1000")
            self.wait_for_commits(commits + 5, process)
            for number in numbers:
                process.send_signal(number)
                time.sleep(0.002)
            status, output, errors = self.finish(process)
            # That of either, if both arrive before the first is handled.
            self.assertIn(status, (130, 143) if signal.SIGTERM in numbers else (130,), errors)
            self.assertEqual(output.count("\nsaved: resume with "), 1, output)
            commits = len(self.commits_that_count())
            newest = max((self.run / "checkpoints").glob("*.npz")).stem
            self.assertEqual(newest, f"commit-{commits:09}")
        self.check_nothing_is_left()

    @pytest.mark.slow
    def test_a_run_that_is_interrupted_before_it_trains_says_how_to_go_on(self):
        process = self.start()
        self.wait_until(lambda: "loading the network" in self.printed(process)[0], process)
        process.send_signal(signal.SIGINT)
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (130, "interrupted\n"))
        self.assertEqual(output.count("resume with "), 1, output)


@pytest.mark.cluster
class InterruptionTest(TinyRunCase):
    def interrupted(self, *requests):
        """A run with stopped parameter servers that is about to save after these signals."""
        process = self.start("schedule.epochs=1000", "schedule.eval_every=1000")
        self.wait_for_commits(5, process)
        for server in ("ps-0", "ps-1"):
            self.send(server, signal.SIGSTOP)
        for number in requests:
            process.send_signal(number)
            time.sleep(0.002)
        self.asked = time.monotonic()
        self.wait_until(lambda: "saving the weights" in self.printed(process)[0], process)
        return process

    @pytest.mark.slow
    def test_a_second_interrupt_ends_it_at_once(self):
        # At once: the same request.
        process = self.interrupted(signal.SIGINT, signal.SIGTERM)
        later = self.asked + 2 * SAME_REQUEST
        self.wait_until(lambda: time.monotonic() > later, process)
        process.send_signal(signal.SIGINT)
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (130, "interrupted\n"))
        self.assertIn("not saved; the last checkpoint remains: resume with", output)
        self.check_nothing_is_left()

    @pytest.mark.slow
    def test_servers_that_do_not_answer_are_given_up(self):
        status, output, errors = self.finish(self.interrupted(signal.SIGINT))
        self.assertEqual((status, errors), (130, "interrupted\n"))
        self.assertRegex(output, r"not saved; .* \(ps-[01] at \S+ hangs: it has not answered for")
        self.check_nothing_is_left()


if __name__ == "__main__":
    tf.test.main()
