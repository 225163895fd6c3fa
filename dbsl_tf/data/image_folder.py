"""A data set of image files in class folders, such as ImageNet: checked once, then listed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dbsl_tf.common.atomic_folder import make_folder
from dbsl_tf.common.checksums import KEY as CHECKSUM
from dbsl_tf.common.checksums import verified, with_checksum
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import TABLE, read_bytes, read_text
from dbsl_tf.config.catalogue import IMAGE_FOLDER, IMAGE_FOLDER_SIZE
from dbsl_tf.data.image_check import unreadable_images
from dbsl_tf.data.image_listing import (
    TEST,
    TRAIN,
    class_folders,
    list_images,
    names_beside_classes,
)
from dbsl_tf.data.usable_images import check_every_class, check_unreadable

_INDEX = "index.json"
_INDEX_VERSION = 2
_LISTS_NAME = re.compile("lists-[0-9a-f]{16}")
# Ten million names.
LARGEST_LIST = 1 << 30


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
        image_size: `data.image_size`; None: 224.
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
    if not _LISTS_NAME.fullmatch(index["lists"]):
        raise ValueError("it has no lists")
    lists = cache / index["lists"]
    return ImageData(
        spec=ImageFolder(
            classes=len(index[TRAIN]),
            train_samples=sum(index[TRAIN].values()),
            test_samples=sum(index[TEST].values()),
            image_size=image_size or IMAGE_FOLDER_SIZE,
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
    index["states"], index["changed"] = _states(directory, index["unreadable"]), True
    folder = cache / f"index-{_fingerprint(directory)}"
    shutil.rmtree(folder)
    make_folder(folder, lambda target: _store(index, contents, cache, target, checked))


def _find(directory: Path | None, cache: Path) -> tuple[Path, dict]:
    """Returns the absolute folder and its `_index`; raises UserError."""
    if directory is None:
        raise UserError(
            f"data.dir is missing: {IMAGE_FOLDER} needs the folder with {TRAIN} and {TEST} (to "
            "plan without the images, data.train_samples is enough)"
        )
    directory = directory.absolute()
    try:
        index = _index(directory, cache)
    except OSError as error:
        reason = ": ".join(str(part) for part in (error.strerror, error.filename) if part)
        raise UserError(
            f"data.dir is {directory}, whose images cannot be listed ({reason}); correct the "
            "permissions, or free some space in the cache folder"
        ) from error
    if index["left_out"]:
        print(f"in {directory}, left out:", *index["left_out"], sep="\n  ", file=sys.stderr)
    return directory, index


def _index(directory: Path, cache: Path) -> dict:
    """Returns the cached findings about `directory`, after making them if there are none.

    The splits map class names to readable images, "unreadable" paths to reasons and "states" to
    what the files were like then, "left_out" has lines, and "lists" is the folder of the lists
    inside `cache`.
    """
    folder = cache / f"index-{_fingerprint(directory)}"
    if folder.exists():
        try:
            index = _read(folder, cache)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reason = " ".join(str(error).split())[:100]
            print(f"{folder} is damaged ({reason}); making it again", file=sys.stderr, flush=True)
        else:
            # One that was mended has the same name as before.
            if index["states"] == _states(directory, index["unreadable"]):
                return index
        shutil.rmtree(folder)
    make_folder(folder, lambda target: _write_index(directory, cache, target))
    return _read(folder, cache)


def _read(folder: Path, cache: Path) -> dict:
    """Returns the stored findings; raises nearly any exception if they are damaged."""
    if not (folder / _INDEX).exists():
        raise ValueError(f"it has no {_INDEX}")
    content = json.loads(read_text(folder / _INDEX, TABLE))
    if CHECKSUM not in content:
        raise ValueError("it has no checksum")
    index = verified(content)
    if not _LISTS_NAME.fullmatch(index["lists"]):
        raise ValueError("it has no lists")
    lists = cache / index["lists"]
    files = [lists / f"{split}.tsv" for split in (TRAIN, TEST) if lists.is_dir()]
    contents = [read_bytes(file, LARGEST_LIST) for file in files]
    if index["lists"] != f"lists-{_digest(*contents)}":
        # This name must not refer to anything else, because all workers read it.
        shutil.rmtree(lists, ignore_errors=True)
        raise ValueError(f"{index['lists']} is not what was written")
    for split, content in zip((TRAIN, TEST), contents, strict=True):
        if sum(index[split].values()) != (content.count(b"\n") + 1 if content else 0):
            raise ValueError(f"it has other numbers of images than {index['lists']}")
    if not all(isinstance(text, str) for text in index["unreadable"].values()):
        raise ValueError("its unreadable images have no reasons")
    if not all(isinstance(line, str) for line in index["left_out"]):
        raise ValueError("it does not say what is left out")
    return index


def _states(directory: Path, names: Iterable[str]) -> dict[str, list[int]]:
    """Returns times and sizes of files, by which a mended one is noticed."""
    states = {}
    for name in names:
        try:
            status = (directory / name).stat()
            states[name] = [status.st_mtime_ns, status.st_ctime_ns, status.st_size]
        except OSError:
            states[name] = []
    return states


def _fingerprint(directory: Path) -> str:
    """Returns a text that changes when files are added, removed or renamed; is fast."""
    state = [_INDEX_VERSION, os.path.realpath(directory)]
    for split in (TRAIN, TEST):
        for name in class_folders(directory, split):
            state.append([split, name, (directory / split / name).stat().st_mtime_ns])
        state.append([split, names_beside_classes(directory, split)])
    return _digest(json.dumps(state).encode())


def _write_index(directory: Path, cache: Path, target: Path) -> None:
    listed = list_images(directory)
    listings = (listed.train, listed.test)
    files = [f"{listing.split}/{path}" for listing in listings for _, path in listing.files]
    began = time.time()
    unreadable = unreadable_images(directory, files)
    index: dict = {
        "unreadable": unreadable,
        "states": _states(directory, unreadable),
        "left_out": listed.left_out,
    }
    contents = {}
    for listing in listings:
        readable = listing.without(set(unreadable))
        counts = [0] * len(listed.classes)
        for label, _ in readable.files:
            counts[label] += 1
        index[listing.split] = dict(zip(listed.classes, counts, strict=True))
        contents[listing.split] = readable.to_bytes()
    _store(index, contents, cache, target, began)


def _store(
    index: dict, contents: Mapping[str, bytes], cache: Path, target: Path, checked: float
) -> None:
    """Writes the lists of the splits to the cache, and the index to the folder `target`.

    The lists get the time at which the check began: images that change later are newer.
    """
    index["lists"] = f"lists-{_digest(*contents.values())}"

    def write_lists(folder: Path) -> None:
        for split, content in contents.items():
            (folder / f"{split}.tsv").write_bytes(content)
            os.utime(folder / f"{split}.tsv", (checked, checked))

    make_folder(cache / index["lists"], write_lists)
    (target / _INDEX).write_text(json.dumps(with_checksum(index), indent=1), encoding="utf-8")


def _digest(*contents: bytes) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()[:16]
