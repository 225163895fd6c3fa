"""A data set of image files in class folders, such as ImageNet: checked once, then listed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbsl_tf.common.atomic_folder import make_folder
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import read_bytes
from dbsl_tf.common.printing import tell
from dbsl_tf.config.catalogue import IMAGE_FOLDER, IMAGE_FOLDER_SIZE
from dbsl_tf.config.ranges import SMALLEST_IMAGE
from dbsl_tf.data.image_index import (
    LARGEST_LIST,
    fingerprint,
    image_index,
    states,
    store_index,
)
from dbsl_tf.data.image_listing import TEST, TRAIN
from dbsl_tf.data.usable_images import check_every_class, check_unreadable


@dataclass(frozen=True)
class ImageFolder:
    """The content of a folder of image files; see `DatasetSpec`. The statistics are ImageNet's."""

    classes: int
    train_samples: int
    test_samples: int
    image_size: int = IMAGE_FOLDER_SIZE
    name: str = IMAGE_FOLDER
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    standard_deviation: tuple[float, float, float] = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ImageData:
    """Image files that are on disk and can be decoded.

    Attributes:
        spec: the numbers of images and classes.
        directory: the folder with `train` and `val`.
        train_list, test_list: text files with a line `label TAB path` for every image, the path
            being relative to `train` or `val`. Their name is derived from their content, so workers
            that find them have the same images.
        unreadable: the images left out, as paths in `directory`, with the reason.
        left_out: a line on each kind of things that are not images of a class.
        class_counts: the images of each class, in the training and in the test set.
        changed: whether images are left out that changed after they were checked.
    """

    spec: ImageFolder
    directory: Path
    train_list: Path
    test_list: Path
    unreadable: dict[str, str]
    left_out: tuple[str, ...]
    class_counts: dict[str, tuple[int, int]]
    changed: bool = False


def prepare_image_folder(
    directory: Path | None, *, image_size: int | None, max_bad_files: int, cache: Path
) -> ImageData:
    """Returns the images of `directory`, each of which is decoded once to check it.

    The results are kept in `cache` until a file is added, removed or renamed, and are made again if
    the cached list is damaged. What is left out is printed to standard error every time.

    Args:
        directory: `data.dir`, with the folders `train` and `val`; see `list_images`.
        image_size: `data.image_size`; None: see `usual_size`.
        max_bad_files: how many unreadable images may be left out.
        cache: the folder for the results, created if needed.

    Raises:
        UserError: `directory` is not such a folder, too many images are unreadable, a class has no
            readable image, or a folder cannot be read or written.
    """
    directory, index = _find(directory, cache)
    unreadable = index["unreadable"]
    check_unreadable(directory, unreadable, max_bad_files)
    check_every_class(directory, index[TRAIN], index[TEST])
    lists = cache / index["lists"]
    return ImageData(
        spec=ImageFolder(
            classes=len(index[TRAIN]),
            train_samples=sum(index[TRAIN].values()),
            test_samples=sum(index[TEST].values()),
            image_size=image_size or _usual_size(index),
        ),
        directory=directory,
        train_list=lists / f"{TRAIN}.tsv",
        test_list=lists / f"{TEST}.tsv",
        unreadable=unreadable,
        left_out=tuple(index["left_out"]),
        class_counts={name: (n, index[TEST][name]) for name, n in index[TRAIN].items()},
        changed=bool(index.get("changed")),
    )


def count_training_images(directory: Path | None, cache: Path) -> int:
    """Returns the number of readable training images, however many are unreadable.

    Raises:
        UserError: `directory` is not a folder of images, or a folder cannot be read or written.
    """
    _, index = _find(directory, cache)
    return sum(index[TRAIN].values())


def usual_size(directory: Path | None, cache: Path) -> int:
    """Returns the resolution that suits the images, in pixels: the median of the shorter sides of
    the readable training images, but at most 224. What is left out is not printed.

    Raises:
        UserError: `directory` is not a folder of images, or a folder cannot be read or written.
    """
    return _usual_size(_find(directory, cache, quiet=True)[1])


def _usual_size(index: Mapping[str, Any]) -> int:
    return min(IMAGE_FOLDER_SIZE, max(SMALLEST_IMAGE, index["shorter_side"]))


def leave_out(directory: Path, reasons: Mapping[str, str], cache: Path) -> None:
    """Notes that images cannot be read any more, until their files change.

    Args:
        directory: `data.dir`.
        reasons: why, by their paths there; those that are not listed any more are ignored.
        cache: as for `prepare_image_folder`.

    Raises:
        UserError: a folder cannot be read or written.
    """
    directory, index = _find(directory, cache)
    checked = (cache / index["lists"] / f"{TRAIN}.tsv").stat().st_mtime
    contents = {}
    for split in (TRAIN, TEST):
        kept = []
        for line in read_bytes(cache / index["lists"] / f"{split}.tsv", LARGEST_LIST).split(b"\n"):
            path = os.fsdecode(line.partition(b"\t")[2])
            reason = reasons.get(f"{split}/{path}")
            if reason is None:
                kept.append(line)
            else:
                index["unreadable"][f"{split}/{path}"] = reason
                index[split][path.partition("/")[0]] -= 1
        contents[split] = b"\n".join(kept)
    index["states"], index["changed"] = states(directory, index["unreadable"]), True
    folder = cache / f"index-{fingerprint(directory)}"
    shutil.rmtree(folder)
    make_folder(folder, lambda target: store_index(index, contents, cache, target, checked))


def _find(directory: Path | None, cache: Path, quiet: bool = False) -> tuple[Path, dict]:
    """Returns the absolute folder and its `image_index`; raises UserError."""
    if directory is None:
        raise UserError(
            f"data.dir is missing: {IMAGE_FOLDER} needs the folder with {TRAIN} and {TEST} (to "
            "plan without the images, data.train_samples is enough)"
        )
    directory = directory.absolute()
    try:
        index = image_index(directory, cache)
    except OSError as error:
        reason = ": ".join(str(part) for part in (error.strerror, error.filename) if part)
        raise UserError(
            f"data.dir is {directory}, whose images cannot be listed ({reason}); correct the "
            "permissions, or free some space in the cache folder"
        ) from error
    if index["left_out"] and not quiet:
        tell("\n  ".join([f"in {directory}, left out:", *index["left_out"]]))
    return directory, index
