"""What TensorBoard shows of a run: its roles and its evaluations as curves over the commits."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.results.records import CommitRecord, DriftRecord, EvaluationRecord, FaultRecord
from dbsl_tf.tensorboard.event_file import EventFile

TEST = "test"


class TensorBoard:
    """Writes event files as a run goes on; a context manager and an observer of the run.

    `small`, `large` and `test` are runs of their own to TensorBoard, so that a tag is one chart
    with a curve for each. Steps are commits, times those of the mini-epochs and evaluations. A
    run that goes on from a checkpoint writes new files, and what the earlier ones have after that
    checkpoint is dropped by TensorBoard as it is by history.jsonl.

    Args:
        folder: of the event files of a run of training.
        after: commits that count before this process took over.
        configuration: of the run, shown as text.
        highest: its highest resolution; evaluations at others have tags of their own.

    Raises:
        UserError: nothing can be written there.
    """

    def __init__(self, folder: Path, after: int, configuration: str, highest: int) -> None:
        self._highest = highest
        with ExitStack() as stack:
            self._files = {
                name: stack.enter_context(EventFile(folder / name, after + 1))
                for name in (*ROLES, TEST)
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
                "accuracy": record.train_accuracy,
                "learning_rate": record.learning_rate,
                "images_per_second": record.samples / max(record.seconds, 1e-9),
                "staleness": record.staleness,
                "batch": record.batch,
                "resolution": record.resolution,
            },
        )

    def evaluated(self, record: EvaluationRecord) -> None:
        size = "" if record.resolution == self._highest else f"_{record.resolution}px"
        self._files[TEST].scalars(
            record.commit,
            record.started + record.seconds,
            {f"loss{size}": record.test_loss, f"accuracy{size}": record.test_accuracy},
        )

    def drifted(self, record: DriftRecord) -> None:
        """Not shown: history.jsonl tells of it."""

    def faulted(self, record: FaultRecord) -> None:
        """Not shown: history.jsonl tells of it."""
