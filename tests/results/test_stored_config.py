"""What a run on a folder of images was trained with, and what one that resumes it goes on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import Config, load_config
from dbsl_tf.config.flat import flat
from dbsl_tf.reporting.reading import read_run
from dbsl_tf.resolved.images import filled_in, with_images
from dbsl_tf.results.resuming import changes
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.stored_config import stored_config
from tests.data.small_images import write_image_folder, write_photo
from tests.support.small_runs import tiny_config, write_run

KEYS = ("data.image_size", "data.test_crop", "model.stem")
CROPPED = "data.augment=[random_resized_crop]"


def of_images(config: Config) -> tuple:
    return tuple(flat(config.model_dump(mode="json"))[key] for key in KEYS)


class TestStoredConfig:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        self.folder = tmp_path
        self.images = tmp_path / "images"
        write_image_folder(self.images)

    def asked(self, *overrides: str) -> Config:
        images = ("data.name=image_folder", f"data.dir={self.images}", "data.train_samples=null")
        return tiny_config(self.folder, *images, *overrides)

    def stored(self, config: Config) -> RunDirectory:
        return write_run(self.folder / "run", config, {})

    def of_an_earlier_version(self, config: Config) -> RunDirectory:
        """A run that has left open what the images decide."""
        run = self.stored(config)
        lines = run.configuration.read_text().splitlines(keepends=True)
        run.configuration.write_text("".join(line for line in lines if "test_crop" not in line))
        return run

    def test_a_new_run_follows_its_images(self, capsys: pytest.CaptureFixture):
        found = with_images(self.asked())
        assert of_images(found) == (32, 1.0, "cifar")
        error = capsys.readouterr().err
        assert error.count("images of 32 pixels (data.image_size), the median") == 1
        assert "at most 224, with the cifar stem\n" in error
        assert with_images(found) == found
        assert self.asked(*filled_in(self.asked(), found)) == found
        assert of_images(with_images(self.asked(CROPPED))) == (32, 0.875, "cifar")
        told = self.asked("data.image_size=96", "data.test_crop=0.5")
        assert of_images(with_images(told)) == (96, 0.5, "imagenet")
        assert capsys.readouterr().err == ""

    def test_an_own_model_has_no_stem(self):
        model = "model.name=my_models:net", "model.dropout=0"
        assert of_images(with_images(self.asked(*model))) == (32, 1.0, None)

    def test_images_that_are_too_small_for_what_is_asked_are_refused(self):
        for path in self.images.glob("train/*/*"):
            path.unlink()
        for name in ("ant", "bee", "cat"):
            write_photo(self.images / "train" / name / "small.png", 9, size=(20, 20))
        asked = self.asked("model.stem=imagenet", "compute.precision=mixed_bfloat16")
        with pytest.raises(UserError, match="data.image_size is 20; give at least 32"):
            with_images(asked)

    def test_without_images_nothing_is_concluded(self):
        asked = self.asked("data.dir=null", "data.train_samples=100")
        assert of_images(with_images(asked)) == (None, None, None)
        assert (asked.data.resolution, asked.stem) == (224, "imagenet")
        gone = self.asked(f"data.dir={self.folder / 'gone'}", "data.train_samples=100")
        assert with_images(gone) == gone

    def test_older_runs_go_on_as_they_were(self):
        run = self.of_an_earlier_version(self.asked())
        before = stored_config(run)
        assert of_images(before) == (224, 0.875, "imagenet")
        reported = read_run(run.path).config
        assert tuple(reported[key] for key in KEYS) == (224, 0.875, "imagenet")
        now = with_images(self.asked(), before)
        assert (of_images(now), changes(before, now)) == (of_images(before), [])
        now = with_images(self.asked("data.test_crop=1"), before)
        assert [str(change) for change in changes(before, now)] == [
            "data.test_crop was 0.875, now 1.0"
        ]

    def test_older_runs_with_growing_images_have_no_one_size(self):
        grow = ("progressive.mode=single", "progressive.resolutions=[16,32]")
        times = ("progressive.a=[0.001,0.001]", "progressive.b=[0.01,0.01]")
        before = stored_config(self.of_an_earlier_version(self.asked(*grow, *times)))
        assert of_images(before) == (None, 0.875, "imagenet")
        assert of_images(with_images(self.asked(*grow, *times))) == (None, 1.0, "cifar")

    def test_a_run_is_gone_on_with_as_it_began(self):
        for overrides, share in (((), 1.0), ((CROPPED,), 0.875)):
            config = with_images(self.asked(*overrides))
            run = self.stored(config)
            assert stored_config(run) == load_config(run.configuration) == config
            assert of_images(with_images(self.asked(), stored_config(run))) == (32, share, "cifar")

    def test_other_data_have_nothing_to_follow(self):
        config = tiny_config(self.folder)
        assert with_images(config) == config
        assert stored_config(self.stored(config)) == config
        assert filled_in(config, config) == []
