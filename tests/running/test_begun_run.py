"""What beginning a run, or going on with it, does to its directory; nothing is trained."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from rich.console import Console

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.catalogue import dataset_spec
from dbsl_tf.data.configured import training_data
from dbsl_tf.data.image_classification import ImageClassificationData
from dbsl_tf.measuring import precision as measuring
from dbsl_tf.profiling.precision_choice import PrecisionChoice
from dbsl_tf.resolved.images import with_images
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.stored_config import stored_config
from dbsl_tf.results.stored_objects import read_precision_choice
from dbsl_tf.results.stored_run import StoredRun
from dbsl_tf.running.begun_run import Run, Source, begin_or_resume
from dbsl_tf.running.training_run import _missing_evaluations
from tests.data.small_images import CLASSES, write_image_folder, write_photo
from tests.support.records import commit_record, evaluation_record
from tests.support.run_directories import append_event
from tests.support.small_runs import tiny_config

DIGITS = ImageClassificationData(SimpleNamespace(spec=dataset_spec("digits")))


class TrainingRunCase:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path):
        self.folder = tmp_path
        self.directory = RunDirectory(self.folder / "run")

    def begin(self, *overrides: str, data: object = DIGITS) -> Run:
        self.output = StringIO()
        console = Console(file=self.output, width=500)
        source = Source(str(self.folder / "tiny.yaml"), overrides)
        config = tiny_config(self.folder, *overrides)
        resumes = self.directory.resumes(config.run.resume)
        config = with_images(config, stored_config(self.directory) if resumes else None)
        return begin_or_resume(config, source, self.directory, data, console)

    def checkpoint(self, commit: int, records: bool = True, **changes: object) -> None:
        """The run gets a checkpoint, and the records of the commits that it contains."""
        for number in range(1, commit + 1 if records else 0):
            append_event(self.directory, **commit_record(commit=number).as_dict())
        weights = [np.zeros(3, np.float32)]
        values = dict(clocks=(1, 1), samples={32: (1, 1)}, wall_seconds=1.0, time_models={})
        Checkpoints(self.directory.checkpoints, keep=9).save(
            Checkpoint(commit=commit, weights=weights, optimizer_state=[], **{**values, **changes})
        )

    def interrupted(self) -> None:
        """A run with a checkpoint, that nobody goes on with."""
        with self.begin().history:
            self.checkpoint(2)

    def files(self) -> dict[str, bytes]:
        """The content of the run's files by name."""
        files = [file for file in self.directory.path.rglob("*") if file.is_file()]
        return {str(file.relative_to(self.directory.path)): file.read_bytes() for file in files}


class TestOneAtATime(TrainingRunCase):
    def test_a_run_in_progress_is_left_as_it_is(self):
        self.interrupted()
        with self.begin("schedule.epochs=4").history:
            self.directory.write_json(self.directory.summary, {})
            before = self.files()
            with pytest.raises(UserError, match="history.jsonl is in use"):
                self.begin("schedule.epochs=9", "time_model.a=0.002")
        assert self.files() == before
        self.begin("schedule.epochs=9").history.__exit__(None, None, None)

    def test_a_run_that_has_just_begun_is_left_as_it_is(self):
        with self.begin().history:
            before = self.files()
            with pytest.raises(UserError, match="history.jsonl is in use"):
                self.begin("schedule.epochs=9")
        assert self.files() == before

    def test_a_process_that_begins_anew_gets_its_run_again(self):
        program = (
            "import os, sys; from pathlib import Path; from dbsl_tf.results.history import History;"
            "kept = History(Path(sys.argv[1]));"
            "again = [sys.executable, *sys.orig_argv[1:], 'again'];"
            "print('again') if 'again' in sys.argv else os.execv(sys.executable, again)"
        )
        command = [sys.executable, "-c", program, str(self.folder / "history.jsonl")]
        result = subprocess.run(command, capture_output=True, text=True)
        assert (result.stdout, result.stderr) == ("again\n", "")


