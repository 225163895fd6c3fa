"""Runs whose terminal is closed, or whose output nobody takes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import tensorflow as tf

from tests.support.tiny_runs import ROOT, TinyRunCase

SMALL = ("data.train_samples=100", "dual_batch.large_batch=20")


@pytest.mark.cluster
class OutputTest(TinyRunCase):
    @pytest.mark.slow
    def test_a_run_goes_on_when_nobody_reads_its_output(self):
        reading, writing = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-m", "dbsl_tf.train", "--config", str(self.config)]
            + [f"run.dir={self.run}", *SMALL, "schedule.epochs=6"],
            cwd=ROOT,
            stdout=writing,
            stderr=writing,
        )
        self.addCleanup(process.kill)
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        self._streams[process.pid] = []
        status, *_ = self.finish(process)
        self.assertEqual(status, 0)
        self.check_every_commit_counts_once(12)
        self.assertTrue((self.run / "summary.json").exists())

    @pytest.mark.slow
    def test_a_run_whose_terminal_is_closed_saves_and_ends(self):
        process = self.start(*SMALL, "schedule.epochs=10000", "checkpoint.every=10000")
        self.wait_for_commits(6, process)
        process.send_signal(signal.SIGHUP)
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (129, ""))
        self.assertIn("saved: resume with", output)
        self.check_nothing_is_left()

    @pytest.mark.slow
    def test_brackets_in_a_path_are_no_markup(self):
        self.run = self.folder / "a[/b] [bold]c"
        status, output, errors = self.finish(self.start(*SMALL, "schedule.epochs=1"))
        self.assertEqual((status, errors), (0, ""))
        self.assertEndsWith(output, f"results: {self.run}\n")


if __name__ == "__main__":
    tf.test.main()
