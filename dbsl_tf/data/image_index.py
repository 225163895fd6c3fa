"""What was found in a folder of images, kept in a cache until its files change."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import statistics
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from dbsl_tf.common.atomic_folder import make_folder
from dbsl_tf.common.checksums import KEY as CHECKSUM
from dbsl_tf.common.checksums import verified, with_checksum
from dbsl_tf.common.files import TABLE, read_bytes, read_text
from dbsl_tf.common.printing import tell
from dbsl_tf.config.catalogue import IMAGE_FOLDER_SIZE
from dbsl_tf.data.image_check import check_images
from dbsl_tf.data.image_listing import (
    TEST,
    TRAIN,
    class_folders,
    list_images,
    names_beside_classes,
)

_INDEX = "index.json"
_INDEX_VERSION = 3
_LISTS_NAME = re.compile("lists-[0-9a-f]{16}")
# Ten million names.
LARGEST_LIST = 1 << 30


def image_index(directory: Path, cache: Path) -> dict:
    """Returns the cached findings about `directory`, after making them if there are none.

    The splits map class names to readable images, "unreadable" paths to reasons and "states" to
    what the files were like then, "left_out" has lines, "shorter_side" is the median of the
    training images', and "lists" is the folder of the lists inside `cache`.
    """
    folder = cache / f"index-{fingerprint(directory)}"
    if folder.exists():
        try:
            index = _read(folder, cache)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reason = " ".join(str(error).split())[:100]
            tell(f"{folder} is damaged ({reason}); making it again")
        else:
            # One that was mended has the same name as before.
            if index["states"] == states(directory, index["unreadable"]):
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
    if not isinstance(index["shorter_side"], int):
        raise ValueError("it does not say how large the images are")
    if not all(isinstance(line, str) for line in index["left_out"]):
        raise ValueError("it does not say what is left out")
    return index


def states(directory: Path, names: Iterable[str]) -> dict[str, list[int]]:
    """Returns times and sizes of files, by which a mended one is noticed."""
    states = {}
    for name in names:
        try:
            status = (directory / name).stat()
            states[name] = [status.st_mtime_ns, status.st_ctime_ns, status.st_size]
        except OSError:
            states[name] = []
    return states


def fingerprint(directory: Path) -> str:
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
    checked = check_images(directory, files)
    unreadable = checked.unreadable
    sides = [n for name, n in checked.shorter_sides.items() if name.startswith(f"{TRAIN}/")]
    index: dict = {
        "unreadable": unreadable,
        "shorter_side": statistics.median_low(sides) if sides else IMAGE_FOLDER_SIZE,
        "states": states(directory, unreadable),
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
    store_index(index, contents, cache, target, began)


def store_index(
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