class TestFailure(TrainingRunCase):
    def test_a_directory_that_cannot_be_made_is_told_before_anything_is_measured(self):
        (self.folder / "file").touch()
        self.directory = RunDirectory(self.folder / "file" / "run")
        with (
            mock.patch("dbsl_tf.running.begun_run._times") as measuring,
            pytest.raises(UserError, match="cannot be created or written"),
        ):
            self.begin("time_model.a=null", "time_model.b=null")
        measuring.assert_not_called()

    def test_a_run_that_cannot_begin_leaves_nothing(self):
        for failure in (UserError("no"), KeyboardInterrupt()):
            with (
                mock.patch("dbsl_tf.running.begun_run._times", side_effect=failure),
                pytest.raises(type(failure)),
            ):
                self.begin()
            assert not self.directory.path.exists()
        self.directory.path.mkdir()
        with pytest.raises(UserError, match="dual_batch"):
            self.begin("dual_batch.extra_time_ratio=1.9")
        assert list(self.directory.path.iterdir()) == []

    def test_a_run_that_cannot_go_on_is_left_as_it_was_and_can_be_tried_again(self):
        self.interrupted()
        self.directory.write_json(self.directory.summary, {})
        before = self.files()
        with pytest.raises(UserError, match="dual_batch"):
            self.begin("schedule.epochs=9", "dual_batch.extra_time_ratio=1.9")
        assert self.files() == before
        run = self.begin("schedule.epochs=9")
        with run.history as history:
            assert [record.commit for record in history.commits] == [1, 2]
        assert "schedule.epochs was 3, now 9" in run.changes
        assert not self.directory.summary.exists()

    def test_a_checkpoint_of_another_number_of_workers(self):
        with self.begin().history:
            self.checkpoint(2, clocks=(2,), samples={32: (1,)})
        message = "the checkpoint of commit 2 was written with 1 worker.s., but the run has 2"
        with pytest.raises(UserError, match=message):
            self.begin("schedule.epochs=9")

    def test_a_run_that_was_interrupted_while_its_model_was_written_is_resumed(self):
        with self.begin().history:
            self.checkpoint(6)
        self.directory.write_json(self.directory.summary, {})
        with self.begin().history:
            assert not self.directory.summary.exists()
        self.directory.write_json(self.directory.summary, {})
        self.directory.model.touch()
        with pytest.raises(UserError, match="holds a run of 3 epochs"):
            self.begin()

    def test_epochs_that_were_merged_otherwise_are_refused(self):
        with self.begin("schedule.epochs=4").history:
            self.checkpoint(2)
        for changes in (
            ["schedule.mini_epochs_per_epoch=2"],
            ["schedule.final_local_epochs=4"],
            ["schedule.mini_epochs_per_epoch=2", "schedule.final_local_epochs=3"],
        ):
            with pytest.raises(UserError, match="2 commits are 1 epochs, and by the present sche"):
                self.begin("schedule.epochs=4", *changes)
        # What is still to come may change.
        run = self.begin("schedule.epochs=5", "schedule.final_local_epochs=2")
        with run.history:
            assert run.resolved.settings.calendar.total == 8

    def test_a_folder_that_holds_something_else_gets_no_file(self):
        self.directory.path.mkdir()
        (self.directory.path / "notes.txt").write_text("mine")
        with pytest.raises(UserError, match="is not empty"):
            self.begin()
        assert self.files() == {"notes.txt": b"mine"}


