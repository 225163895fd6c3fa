"""Writes a run for TensorBoard: curves of its roles and its evaluations over the commits."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.results.records import (
    TEST,
    VALIDATION,
    CommitRecord,
    DriftRecord,
    EvaluationRecord,
    FaultRecord,
    Metrics,
)
from dbsl_tf.tensorboard.event_file import EventFile


class TensorBoard:
    """Writes event files during a run; a context manager and an observer of the run.

    `small`, `large`, `test` and `validation` are separate runs to TensorBoard, so that a tag is one
    chart with a curve for each. Steps are commits; times are those of the mini-epochs and
    evaluations. A resumed run writes new files, and TensorBoard discards everything after the
    checkpoint in the earlier ones, as history.jsonl does.

    Args:
        folder: the folder for the event files of a run.
        after: commits that count from before this process started.
        configuration: the run's configuration, shown as text.
        highest: its highest resolution; evaluations at other resolutions have their own tags.
        validation: whether samples are held out for validation; `test` has one point then.

    Raises:
        UserError: the files cannot be written.
    """

    def __init__(
        self, folder: Path, after: int, configuration: str, highest: int, validation: bool = False
    ) -> None:
        self._highest = highest
        with ExitStack() as stack:
            self._files: dict[str, EventFile] = {
                name: stack.enter_context(EventFile(folder / name, after + 1))
                for name in (*ROLES, TEST, *([VALIDATION] if validation else []))
            }
            code = "".join(f"    {line}\n" for line in configuration.splitlines())
            self._files[TEST].text(after + 1, "configuration", code)
            self._stack = stack.pop_all()

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def committed(self, record: CommitRecord) -> None:
        self._files[record.role].scalars(
            record.commit,
            record.started + record.seconds,
            {
                "loss": record.train_loss,
                **_measures(record.train_accuracy, record.train_metrics),
                "learning_rate": record.learning_rate,
                "images_per_second": record.samples / max(record.seconds, 1e-9),
                "staleness": record.staleness,
                "batch": record.batch,
                "resolution": record.resolution,
            },
        )

    def evaluated(self, record: EvaluationRecord) -> None:
        size = "" if record.resolution == self._highest else f"_{record.resolution}px"
        self._files[record.split].scalars(
            record.commit,
            record.started + record.seconds,
            {
                f"loss{size}": record.test_loss,
                **_measures(record.test_accuracy, record.test_metrics, size),
            },
        )

    def drifted(self, record: DriftRecord) -> None:
        """Writes nothing: history.jsonl has the record."""

    def faulted(self, record: FaultRecord) -> None:
        """Writes nothing: history.jsonl has the record."""


def _measures(accuracy: float | None, metrics: Metrics, suffix: str = "") -> dict[str, float]:
    """Returns the known values by tag."""
    values = {"accuracy": accuracy, **metrics}
    return {f"{name}{suffix}": value for name, value in values.items() if value is not None}
