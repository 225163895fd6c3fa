"""Histories as files in the authors' layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dbsl_tf.authors_files.columns import columns_of_events
from dbsl_tf.common.checksums import with_checksum
from dbsl_tf.common.files import write_whole


def save_npz(path: Path, events: Sequence[dict[str, Any]]) -> None:
    """Writes the columns of a history as plain arrays: `numpy.load(path)["val_acc"]`.

    Nothing in it is pickled. See `columns_of_events` for the columns and
    `dbsl_tf.authors_files` for the layout.

    Raises:
        ValueError: see `columns_of_events`.
        UserError: it cannot be written.
    """
    import numpy as np

    columns: dict[str, Any] = {
        name: np.asarray(column) for name, column in columns_of_events(events).items()
    }

    def write(partial: Path) -> None:
        with open(partial, "wb") as file:  # numpy would add .npz to any other name
            np.savez(file, **columns)

    write_whole(path, write)


def save_npy(path: Path, events: Sequence[dict[str, Any]]) -> None:
    """Writes the same columns as the dictionary of lists that the authors' notebooks load.

    They load it with `numpy.load(path, allow_pickle=True).item()`. It has an additional key, a
    checksum.

    Raises:
        ValueError: see `columns_of_events`.
        UserError: it cannot be written.
    """
    import numpy as np

    content = np.empty((), object)
    content[()] = with_checksum(columns_of_events(events))

    def write(partial: Path) -> None:
        with open(partial, "wb") as file:
            np.save(file, content, allow_pickle=True)

    write_whole(path, write)