class TestDamagedHistory(TrainingRunCase):
    """Of three checkpoints, the run is resumed from the newest that the history reaches."""

    @pytest.fixture(autouse=True)
    def _set_up_more(self, _set_up):
        with self.begin("schedule.epochs=9").history:
            self.checkpoint(6)
            for commit in (4, 2):
                self.checkpoint(commit, records=False)

    def remove_lines(self, *numbers: int) -> None:
        lines = self.directory.history.read_text().splitlines(keepends=True)
        kept = [line for number, line in enumerate(lines, 1) if number not in numbers]
        self.directory.history.write_text("".join(kept))

    @pytest.mark.parametrize(("removed", "used"), [((6,), 4), ((4, 5, 6), 2), ((3,), 2), ((), 6)])
    def test_what_is_missing_is_said_in_a_line(self, removed: tuple[int, ...], used: int):
        self.remove_lines(*removed)
        run = self.begin("schedule.epochs=9")
        with run.history as history:
            assert run.checkpoint.commit == used
            assert [record.commit for record in history.commits if record.commit <= used] == [
                *range(1, used + 1)
            ]
        lines = self.output.getvalue().splitlines()
        missing = (
            f"history.jsonl is damaged (it lacks commit {', '.join(map(str, removed))}): resuming"
        )
        assert [missing in line for line in lines] == ([True] if removed else [])

    def test_one_that_is_of_no_use_any_more_is_never_taken_again(self):
        self.remove_lines(6)
        run = self.begin("schedule.epochs=9")
        with run.history as history:
            run.checkpoints.set_aside_after(run.checkpoint.commit)
            history.resume(run.checkpoint.commit)
            for commit in (5, 6):
                history.committed(commit_record(commit=commit))
        run = self.begin("schedule.epochs=9")
        with run.history:
            # Its sixth commit was another one.
            assert run.checkpoint.commit == 4
        names = sorted(path.name for path in self.directory.checkpoints.iterdir())
        assert names[-1] == "commit-000000006.npz.unused"

    def test_without_any_the_run_is_left_as_it_was(self):
        self.remove_lines(1)
        before = self.files()
        with pytest.raises(UserError, match=r"lacks commit 1\), and .* has no checkpoint from"):
            self.begin("schedule.epochs=9")
        assert self.files() == before

    def test_a_damaged_line_is_told(self):
        append_event(self.directory, event="evaluation", commit="x")
        run = self.begin("schedule.epochs=9")
        with run.history:
            assert run.checkpoint.commit == 6
        assert "(line 7 is not a record of a run: commit of a line" in self.output.getvalue()


class TestPrecision(TrainingRunCase):
    """What auto came to holds for the whole run, whatever it would come to later."""

    @pytest.fixture(autouse=True)
    def _set_up_more(self, _set_up, monkeypatch):
        self.fastest = "mixed_bfloat16"
        monkeypatch.setattr(measuring, "settle_precision", self._settle)

    def _settle(self, *_: object) -> PrecisionChoice:
        return PrecisionChoice(self.fastest, "as it is faster", {})

    def test_the_configuration_keeps_auto_and_the_run_has_the_choice(self):
        run = self.begin("compute.precision=auto")
        with run.history:
            assert run.config.precision == "mixed_bfloat16"
        assert "precision: auto" in self.directory.configuration.read_text()
        assert StoredRun.read(self.directory.path).config.precision == "mixed_bfloat16"

    def test_going_on_keeps_the_choice(self):
        with self.begin("compute.precision=auto").history:
            self.checkpoint(2)
        self.fastest = "float32"
        for _ in range(2):
            run = self.begin("compute.precision=auto")
            with run.history:
                assert (run.config.precision, run.changes) == ("mixed_bfloat16", [])

    def test_going_on_with_auto_where_there_was_none_settles_it(self):
        self.interrupted()
        run = self.begin("compute.precision=auto")
        with run.history:
            assert run.config.precision == "mixed_bfloat16"
        assert run.changes == ["compute.precision was float32, now auto"]

    def test_a_precision_given_later_counts(self):
        with self.begin("compute.precision=auto").history:
            self.checkpoint(2)
        run = self.begin("compute.precision=float32")
        with run.history:
            assert run.config.precision == "float32"
        assert read_precision_choice(self.directory) is None

    def test_a_run_of_before_these_keys_goes_on(self):
        self.interrupted()
        kept = self.directory.configuration.read_text()
        older = "".join(line for line in kept.splitlines(True) if "onednn" not in line)
        assert older != kept
        self.directory.configuration.write_text(older)
        run = self.begin()
        with run.history:
            assert (run.config.precision, run.changes) == ("float32", [])


