"""Result files as the programs of the method's authors save them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def save_pickled(path: Path, content: object) -> Path:
    """What numpy.save makes of one object, as the authors call it."""
    array = np.empty((), object)
    array[()] = content
    np.save(path, array, allow_pickle=True)
    return path


def journal_content(epochs: int = 3, workers: int = 4) -> dict[str, list[Any]]:
    """A history of arXiv 2509.26092's program; every worker takes 10 s and validates for 2 s."""
    rows = epochs * workers
    columns: dict[str, list[Any]] = {
        "worker_ID": [row % workers + 1 for row in range(rows)],
        "global_commit_ID": list(range(rows)),
        "local_commit_ID": [row // workers for row in range(rows)],
        "step_ID": [0] * rows,
        "stage_ID": [row // workers for row in range(rows)],
        "train_loss": [4.0 - row / rows for row in range(rows)],
        "train_acc": [row / rows for row in range(rows)],
        "train_time": [10.0] * rows,
        "val_loss": [5.0 - row / rows for row in range(rows)],
        "val_acc": [row / (2 * rows) for row in range(rows)],
        # 7 s of start-up, workers a quarter of a second apart.
        "commit_time": [7 + 12.0 * (row // workers + 1) + row % workers / 4 for row in range(rows)],
    }
    # Records come in the order in which validations end.
    order = [1, 0, *range(2, rows)]
    return {name: [column[row] for row in order] for name, column in columns.items()}


def compsac_content(epochs: int = 3, workers: int = 4) -> dict[str, Any]:
    """A history of COMPSAC 2022's program: tables with a row for the server and unused places."""
    shape = (workers + 1, 2 * epochs)
    tables = {
        name: np.zeros(shape)
        for name in ("push_time", "train_loss", "train_acc", "test_loss", "test_acc")
    }
    for epoch in range(epochs):
        for rank in range(1, workers + 1):
            number = epoch * workers + rank
            tables["push_time"][rank, epoch] = 1_600_000_000 + 12 * (epoch + 1) + rank / 4
            tables["train_loss"][rank, epoch] = 4 / number
            tables["train_acc"][rank, epoch] = number / 100
            tables["test_loss"][rank, epoch] = 5 / number
            tables["test_acc"][rank, epoch] = number / 200
    return {"world_size": workers + 1, "start_time": 1_600_000_000.5, **tables}
