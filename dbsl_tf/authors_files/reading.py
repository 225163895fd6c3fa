"""Reads the authors' result files without executing anything in them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from dbsl_tf.authors_files.columns import COLUMNS, MEASURED
from dbsl_tf.common.checksums import verified
from dbsl_tf.common.errors import UserError, reason_of
from dbsl_tf.common.files import read_bytes
from dbsl_tf.common.plain_pickle import ARRAYS_AND_SCALARS, RefusedPickle, load_plain, plain

# A history of 1,000 epochs of 1,000 workers would be smaller.
LARGEST = 64 * 2**20
_COMPSAC_COLUMNS = ("push_time", "train_loss", "train_acc", "test_loss", "test_acc")


@dataclass(frozen=True)
class AuthorsCommit:
    """One commit; times in seconds from the start of the run.

    Attributes:
        commit: from 1.
        worker: index from 0, the small-batch workers first.
        started: when its mini-epoch began.
        seconds: how long the mini-epoch took. In the COMPSAC layout this includes the worker's
            evaluation of the previous commit, which that layout does not separate.
        train_loss, train_accuracy: of the mini-epoch.
        test_loss, test_accuracy: of the global weights after it; None where not evaluated.
        evaluated: when that evaluation was done.
    """

    commit: int
    worker: int
    started: float
    seconds: float
    train_loss: float
    train_accuracy: float
    test_loss: float | None
    test_accuracy: float | None
    evaluated: float


@dataclass(frozen=True)
class AuthorsHistory:
    """The content of a file.

    Attributes:
        layout: which of the authors' programs wrote it.
        workers: n.
        commits: all commits, in order.
    """

    layout: Literal["journal", "compsac"]
    workers: int
    commits: tuple[AuthorsCommit, ...]


def read_history(path: Path) -> AuthorsHistory:
    """Reads a `.npy` file in one of the layouts of `dbsl_tf.authors_files`.

    Raises:
        UserError: the file cannot be read, is not in one of the layouts, or its pickle refers to
            anything but plain containers, numbers, text and numpy arrays. Nothing in it is
            executed.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise UserError(
                f"{path}: {size:,} bytes, far more than a history needs; give a result file of "
                "the authors"
            )
        content = _content(read_bytes(path, LARGEST))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; give a readable file") from error
    except RefusedPickle as error:
        raise UserError(
            f"{path}: the pickle refers to {error}, which a history never needs; it was not "
            "executed. Do not trust the file"
        ) from error
    except UserError:
        raise
    except Exception as error:  # A corrupt pickle can raise nearly any exception.
        raise _foreign(path, error) from error
    try:
        if not isinstance(content, dict):
            raise ValueError("it does not hold a dictionary")
        content = verified(content)
        if "push_time" in content:
            return _compsac(content)
        return _journal(content)
    except (ValueError, TypeError, OverflowError) as error:
        raise _foreign(path, error) from error


def _foreign(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path}: not a result file of the authors ({reason_of(error):.200}); give a .npy file "
        "that their program saved"
    )


def _content(file: bytes) -> Any:
    """Returns the dictionary in a .npy file whose array is one pickled object."""
    from io import BytesIO

    from numpy.lib import format as npy

    stream = BytesIO(file)
    version = npy.read_magic(stream)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.kind != "O" or shape != ():
        raise ValueError(f"its array of {dtype} of shape {shape} is not one dictionary")
    pickled = plain(load_plain(stream.read(), encoding="latin1", admitted=ARRAYS_AND_SCALARS))
    if not isinstance(pickled, list) or len(pickled) != 1:
        raise ValueError("its array holds more than one object")
    return pickled[0]


def _journal(content: Mapping[str, Any]) -> AuthorsHistory:
    columns = {name: _numbers(content, name) for name in COLUMNS}
    if MEASURED in content:
        columns[MEASURED] = _numbers(content, MEASURED)
    rows = len(columns["worker_ID"])
    for name, column in columns.items():
        if len(column) != rows:
            raise ValueError(f"{name} has {len(column)} entries, worker_ID {rows}")
    if not rows:
        raise ValueError("it has no commit")
    ranks = [_whole("worker_ID", value) for value in columns["worker_ID"]]
    numbers = [_whole("global_commit_ID", value) for value in columns["global_commit_ID"]]
    if len(set(numbers)) != rows:
        raise ValueError("a global_commit_ID occurs twice")
    if missing := set(range(rows)).difference(numbers):
        raise ValueError(f"global_commit_ID lacks {min(missing)}")
    first = min(1, min(ranks))  # Rank 0 is the server's, where it is not a worker's.
    commits = []
    order = sorted(range(rows), key=numbers.__getitem__)
    starts = _starts(order, ranks, columns)
    for row in order:
        measured = MEASURED not in columns or bool(columns[MEASURED][row])
        commits.append(
            AuthorsCommit(
                commit=numbers[row] + 1,
                worker=ranks[row] - first,
                started=starts[row],
                seconds=_finite("train_time", columns["train_time"][row]),
                train_loss=_finite("train_loss", columns["train_loss"][row]),
                train_accuracy=_finite("train_acc", columns["train_acc"][row]),
                test_loss=_finite("val_loss", columns["val_loss"][row]) if measured else None,
                test_accuracy=_finite("val_acc", columns["val_acc"][row]) if measured else None,
                evaluated=_finite("commit_time", columns["commit_time"][row]),
            )
        )
    return AuthorsHistory("journal", max(ranks) - first + 1, tuple(commits))


