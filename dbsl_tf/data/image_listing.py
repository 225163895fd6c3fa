"""The image files of a folder of class folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.left_out import LeftOut, some
from dbsl_tf.data.lookalikes import alike

TRAIN, TEST = "train", "val"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


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


@dataclass(frozen=True)
class ListedImages:
    """The images of a folder.

    Attributes:
        classes: their names, in the order of the labels.
        train, test: the images of each split.
        left_out: a line on each kind of things that are not images of a class; see `LeftOut`.
    """

    classes: tuple[str, ...]
    train: Listing
    test: Listing
    left_out: tuple[str, ...]


def list_images(directory: Path) -> ListedImages:
    """Returns the images of `directory`.

    The folders in `train/`, sorted by name, are the classes 0, 1, …; those in `val/` have the same
    names. An image is a file whose name ends in .jpg, .jpeg, .png or .webp in any case; hidden and
    other files are passed over. Training files are in a fixed order that is unrelated to their
    classes, so that the first N are a fair sample.

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
    _check_known(directory, names, test_names)
    left_out = LeftOut(_SUFFIXES)
    for split in (TRAIN, TEST):
        left_out.add_beside_classes(split, _beside_classes(directory, split))
    train = sorted(_files(directory, TRAIN, labels, left_out), key=_arbitrary)
    test = list(_files(directory, TEST, {name: labels[name] for name in test_names}, left_out))
    listings = Listing(TRAIN, tuple(train)), Listing(TEST, tuple(sorted(test)))
    tested = {label for label, _ in listings[1].files}
    untested = [name for name in names if labels[name] not in tested]
    twins = [
        f"classes that look alike, but are different: {one!a} and {other!a} in {TRAIN}"
        for one, other in alike(names)
    ]
    lines = [*left_out.lines(), *twins]
    if untested:
        lines.append(f"class(es) without images in {TEST}, which are not tested: {some(untested)}")
    return ListedImages(tuple(names), *listings, tuple(lines))


def class_folders(directory: Path, split: str) -> list[str]:
    """Returns the names of the class folders of a split, sorted.

    Raises:
        UserError: the folder of the split is missing.
    """
    return sorted(entry.name for entry in _entries(directory, split) if entry.is_dir())


def names_beside_classes(directory: Path, split: str) -> list[str]:
    """Returns the names of what lies beside the class folders of a split, sorted.

    Raises:
        UserError: the folder of the split is missing.
    """
    return sorted(entry.name for entry in _beside_classes(directory, split))


def _beside_classes(directory: Path, split: str) -> list[os.DirEntry[str]]:
    return [entry for entry in _entries(directory, split) if not entry.is_dir()]


def _entries(directory: Path, split: str) -> list[os.DirEntry[str]]:
    """Returns what is in the folder of a split and not hidden."""
    if not directory.exists():
        raise UserError(
            f"data.dir is {directory}, which does not exist; give the folder with {TRAIN} and "
            f"{TEST}, each with a folder of images for every class"
        )
    if not (directory / split).is_dir():
        raise UserError(
            f"data.dir is {directory}, which has no folder {split}; image_folder needs the folders "
            f"{TRAIN} and {TEST}, each with a folder of images for every class"
        )
    with os.scandir(directory / split) as entries:
        return [entry for entry in entries if _visible(entry.name)]


def _check_known(directory: Path, classes: list[str], test_names: list[str]) -> None:
    """Raises UserError if a class of the test images is none of the training images."""
    for name in test_names:
        if name in classes:
            continue
        for known, _ in alike(classes, [name]):
            raise UserError(
                f"data.dir is {directory}: the class {known!a} in {TRAIN} and {name!a} in {TEST} "
                "look alike, but are different names; rename one of the folders"
            )
        raise UserError(
            f"data.dir is {directory}: {directory / TEST / name} is not a class of the "
            f"training images; remove it, or add {directory / TRAIN / name}"
        )


def _files(
    directory: Path, split: str, labels: dict[str, int], left_out: LeftOut
) -> Iterator[tuple[int, str]]:
    for name, label in labels.items():
        with os.scandir(directory / split / name) as entries:
            for entry in entries:
                if not _visible(entry.name):
                    continue
                if not entry.name.lower().endswith(_SUFFIXES):
                    left_out.add_to_class(f"{split}/{name}", entry)
                    continue
                if "\n" in entry.path:
                    raise UserError(f"{entry.path!r} has a line break in its name; rename it")
                yield label, f"{name}/{entry.name}"


def _visible(name: str) -> bool:
    return not name.startswith(".")


def _arbitrary(entry: tuple[int, str]) -> bytes:
    return hashlib.blake2b(os.fsencode(entry[1]), digest_size=8).digest()
