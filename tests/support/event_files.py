"""Reads event files as TensorBoard does, but without it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf


def curves(folder: Path) -> dict[str, dict[int, float]]:
    """Scalars by tag and step, by the rule of TensorBoard: a session drops what is at or after
    its first step in the files before it. A record that is cut short ends a file."""
    curves: dict[str, dict[int, float]] = {}
    for path in sorted(folder.glob("*tfevents*")):
        for event in _whole_events(path):
            if event.HasField("session_log"):
                for curve in curves.values():
                    for step in [step for step in curve if step >= event.step]:
                        del curve[step]
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    curves.setdefault(value.tag, {})[event.step] = value.simple_value
    return curves


def _whole_events(path: Path) -> Iterator[Any]:
    try:
        yield from tf.compat.v1.train.summary_iterator(str(path))
    except tf.errors.DataLossError:
        pass
