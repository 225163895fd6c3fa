"""Folders of image files: what is found, what is refused, what is kept."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import shutil
from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.data_section import DataSection
from dbsl_tf.data.configured import epoch_samples, prepare_data
from dbsl_tf.data.image_folder import (
    ImageData,
    count_training_images,
    leave_out,
    prepare_image_folder,
    usual_size,
)
from tests.data.small_images import (
    BAD,
    CLASSES,
    write_bad_images,
    write_image_folder,
    write_photo,
)


class ImageFolderCase:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path):
        folder = tmp_path
        self.directory, self.cache = folder / "images", folder / "cache"
        self.greys = write_image_folder(self.directory)

    def prepare(self, max_bad_files: int = 0) -> ImageData:
        self.output = io.StringIO()
        with contextlib.redirect_stderr(self.output):
            return prepare_image_folder(
                self.directory, image_size=None, max_bad_files=max_bad_files, cache=self.cache
            )

    def assert_refused(self, pattern: str, **arguments: int) -> None:
        with pytest.raises(UserError, match=pattern) as caught:
            self.prepare(**arguments)
        assert "\n" not in str(caught.value)

    def entries(self, path: Path) -> list[tuple[int, str]]:
        pairs = (line.split("\t", 1) for line in path.read_text().split("\n"))
        return [(int(label), name) for label, name in pairs]


class TestPrepared(ImageFolderCase):
    def test_counts_and_lists_every_image_with_the_label_of_its_folder(self):
        data = self.prepare()
        assert data.spec.classes == 3
        assert (data.spec.train_samples, data.spec.test_samples) == (12, 6)
        for split, path in (("train", data.train_list), ("val", data.test_list)):
            expected = [
                (CLASSES.index(name.split("/")[1]), name.removeprefix(f"{split}/"))
                for name in self.greys
                if name.startswith(split)
            ]
            assert sorted(self.entries(path)) == sorted(expected)

    def test_the_first_training_images_are_of_all_classes(self):
        write_image_folder(self.directory, per_class=20)
        labels = [label for label, _ in self.entries(self.prepare().train_list)]
        assert set(labels[:20]) == {0, 1, 2}

    def test_other_and_hidden_files_are_passed_over(self):
        (self.directory / "train" / "ant" / "notes.txt").write_text("notes")
        (self.directory / "train" / "ant" / "._photo0.jpg").write_text("hidden")
        (self.directory / "train" / ".cache").mkdir()
        (self.directory / "train" / "readme.jpg").write_text("in no class")
        assert self.prepare().spec.train_samples == 12

    def test_what_is_left_out_is_told_every_time(self):
        train, val = self.directory / "train", self.directory / "val"
        for split in (train, val):
            (split / "dog").symlink_to("/not/mounted/dog")
        (train / "ant" / "gone").symlink_to("/not/mounted")
        (train / "photo.jpg").touch()
        write_photo(train / "ant" / "more" / "again" / "photo.JPG", 9)
        (train / "ant" / "more" / "notes.txt").touch()
        for number in range(7):
            (train / "bee" / f"photo{number}.bmp").touch()
        (train / "bee" / "README").touch()
        for _ in range(2):
            data = self.prepare()
            assert data.left_out == (
                "3 broken symbolic link(s): train/ant/gone, train/dog, val/dog",
                "1 image(s) in no class folder: train/photo.jpg",
                "1 image(s) in subfolders of class folders: train/ant/more/again/photo.JPG",
                "8 file(s) of types that are not read (.bmp 7, none 1): train/bee/README, "
                "train/bee/photo0.bmp, train/bee/photo1.bmp, train/bee/photo2.bmp, "
                "train/bee/photo3.bmp and 3 more",
            )
            told = "\n  ".join([f"in {self.directory}, left out:", *data.left_out])
            assert f"{told}\n" in self.output.getvalue()
        # The folder is there after all.
        write_photo(self.directory / "dog" / "photo.jpg", 9)
        (train / "dog").unlink()
        (train / "dog").symlink_to(self.directory / "dog")
        assert self.prepare().class_counts["dog"] == (1, 0)

    def test_images_of_each_class_are_counted(self):
        (self.directory / "val" / "bee" / "photo0.jpg").unlink()
        write_bad_images(self.directory)
        counts = {"ant": (4, 2), "bee": (4, 1), "cat": (4, 2)}
        assert self.prepare(max_bad_files=3).class_counts == counts

    def test_classes_without_test_images_are_told(self):
        shutil.rmtree(self.directory / "val" / "bee")
        for path in (self.directory / "val" / "cat").iterdir():
            path.unlink()
        data = self.prepare()
        line = "class(es) without images in val, which are not tested: bee, cat"
        assert data.left_out == (line,)
        assert line in self.output.getvalue()
        assert (data.spec.classes, data.spec.test_samples) == (3, 2)

    def test_the_usual_size_is_the_median_of_the_shorter_sides_and_at_most_224(self):
        # 30, 32, 34 and 36 pixels in each class.
        assert self.prepare().spec.image_size == 32
        (self.directory / "train" / "ant" / "text.jpg").write_text("no image")
        assert usual_size(self.directory, self.cache) == 32
        for split in ("train", "val"):
            for name in CLASSES:
                for path in (self.directory / split / name).iterdir():
                    path.unlink()
                write_photo(self.directory / split / name / "wide.png", 9, size=(400, 5))
        assert usual_size(self.directory, self.cache) == 8
        for name in CLASSES:
            for number in range(2):
                write_photo(self.directory / "train" / name / f"{number}.png", 9, size=(300, 500))
        assert usual_size(self.directory, self.cache) == 224

    def test_names_in_any_case_with_blanks_and_tabs(self):
        write_photo(self.directory / "train" / "ant" / "a b.jpg", 9)
        os.rename(
            self.directory / "train" / "ant" / "a b.jpg",
            self.directory / "train" / "ant" / "a\tb é.JPEG",
        )
        assert (0, "ant/a\tb é.JPEG") in self.entries(self.prepare().train_list)


class TestUnreadable(ImageFolderCase):
    @pytest.fixture(autouse=True)
    def _set_up_more(self, _set_up):
        write_bad_images(self.directory)

    def test_more_than_admitted_are_refused_by_name(self):
        for admitted in (0, 2):
            self.assert_refused(
                f"3 unreadable image.*max_bad_files={admitted}.*"
                r"train/ant/cut.jpg \(image file is truncated.*\), "
                r"train/bee/text.jpg \(not a JPEG, PNG or WebP image\), "
                r"val/cat/empty.png \(empty file\)",
                max_bad_files=admitted,
            )

    def test_those_admitted_are_told_and_left_out(self):
        for _ in range(2):  # The second time from what is kept.
            data = self.prepare(max_bad_files=3)
            assert (data.spec.train_samples, data.spec.test_samples) == (12, 6)
            assert sorted(data.unreadable) == sorted(BAD)
            for name in BAD:
                assert name in self.output.getvalue()
                assert name.split("/", 1)[1] not in data.train_list.read_text()

    def test_a_long_list_is_named_in_full_beside_the_one_line(self):
        for number in range(9):
            (self.directory / "train" / "ant" / f"text{number}.png").write_text("no image")
        self.assert_refused("12 unreadable.* and 7 more, listed above")
        for number in range(9):
            assert f"text{number}.png" in self.output.getvalue()

    def test_repaired_in_place(self):
        self.prepare(max_bad_files=3)
        write_photo(self.directory / BAD[0], 200)
        data = self.prepare(max_bad_files=2)
        assert data.spec.train_samples == 13


class TestLeftOutLater(ImageFolderCase):
    def test_counts_towards_those_admitted_until_it_changes(self):
        write_bad_images(self.directory)
        assert self.prepare(max_bad_files=3).spec.train_samples == 12
        name = "train/ant/photo0.jpg"
        leave_out(self.directory, {name: "cut", "train/ant/gone.jpg": "gone"}, self.cache)
        self.assert_refused(
            rf"4 unreadable image.*max_bad_files=3.*{name} \(cut\)", max_bad_files=3
        )
        data = self.prepare(max_bad_files=4)
        assert data.spec.train_samples == 11
        assert data.class_counts["ant"] == (3, 2)
        assert name.partition("/")[2] not in data.train_list.read_text()
        assert "photo0.jpg" in data.test_list.read_text()
        write_photo(self.directory / name, 9)
        assert self.prepare(max_bad_files=3).spec.train_samples == 12


class TestKept(ImageFolderCase):
    def test_checked_once(self):
        first = self.prepare()
        assert "Checking 18 images" in self.output.getvalue()
        assert self.prepare() == first
        assert self.output.getvalue() == ""
        assert count_training_images(self.directory, self.cache) == 12

    @pytest.mark.parametrize("name", ["index.json", "train.tsv", "val.tsv"])
    def test_anew_when_what_is_kept_is_damaged(self, name: str):
        first = self.prepare()
        (path,) = self.cache.glob(f"*/{name}")
        whole, draw = path.read_bytes(), random.Random(1)
        for _ in range(40):
            damaged = bytearray(whole)
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
            path.write_bytes(damaged)
            assert self.prepare() == first
            assert path.read_bytes() == whole or json.loads(damaged) == json.loads(whole)
        assert "is damaged (" in self.output.getvalue()
        for content in (b"", b"[]", b"{}", b'{"lists": "../.."}'):
            path.write_bytes(content)
            assert self.prepare() == first
            assert path.read_bytes() == whole

    def test_anew_when_a_file_is_added_or_removed(self):
        self.prepare()
        write_photo(self.directory / "train" / "cat" / "new.png", 9)
        assert self.prepare().spec.train_samples == 13
        (self.directory / "val" / "cat" / "photo0.jpg").unlink()
        assert self.prepare().spec.test_samples == 5

    def test_copies_share_the_lists(self):
        data = self.prepare()
        self.directory = self.directory.rename(self.directory.with_name("copy"))
        assert self.prepare().train_list == data.train_list


class TestConfigured(ImageFolderCase):
    @pytest.fixture(autouse=True)
    def _set_up_more(self, _set_up, monkeypatch):
        write_bad_images(self.directory)
        monkeypatch.setenv("XDG_CACHE_HOME", str(self.cache))

    def section(self, **keys: int) -> DataSection:
        return DataSection(name="image_folder", dir=self.directory, max_bad_files=3, **keys)

    def test_samples_of_an_epoch_come_from_the_folder(self):
        with contextlib.redirect_stderr(io.StringIO()):
            assert epoch_samples(self.section()) == 12
        assert epoch_samples(self.section(train_samples=5)) == 5

    def test_more_samples_than_files_are_refused(self):
        with contextlib.redirect_stderr(io.StringIO()):
            # 12 readable and 2 unreadable training images.
            assert prepare_data(self.section(train_samples=14)).spec.train_samples == 12
            with pytest.raises(UserError, match="has 14 training images; give null or 1 to 14"):
                prepare_data(self.section(train_samples=15))


class TestRefused(ImageFolderCase):
    def test_missing_folders(self):
        (self.directory / "val").rename(self.directory / "validation")
        self.assert_refused("images, which has no folder val; image_folder needs")
        self.directory = self.directory / "nothing"
        self.assert_refused("nothing, which does not exist; give the folder with train and val")
        self.directory.mkdir()
        self.assert_refused("nothing, which has no folder train")

    def test_no_folder_given(self):
        with pytest.raises(UserError, match="data.dir is missing"):
            count_training_images(None, self.cache)

    def test_a_class_for_testing_only(self):
        write_photo(self.directory / "val" / "dog" / "photo.jpg", 9)
        self.assert_refused(
            "val/dog is not a class of the training images; remove it, or add .*train/dog"
        )

    @pytest.mark.parametrize(
        ("known", "other"),
        [("caf\u00e9", "cafe\u0301"), ("ant", "ant\r"), ("a b", "a\u00a0b"), ("ant", "a\u200bnt")],
    )
    def test_names_that_only_look_alike(self, known: str, other: str):
        (self.directory / "train" / "ant").rename(self.directory / "train" / known)
        (self.directory / "val" / "ant").rename(self.directory / "val" / other)
        self.assert_refused(
            re.escape(f"the class {known!a} in train and {other!a} in val look alike")
        )

    def test_classes_that_look_alike_are_told(self):
        write_photo(self.directory / "train" / "ant " / "photo.jpg", 9)
        assert self.prepare().left_out == (
            "classes that look alike, but are different: 'ant' and 'ant ' in train",
            "class(es) without images in val, which are not tested: ant ",
        )

    def test_a_class_without_images(self):
        (self.directory / "train" / "dog").mkdir()
        self.assert_refused("train/dog has no readable image")

    def test_one_class(self):
        for name in CLASSES[1:]:
            (self.directory / "train" / name).rename(self.directory / name)
        self.assert_refused("train has 1 class folder")
