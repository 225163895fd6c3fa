"""The image files of a folder of class folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dbsl_tf.common.errors import UserError

TRAIN, TEST = "train", "val"
_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Listing:
    """The image files of one split.

    Attributes:
        split: `TRAIN` or `TEST`, the folder inside `data.dir`.
        files: (label, path inside the folder of the split).
    """

    split: str
    files: tuple[tuple[int, str], ...]

    def without(self, names: set[str]) -> Listing:
        """Returns the listing without the files with these paths, which begin with the split."""
        kept = tuple(entry for entry in self.files if f"{self.split}/{entry[1]}" not in names)
        return Listing(self.split, kept)

    def to_bytes(self) -> bytes:
        """Returns a line `label TAB path` for each file, with names as in the file system."""
        return b"\n".join(b"%d\t%s" % (label, os.fsencode(path)) for label, path in self.files)


def list_images(directory: Path) -> tuple[tuple[str, ...], Listing, Listing]:
    """Returns the class names, the training and the test files of `directory`.

    The folders in `train/`, sorted by name, are the classes 0, 1, …; those in `val/` have the same
    names. An image is a file whose name ends in .jpg, .jpeg or .png in any case; hidden and other
    files are ignored. Training files are in a fixed order that is unrelated to their classes, so
    that the first N are a fair sample.

    Raises:
        UserError: there is no such folder, class or image.
        OSError: a folder cannot be read.
    """
    names = class_folders(directory, TRAIN)
    if len(names) < 2:
        raise UserError(
            f"data.dir is {directory}: {directory / TRAIN} has {len(names)} class folder(s), "
            "expected at least 2, one for each class"
        )
    labels = {name: label for label, name in enumerate(names)}
    test_names = class_folders(directory, TEST)
    for name in test_names:
        if name not in labels:
            raise UserError(
                f"data.dir is {directory}: {directory / TEST / name} is not a class of the "
                f"training images; remove it, or add {directory / TRAIN / name}"
            )
    train = sorted(_files(directory / TRAIN, labels), key=_arbitrary)
    test = _files(directory / TEST, {name: labels[name] for name in test_names})
    return tuple(names), Listing(TRAIN, tuple(train)), Listing(TEST, tuple(sorted(test)))


def class_folders(directory: Path, split: str) -> list[str]:
    """Returns the names of the class folders of a split, sorted.

    Raises:
        UserError: the folder of the split is missing.
    """
    if not (directory / split).is_dir():
        raise UserError(
            f"data.dir is {directory}, which has no folder {split}; image_folder needs the folders "
            f"{TRAIN} and {TEST}, each with a folder of images for every class"
        )
    with os.scandir(directory / split) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and _visible(entry.name))


def _files(folder: Path, labels: dict[str, int]) -> Iterator[tuple[int, str]]:
    for name, label in labels.items():
        with os.scandir(folder / name) as entries:
            for entry in entries:
                if entry.name.lower().endswith(_SUFFIXES) and _visible(entry.name):
                    if "\n" in entry.path:
                        raise UserError(f"{entry.path!r} has a line break in its name; rename it")
                    yield label, f"{name}/{entry.name}"


def _visible(name: str) -> bool:
    return not name.startswith(".")


def _arbitrary(entry: tuple[int, str]) -> bytes:
    return hashlib.blake2b(os.fsencode(entry[1]), digest_size=8).digest()
