"""Whether the images of a folder that can be read are enough to train on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.first_few import AT_MOST, first_few
from dbsl_tf.common.printing import tell
from dbsl_tf.common.visible import visible
from dbsl_tf.data.image_listing import TEST, TRAIN


def check_unreadable(directory: Path, unreadable: Mapping[str, str], max_bad_files: int) -> None:
    """Prints unreadable images; raises UserError if there are too many.

    Args:
        directory: `data.dir`.
        unreadable: reasons by path.
        max_bad_files: `data.max_bad_files`.
    """
    if not unreadable:
        return
    named = [visible(f"{name} ({reason})") for name, reason in sorted(unreadable.items())]
    if len(named) <= max_bad_files:
        tell("\n  ".join([f"{len(named)} unreadable image(s) left out:", *named]))
        return
    few = first_few(named, len(named))
    if len(named) > AT_MOST:
        tell("\n".join(named))
        few += ", listed above"
    raise UserError(
        f"data.dir is {directory}, which has {len(named)} unreadable image(s), more than "
        f"data.max_bad_files={max_bad_files}: {few}; replace "
        "or remove them, or raise data.max_bad_files to leave them out"
    )


def check_every_class(directory: Path, train: Mapping[str, int], test: Mapping[str, int]) -> None:
    """Raises UserError if a class has no training image, or none has a test image.

    Args:
        directory: `data.dir`.
        train, test: the readable images of each class.
    """
    for name, count in train.items():
        if count == 0:
            raise UserError(
                f"data.dir is {directory}: {directory / TRAIN / name} has no readable image; add "
                "JPEG, PNG or WebP files, or remove the class"
            )
    if sum(test.values()) == 0:
        raise UserError(
            f"data.dir is {directory}: {directory / TEST} has no readable image; add JPEG, PNG "
            "or WebP files"
        )
