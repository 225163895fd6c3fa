"""Names images that were replaced or removed after they were checked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dbsl_tf.common.errors import ParameterServerLost, UserError
from dbsl_tf.common.files import read_bytes
from dbsl_tf.data.image_check import unreadable_images
from dbsl_tf.data.image_classification import ImageClassificationData
from dbsl_tf.data.image_folder import LARGEST_LIST, ImageData
from dbsl_tf.data.image_listing import TEST, TRAIN
from dbsl_tf.data.training_data import TrainingData

_NAMED_AT_MOST = 5
# Errors of TensorFlow that files can cause.
_OF_FILES = re.compile("InvalidArgument|DataLoss|NotFound|FailedPrecondition|PermissionDenied")


class ChangedImages(UserError):
    """Images changed after they were checked and can no longer be decoded.

    Args:
        directory: `data.dir`.
        reasons: why, by their paths there.
    """

    def __init__(self, directory: Path, reasons: Mapping[str, str]) -> None:
        named = [f"{name} ({reason})" for name, reason in list(reasons.items())[:_NAMED_AT_MOST]]
        more = len(reasons) - len(named)
        text = ", ".join(named) + (f" and {more} more" if more else "")
        super().__init__(
            f"data.dir is {directory}: {len(reasons)} image(s) changed after they were checked and "
            f"cannot be read: {text}; restore or remove them, and start again"
        )
        self.reasons = reasons


@contextmanager
def naming_changed_images(data: TrainingData) -> Iterator[None]:
    """Where the context fails because images can no longer be decoded, the error names them.

    What decodes an image does not know the name of its file.

    Args:
        data: what is read in the context; nothing is done for data other than image folders.

    Raises:
        ChangedImages: images of this machine have changed since they were checked.
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
        if not changed:
            raise
        raise ChangedImages(files.directory, changed) from error


def _changed(data: ImageData) -> dict[str, str]:
    """Returns the images that have become unreadable, by path in `data.dir`, with the reason."""
    names = []
    for split, file in ((TRAIN, data.train_list), (TEST, data.test_list)):
        try:
            checked, content = file.stat().st_mtime, read_bytes(file, LARGEST_LIST)
        except OSError:
            continue
        for line in content.split(b"\n"):
            name = f"{split}/" + os.fsdecode(line.partition(b"\t")[2])
            if line and _is_newer(data.directory / name, checked):
                names.append(name)
    return unreadable_images(data.directory, names) if names else {}


def _is_newer(path: Path, time: float) -> bool:
    try:
        # Unlike its time of modification, nobody can set this one.
        return path.stat().st_ctime >= time
    except OSError:
        return True