class TestOtherClasses(TrainingRunCase):
    """Going on with a folder of images whose classes are no longer those of the run."""

    @pytest.fixture(autouse=True)
    def _set_up_more(self, _set_up, monkeypatch):
        self.images = self.folder / "images"
        write_image_folder(self.images)
        monkeypatch.setenv("XDG_CACHE_HOME", str(self.folder / "cache"))
        with self.go_on().history:
            self.checkpoint(2)
        self.before = self.files()

    def go_on(self, *more: str) -> Run:
        section = ["data.name=image_folder", f"data.dir={self.images}", "data.augment=[]"]
        overrides = [*section, "data.train_samples=null", "data.image_size=32", *more]
        section = tiny_config(self.folder, *overrides).data
        return self.begin(*overrides, data=training_data(section))

    def check_refused(self, pattern: str) -> None:
        with pytest.raises(UserError, match=pattern) as caught:
            self.go_on("schedule.epochs=9")
        assert "\n" not in str(caught.value)
        assert self.files() == self.before

    def test_their_names_are_kept(self):
        facts = self.directory.read_json(self.directory.data)
        assert (facts["classes"], facts["class_names"]) == (3, list(CLASSES))

    def test_more_classes_are_refused(self):
        write_photo(self.images / "train" / "dog" / "photo.png", 7)
        self.check_refused(r"3 classes of image_folder, .* has 4 .*\(new: dog\)")

    def test_as_many_others_are_refused(self):
        for split in ("train", "val"):
            (self.images / split / "ant").rename(self.images / split / "wasp")
        self.check_refused(r"has 3 .*\(new: wasp; gone: ant\)")

    def test_more_images_are_welcome(self):
        write_photo(self.images / "train" / "ant" / "another.png", 7)
        with self.go_on().history:
            pass
        assert self.directory.read_json(self.directory.data)["train_samples"] == 13

    def test_a_run_that_kept_no_names_goes_on(self):
        self.directory.write_json(self.directory.data, {"name": "image_folder", "classes": 3})
        with self.go_on().history:
            pass
        self.test_their_names_are_kept()


class TestHeldOut(TrainingRunCase):
    """Going on with a run of 2 epochs of 2 commits, some of whose samples are held out."""

    def go_on(self, samples: int = 100, seed: int = 0) -> Run:
        held_out = f"data.validation_samples={samples}"
        overrides = ["data.train_samples=null", held_out, f"run.seed={seed}"]
        data = DIGITS.holding_out(samples, seed) if samples else DIGITS
        return self.begin("schedule.epochs=2", "schedule.eval_every=1", *overrides, data=data)

    def test_the_epoch_is_without_them(self):
        run = self.go_on()
        with run.history:
            assert run.resolved.settings.samples == 1337

    @pytest.mark.parametrize(
        ("now", "refusal"),
        [
            ({"samples": 90}, "data.validation_samples was 100, now 90: what is held out now was"),
            ({"samples": 0}, "data.validation_samples was 100, now 0: what is held out"),
            ({"seed": 4}, "validation_seed=0.*, now .*validation_seed=4.*: other samples would"),
        ],
    )
    def test_others_would_have_been_trained_on(self, now, refusal):
        with self.go_on().history:
            self.checkpoint(2)
        before = self.files()
        with pytest.raises(UserError, match=refusal) as caught:
            self.go_on(**now)
        assert "\n" not in str(caught.value)
        assert self.files() == before

    @pytest.mark.parametrize(
        ("samples", "commit", "done", "missing"),
        [
            (0, 2, [], ["test"]),
            (0, 2, ["test"], []),
            (100, 2, [], ["validation"]),
            (100, 2, ["validation"], []),
            (100, 3, [], []),
            (100, 4, [], ["validation", "test"]),
            (100, 4, ["validation"], ["test"]),
            (100, 4, ["validation", "test"], []),
        ],
    )
    def test_evaluations_that_an_interruption_prevented(self, samples, commit, done, missing):
        begun = self.go_on(samples)
        resolution = begun.resolved.settings.highest.resolution
        with begun.history:
            self.checkpoint(commit)
            for split in done:
                record = evaluation_record(commit=commit, split=split, resolution=resolution)
                append_event(self.directory, **record.as_dict())
        run = self.go_on(samples)
        with run.history:
            assert _missing_evaluations(run, run.history) == missing
