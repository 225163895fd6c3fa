"""A run that is interrupted while its parameter servers hang."""

from __future__ import annotations

import signal

import pytest
import tensorflow as tf

from tests.support.tiny_runs import TinyRunCase


@pytest.mark.cluster
class InterruptionTest(TinyRunCase):
    def interrupted(self):
        """A run with stopped parameter servers that is about to save after a Ctrl-C."""
        process = self.start("schedule.epochs=1000", "schedule.eval_every=1000")
        self.wait_for_commits(5, process)
        for server in ("ps-0", "ps-1"):
            self.send(server, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        self.wait_until(lambda: "saving the weights" in self.printed(process)[0], process)
        return process

    def test_a_second_interrupt_ends_it_at_once(self):
        process = self.interrupted()
        process.send_signal(signal.SIGINT)
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (130, "interrupted\n"))
        self.assertIn("not saved; the last checkpoint remains: resume with", output)
        self.check_nothing_is_left()

    @pytest.mark.slow
    def test_servers_that_do_not_answer_are_given_up(self):
        status, output, errors = self.finish(self.interrupted())
        self.assertEqual((status, errors), (130, "interrupted\n"))
        self.assertRegex(output, r"not saved; .* \(ps-[01] at \S+ hangs: it has not answered for")
        self.check_nothing_is_left()


if __name__ == "__main__":
    tf.test.main()
