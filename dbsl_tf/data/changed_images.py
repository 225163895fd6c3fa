"""Names images that were replaced or removed after they were checked."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from dbsl_tf.common.errors import ParameterServerLost, UserError
from dbsl_tf.common.files import read_bytes
from dbsl_tf.common.first_few import first_few
from dbsl_tf.data.image_check import check_images
from dbsl_tf.data.image_classification import ImageClassificationData
from dbsl_tf.data.image_folder import LARGEST_LIST, ImageData
from dbsl_tf.data.image_listing import TEST, TRAIN
from dbsl_tf.data.training_data import TrainingData

# Errors of TensorFlow that files can cause.
_OF_FILES = re.compile("InvalidArgument|DataLoss|NotFound|FailedPrecondition|PermissionDenied")


class ChangedImages(UserError):
    """Images changed after they were checked and can no longer be decoded.

    Args:
        directory: `data.dir`; None: those of workers, while that of the chief has not changed.
        reasons: why, by their paths there.
    """

    def __init__(self, directory: Path | None, reasons: Mapping[str, str]) -> None:
        named = (f"{name} ({reason})" for name, reason in reasons.items())
        place = f"data.dir is {directory}" if directory else "data.dir of the workers"
        super().__init__(
            f"{place}: {len(reasons)} image(s) changed after they were checked and cannot be read: "
            f"{first_few(named, len(reasons))}; restore or remove them, and start again"
        )
        self.directory = directory
        self.reasons = reasons


@contextmanager
def naming_changed_images(
    data: TrainingData, elsewhere: Callable[[ImageData], Mapping[str, str]] | None = None
) -> Iterator[None]:
    """Where the context fails because images can no longer be decoded, the error names them.

    What decodes an image does not know the name of its file.

    Args:
        data: what is read in the context; nothing is done for data other than image folders.
        elsewhere: called if no image of this machine has changed; returns the images that workers
            cannot decode, by path in their `data.dir`, and why. None: there are no other copies.

    Raises:
        ChangedImages: images have changed since they were checked.
    """
    try:
        yield
    except (UserError, ParameterServerLost):
        raise
    except Exception as error:
        files = data.files if isinstance(data, ImageClassificationData) else None
        if not isinstance(files, ImageData) or not _OF_FILES.search(f"{type(error)} {error}"):
            raise
        changed = _changed(files)
        directory: Path | None = files.directory
        if not changed and elsewhere is not None:
            # Whatever happens meanwhile, what failed first is what is reported.
            with suppress(Exception):
                directory, changed = None, dict(elsewhere(files))
        if not changed:
            raise
        raise ChangedImages(directory, changed) from error


def listed_images(split: str, file: Path) -> list[str]:
    """Returns the paths in `data.dir` of the images in the list of a split, in its order.

    Raises:
        OSError: the list cannot be read.
    """
    lines = read_bytes(file, LARGEST_LIST).split(b"\n")
    return [f"{split}/" + os.fsdecode(line.partition(b"\t")[2]) for line in lines if line]


def _changed(data: ImageData) -> dict[str, str]:
    """Returns the images that have become unreadable, by path in `data.dir`, with the reason."""
    names: list[str] = []
    for split, file in ((TRAIN, data.train_list), (TEST, data.test_list)):
        try:
            checked, listed = file.stat().st_mtime, listed_images(split, file)
        except OSError:
            continue
        names += [name for name in listed if _is_newer(data.directory / name, checked)]
    return check_images(data.directory, names).unreadable if names else {}


def _is_newer(path: Path, time: float) -> bool:
    try:
        # Unlike its time of modification, nobody can set this one.
        return path.stat().st_ctime >= time
    except OSError:
        return True
