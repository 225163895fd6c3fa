"""Event files of a run, read back as TensorBoard reads them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import pytest
import tensorflow as tf

from dbsl_tf.schedules.calendar import Calendar, Stretch
from dbsl_tf.tensorboard.observer import TensorBoard
from tests.support.event_files import curves
from tests.support.records import commit_record, evaluation_record, noise_record
from tests.support.small_disk import SmallDisk

WITHOUT_OPERATIONS = """
import sys
from pathlib import Path
import tensorflow as tf
from tensorflow.python.eager import context, execute
from dbsl_tf.tensorboard.observer import TensorBoard
from tests.support.records import commit_record, evaluation_record

with TensorBoard(Path(sys.argv[1]), 0, "run: {}", 32, print) as board:
    board.committed(commit_record())
    board.evaluated(evaluation_record())
# Any operation would have made TensorFlow set itself up, as making one now does.
assert not context.context()._initialized
tf.constant(0) + 1
assert context.context()._initialized
"""


class TensorBoardTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory())) / "tensorboard"

    def test_curves_of_roles_and_tests_are_there_at_once(self):
        with TensorBoard(self.folder, 0, "run:\n  seed: 3\n", 32, self.fail) as board:
            board.committed(commit_record(commit=1, role="small", train_loss=2.5, staleness=4))
            board.committed(commit_record(commit=2, role="large", samples=300, seconds=2.0))
            board.evaluated(evaluation_record(commit=2, test_accuracy=0.75))
            small, large, test = (curves(self.folder / name) for name in ("small", "large", "test"))
        self.assertEqual(small["loss"], {1: 2.5})
        self.assertEqual(small["staleness"], {1: 4})
        self.assertEqual(large["images_per_second"], {2: 150.0})
        self.assertAllClose(large["learning_rate"], {2: 0.1})
        self.assertEqual(test, {"loss": {2: 1.5}, "accuracy": {2: 0.75}})
        self.assertEqual(
            set(small),
            {
                *("loss", "accuracy", "learning_rate", "images_per_second"),
                *("staleness", "batch", "resolution"),
            },
        )

    def test_epochs_that_are_not_one_commit_of_every_worker_are_a_curve(self):
        calendar = Calendar(2, 3, stretches=(Stretch(1, Fraction(2)),), local_epochs=2)
        with TensorBoard(self.folder, 0, "", 32, self.fail, calendar=calendar) as board:
            for number in (1, 4, 6):
                board.committed(commit_record(commit=number, role="small"))
        self.assertEqual(curves(self.folder / "small")["epoch"], {1: 0.25, 4: 1.0, 6: 3.0})
        with TensorBoard(self.folder / "plain", 0, "", 32, self.fail, calendar=Calendar(2, 3)) as b:
            b.committed(commit_record(commit=1, role="small"))
        self.assertNotIn("epoch", curves(self.folder / "plain" / "small"))

    def test_the_batch_noise_has_a_curve_of_its_own(self):
        with TensorBoard(self.folder, 0, "", 32, self.fail) as board:
            board.noise_measured(noise_record(commit=2))
            board.noise_measured(noise_record(commit=4, noise=None, high=None))
        self.assertEqual(
            curves(self.folder / "noise"),
            {
                "batch_noise": {2: 120.0},
                "batch_noise_low": {2: 80.0, 4: 80.0},
                "batch_noise_high": {2: 200.0},
            },
        )

    def test_other_metrics_instead_of_an_accuracy(self):
        with TensorBoard(self.folder, 0, "", 32, self.fail) as board:
            commit = commit_record(train_accuracy=None, train_metrics={"auc": 0.75, "f": None})
            board.committed(commit)
            metrics = dict(test_accuracy=None, test_metrics={"auc": 0.5})
            board.evaluated(evaluation_record(commit=2, **metrics))
            board.evaluated(evaluation_record(commit=2, resolution=16, **metrics))
        small, test = (curves(self.folder / name) for name in ("small", "test"))
        self.assertEqual(small["auc"], {1: 0.75})
        self.assertEmpty({"accuracy", "f"} & small.keys())
        self.assertEqual(
            test, {"loss": {2: 1.5}, "auc": {2: 0.5}, "loss_16px": {2: 1.5}, "auc_16px": {2: 0.5}}
        )

    def test_validation_is_a_run_of_its_own(self):
        with TensorBoard(self.folder, 0, "", 32, self.fail, validation=True) as board:
            board.evaluated(evaluation_record(commit=2, split="validation", test_loss=0.25))
            board.evaluated(evaluation_record(commit=2))
        for name, loss in (("validation", 0.25), ("test", 1.5)):
            self.assertEqual(curves(self.folder / name), {"loss": {2: loss}, "accuracy": {2: 0.5}})

    def test_the_configuration_is_shown_as_it_is_written(self):
        with TensorBoard(self.folder, 0, "run:\n  seed: 3\n", 32, self.fail):
            pass
        (path,) = (self.folder / "test").iterdir()
        texts = [
            (value.tag, value.metadata.plugin_data.plugin_name, tf.make_ndarray(value.tensor))
            for event in tf.compat.v1.train.summary_iterator(str(path))
            for value in event.summary.value
        ]
        self.assertEqual(texts, [("configuration", "text", b"    run:\n      seed: 3\n")])

    def test_a_resumed_run_goes_on_without_what_it_has_thrown_away(self):
        for after, commits, loss in ((0, range(1, 6), 1.0), (3, range(4, 8), 2.0)):
            with TensorBoard(self.folder, after, "", 32, self.fail) as board:
                for commit in commits:
                    board.committed(commit_record(commit=commit, train_loss=loss))
        curve = curves(self.folder / "small")["loss"]
        self.assertEqual(curve, {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 2})

    @pytest.mark.slow
    def test_no_operation_is_made(self):
        subprocess.run(
            [sys.executable, "-c", WITHOUT_OPERATIONS, str(self.folder)],
            cwd=Path(__file__).resolve().parents[2],
            check=True,
        )

    def test_a_place_that_cannot_be_written_is_one_line(self):
        self.folder.write_text("a file")
        told = []
        with TensorBoard(self.folder, 0, "", 32, told.append) as board:
            board.committed(commit_record())
            board.evaluated(evaluation_record())
        (line,) = told
        self.assertRegex(line, "^warning: .*/small/events.* cannot be written .Not a directory.: ")

    def test_a_disk_that_becomes_full_ends_the_files_with_one_line(self):
        disk = SmallDisk(self.folder.parent / "disk", 1 << 20)
        self.addCleanup(disk.remove)
        told = []
        with TensorBoard(disk.path, 0, "", 32, told.append) as board:
            board.committed(commit_record())
            disk.fill()
            for commit in range(2, 100):
                board.committed(commit_record(commit=commit))
        (line,) = told
        self.assertRegex(line, "^warning: .*events.* cannot be written .No space left on device.: ")
        curve = curves(disk.path / "small")["loss"]
        self.assertEqual(list(curve), list(range(1, len(curve) + 1)))


if __name__ == "__main__":
    tf.test.main()
