"""Callbacks that see more of a run than its epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


class RunCallback(keras.callbacks.Callback):
    """A callback of Keras that is also called for what happens within an epoch.

    Override what you need, beside the methods of `keras.callbacks.Callback`. All of them are called
    in the program's process, one at a time, in the order in which things happened; the training
    goes on meanwhile. What a method gets is a line of the run's history.jsonl, whose keys are the
    attributes of the record that is named.

    Example:
        >>> class Staleness(RunCallback):
        ...     def on_commit(self, record):
        ...         print(record["commit"], record["worker"], record["staleness"])
        >>> Staleness().on_commit({"commit": 3, "worker": 0, "staleness": 1})
        3 0 1
    """

    def on_commit(self, record: Mapping[str, Any]) -> None:
        """A mini-epoch was merged; see `dbsl_tf.results.records.CommitRecord`."""

    def on_evaluation(self, record: Mapping[str, Any]) -> None:
        """The weights were evaluated; see `dbsl_tf.results.records.EvaluationRecord`."""

    def on_drift(self, record: Mapping[str, Any]) -> None:
        """Workers are not as fast as planned; see `dbsl_tf.results.records.DriftRecord`."""

    def on_workers(self, record: Mapping[str, Any]) -> None:
        """Other workers are there than before, and the epoch has a new plan, or none could be made.

        See `dbsl_tf.results.records.WorkersRecord`.
        """

    def on_fault(self, record: Mapping[str, Any]) -> None:
        """The run survived a fault; see `dbsl_tf.results.records.FaultRecord`."""
