"""Runs whose files are on a disk that becomes full."""

from __future__ import annotations

import re

import pytest
import tensorflow as tf

from tests.support.small_disk import SmallDisk
from tests.support.tiny_runs import TinyRunCase

EPOCHS = 30
SMALL = (
    "cluster.parameter_servers=1",
    "data.train_samples=100",
    "dual_batch.large_batch=20",
    "checkpoint.every=4",
    "checkpoint.keep=2",
    "schedule.eval_every=10000",
    f"schedule.epochs={EPOCHS}",
)
FULL = "No space left on device"


@pytest.mark.cluster
class FullDiskTest(TinyRunCase):
    def setUp(self):
        super().setUp()
        self.disk = SmallDisk(self.folder / "disk", 8 << 20)
        self.addCleanup(self.disk.remove)

    def put_on_disk(self, name):
        """A folder of the run is on the small disk, all others are not."""
        self.run.mkdir()
        (self.run / name).symlink_to(self.disk.path)

    def check_it_is_told_and_resumed(self, files, *overrides):
        """The run ends with one line that names the file, and goes on once there is space."""
        run = self.start(*SMALL, *overrides)
        self.wait_for_commits(6, run)
        self.disk.fill()
        status, output, errors = self.finish(run)
        self.assertEqual(status, 2, (output, errors))
        line = rf"error: \S*/({files}) cannot be written \({FULL}\); free some space[^\n]*\n"
        self.assertRegex(errors, rf"\A{line}\Z")
        self.assertNotIn("Traceback", output)
        self.check_nothing_is_left()
        self.disk.free()
        status, output, errors = self.finish(self.start(*SMALL, *overrides))
        self.assertEqual((status, errors), (0, ""), output)
        self.check_every_commit_counts_once(2 * EPOCHS)

    @pytest.mark.slow
    def test_one_under_everything(self):
        self.run = self.disk.path / "run"
        self.check_it_is_told_and_resumed(r"history\.jsonl|commit-\d+\.npz")

    @pytest.mark.slow
    def test_one_under_the_checkpoints(self):
        self.put_on_disk("checkpoints")
        self.check_it_is_told_and_resumed(r"commit-\d+\.npz")

    @pytest.mark.slow
    def test_one_under_the_history(self):
        self.run.mkdir()
        (self.run / "history.jsonl").symlink_to(self.disk.path / "history")
        self.check_it_is_told_and_resumed(r"history\.jsonl", "checkpoint.every=1000")

    def check_it_goes_on(self):
        run = self.start(*SMALL)
        self.wait_for_commits(6, run)
        self.disk.fill()
        status, output, errors = self.finish(run)
        self.assertEqual((status, errors), (0, ""), output)
        self.check_every_commit_counts_once(2 * EPOCHS)
        self.assertTrue((self.run / "model.keras").exists())
        return output

    @pytest.mark.slow
    def test_one_under_the_event_files_ends_them_alone(self):
        self.put_on_disk("tensorboard")
        output = self.check_it_goes_on()
        warnings = re.findall(r"^warning: .*$", output, re.MULTILINE)
        self.assertLen(warnings, 1)
        self.assertRegex(warnings[0], rf"events\.out\S+ cannot be written \({FULL}\): TensorBoard")

    @pytest.mark.slow
    def test_one_that_is_full_from_the_start_is_no_hindrance_to_the_training(self):
        self.put_on_disk("tensorboard")
        self.disk.fill()
        run = self.start(*SMALL, "schedule.epochs=2")
        status, output, errors = self.finish(run)
        self.assertEqual((status, errors, output.count("TensorBoard")), (0, "", 1), output)

    @pytest.mark.slow
    def test_one_under_the_logs_costs_nothing_else(self):
        self.put_on_disk("logs")
        self.check_it_goes_on()


if __name__ == "__main__":
    tf.test.main()