def _starts(
    order: Sequence[int], ranks: Sequence[int], columns: Mapping[str, list[float]]
) -> list[float]:
    """Returns when each mini-epoch began, which is when its worker finished the previous one.

    A worker's first mini-epoch follows its start-up, so its beginning is estimated: the time from
    the end of training to the record is assumed to be the same as for its other mini-epochs.
    """
    ended: dict[int, float] = {}
    begun: dict[int, float | None] = {}
    gaps: dict[int, list[float]] = {}
    for row in order:
        rank, end = ranks[row], _finite("commit_time", columns["commit_time"][row])
        begun[row] = ended.get(rank)
        if rank in ended:
            trained = _finite("train_time", columns["train_time"][row])
            gaps.setdefault(rank, []).append(max(0.0, end - ended[rank] - trained))
        ended[rank] = end
    starts = [0.0] * len(ranks)
    for row, start in begun.items():
        if start is None:
            gap = median(gaps[ranks[row]]) if ranks[row] in gaps else 0.0
            start = columns["commit_time"][row] - columns["train_time"][row] - gap
        starts[row] = max(0.0, start)
    return starts


def _compsac(content: Mapping[str, Any]) -> AuthorsHistory:
    import numpy as np

    tables = {name: _table(content, name) for name in _COMPSAC_COLUMNS}
    times = tables["push_time"]
    for name, table in tables.items():
        if table.shape != times.shape:
            raise ValueError(f"{name} has the shape {table.shape}, push_time {times.shape}")
    begin = _finite("start_time", content.get("start_time"))
    # Row 0 is the server's. Places that no mini-epoch has used hold 0.
    pushes = sorted(
        (_finite("push_time", float(times[rank, place])), int(rank), int(place))
        for rank, place in np.argwhere(times)
        if rank > 0
    )
    if not pushes:
        raise ValueError("it has no commit")
    commits, before = [], {rank: begin for rank in range(times.shape[0])}
    for number, (time, rank, place) in enumerate(pushes, 1):
        values = {
            name: _finite(name, float(table[rank, place]))
            for name, table in tables.items()
            if name != "push_time"
        }
        commits.append(
            AuthorsCommit(
                commit=number,
                worker=rank - 1,
                started=before[rank] - begin,
                seconds=time - before[rank],
                train_loss=values["train_loss"],
                train_accuracy=values["train_acc"],
                test_loss=values["test_loss"],
                test_accuracy=values["test_acc"],
                evaluated=time - begin,
            )
        )
        before[rank] = time
    return AuthorsHistory("compsac", times.shape[0] - 1, tuple(commits))


def _numbers(content: Mapping[str, Any], name: str) -> list[float]:
    """Returns a column, a list or one-dimensional array, as numbers."""
    import numpy as np

    if name not in content:
        raise ValueError(f"{name} is missing")
    values = content[name]
    if isinstance(values, np.ndarray) and values.ndim == 1:
        values = values.tolist()
    if not isinstance(values, list):
        raise ValueError(f"{name} is not a list")
    for value in values:
        if not isinstance(value, (int, float)):
            raise ValueError(f"{name} holds a {type(value).__name__}")
    return values


def _table(content: Mapping[str, Any], name: str) -> Any:
    import numpy as np

    table = content.get(name)
    if not (isinstance(table, np.ndarray) and table.ndim == 2 and table.shape[0] > 1):
        raise ValueError(f"{name} is not a table with a row for each worker")
    return table


def _whole(name: str, value: float) -> int:
    if int(value) != value or not 0 <= value < 2**31:
        raise ValueError(f"{name} has {value}, which is not the number of a worker or commit")
    return int(value)


def _finite(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} has {str(value)[:40]}, which is not a finite number")
    return float(value)
