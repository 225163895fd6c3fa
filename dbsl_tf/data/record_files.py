"""Checks the record files on disk; `RecordData` stands for files that have passed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.catalogue import RecordDataset

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class RecordData:
    """A data set with complete and checked record files, in the order of the spec."""

    spec: RecordDataset
    train_files: tuple[Path, ...]
    test_files: tuple[Path, ...]


def has_record_files(spec: RecordDataset, folder: Path) -> bool:
    """Returns whether `folder` holds at least one file named like a record file of `spec`."""
    return any((folder / name).is_file() for name in spec.train_files + spec.test_files)


def checked_data(spec: RecordDataset, folder: Path) -> RecordData:
    """Returns the record files in `folder` after checking their sizes and labels.

    Only the label byte of each record is examined, so this takes a fraction of a second.

    Raises:
        UserError: a file is missing, has the wrong size or holds a label that the data set does
            not have, or a class has no record.
    """
    train_files = tuple(folder / name for name in spec.train_files)
    test_files = tuple(folder / name for name in spec.test_files)
    _check_split(spec, train_files, spec.train_records_per_file)
    _check_split(spec, test_files, spec.test_records_per_file)
    return RecordData(spec, train_files, test_files)


def _check_split(spec: RecordDataset, files: tuple[Path, ...], records: int) -> None:
    import numpy as np

    counts = np.zeros(256, np.int64)
    for path in files:
        counts += np.bincount(_labels(spec, path, records), minlength=256)
    absent = np.flatnonzero(counts[: spec.classes] == 0)
    if absent.size:
        names = ", ".join(path.name for path in files)
        raise UserError(
            f"{files[0].parent}: no record of class {absent[0]} in {names}, expected all "
            f"{spec.classes} classes of {spec.name}; the data is not {spec.name} or is corrupt: "
            f"{_remedy(spec)}"
        )


def _labels(spec: RecordDataset, path: Path, records: int) -> np.ndarray:
    """Returns the used label of every record, uint8 [records]; raises UserError."""
    import numpy as np

    expected = records * spec.record_bytes
    try:
        size = path.stat().st_size
        if size != expected:
            raise UserError(
                f"{path}: {size} bytes, expected {expected} ({records} records of "
                f"{spec.record_bytes} bytes, {spec.name}); the file is truncated or is not "
                f"{spec.name}: {_remedy(spec)}"
            )
        content = np.memmap(path, np.uint8, mode="r", shape=(records, spec.record_bytes))
        # Copied, as a view would keep the whole file mapped.
        labels = np.array(content[:, spec.label_bytes - 1])
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror or error}, expected a readable file of {expected} bytes "
            f"({spec.name}): {_remedy(spec)}"
        ) from error
    if labels.max() >= spec.classes:
        record = int(np.argmax(labels >= spec.classes))
        raise UserError(
            f"{path}: label {labels[record]} in record {record}, expected 0 to "
            f"{spec.classes - 1}; the file is not {spec.name} or is corrupt: {_remedy(spec)}"
        )
    return labels


def _remedy(spec: RecordDataset) -> str:
    if spec.archive is None:
        return f"delete the folder {spec.folder}; it will be created again."
    return (
        f"put the official file of {spec.archive.file_name} in its place, or remove the folder "
        f"{spec.folder} to have it made or downloaded again."
    )
