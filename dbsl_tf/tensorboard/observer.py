"""Writes a run for TensorBoard: curves of its roles and its evaluations over the commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
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
    NoiseRecord,
)
from dbsl_tf.schedules.calendar import Calendar
from dbsl_tf.tensorboard.event_file import EventFile, NotWritten

NOISE = "noise"


class TensorBoard:
    """Writes event files during a run; a context manager and an observer of the run.

    `small`, `large`, `test`, `validation` and `noise` are separate runs to TensorBoard, so that a
    tag is one chart with a curve for each. Steps are commits; times are those of the mini-epochs
    and evaluations. A resumed run writes new files, and TensorBoard discards everything after the
    checkpoint in the earlier ones, as history.jsonl does. If they cannot be written, as on a full
    disk, nothing more is written and the run goes on.

    Args:
        folder: the folder for the event files of a run.
        after: commits that count from before this process started.
        configuration: the run's configuration, shown as text.
        highest: its highest resolution; evaluations at other resolutions have their own tags.
        report: called with one line if the files cannot be written.
        validation: whether samples are held out for validation; `test` has one point then.
        calendar: of the run; where epochs are not one commit of every worker each, the epochs
            trained by then are drawn over the commits too.
    """

    def __init__(
        self,
        folder: Path,
        after: int,
        configuration: str,
        highest: int,
        report: Callable[[str], None],
        validation: bool = False,
        calendar: Calendar | None = None,
    ) -> None:
        self._calendar = calendar
        self._highest = highest
        self._report = report
        self._folder, self._first_step = folder, after + 1
        self._stack = ExitStack()
        self._files: dict[str, EventFile] = {}
        code = "".join(f"    {line}\n" for line in configuration.splitlines())
        with self._ending_if_not_written():
            for name in (*ROLES, TEST, *([VALIDATION] if validation else [])):
                self._open(name)
            self._files[TEST].text(after + 1, "configuration", code)

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def committed(self, record: CommitRecord) -> None:
        self._write(
            record.role,
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
                **self._epochs(record.commit),
            },
        )

    def evaluated(self, record: EvaluationRecord) -> None:
        size = "" if record.resolution == self._highest else f"_{record.resolution}px"
        self._write(
            record.split,
            record.commit,
            record.started + record.seconds,
            {
                f"loss{size}": record.test_loss,
                **_measures(record.test_accuracy, record.test_metrics, size),
            },
        )

    def noise_measured(self, record: NoiseRecord) -> None:
        """Writes to a run that there is from the first measurement on."""
        with self._ending_if_not_written():
            if self._files and NOISE not in self._files:
                self._open(NOISE)
        values = {
            "batch_noise": record.noise,
            "batch_noise_low": record.low,
            "batch_noise_high": record.high,
        }
        self._write(
            NOISE,
            record.commit,
            record.started + record.seconds,
            {name: value for name, value in values.items() if value is not None},
        )

    def drifted(self, record: DriftRecord) -> None:
        """Writes nothing: history.jsonl has the record."""

    def faulted(self, record: FaultRecord) -> None:
        """Writes nothing: history.jsonl has the record."""

    def _epochs(self, commit: int) -> dict[str, float]:
        calendar = self._calendar
        if calendar is None or (calendar.is_uniform and calendar.mini_epochs_per_epoch == 1):
            return {}
        return {"epoch": calendar.position(commit)}

    def _open(self, name: str) -> None:
        file = EventFile(self._folder / name, self._first_step)
        self._files[name] = self._stack.enter_context(file)

    def _write(self, curve: str, step: int, wall_time: float, values: Mapping[str, float]) -> None:
        with self._ending_if_not_written():
            if curve in self._files:
                self._files[curve].scalars(step, wall_time, values)

    @contextmanager
    def _ending_if_not_written(self) -> Iterator[None]:
        try:
            yield
        except NotWritten as error:
            self._files.clear()
            self._report(f"warning: {error}: TensorBoard shows nothing that follows in this run")


def _measures(accuracy: float | None, metrics: Metrics, suffix: str = "") -> dict[str, float]:
    """Returns the known values by tag."""
    values = {"accuracy": accuracy, **metrics}
    return {f"{name}{suffix}": value for name, value in values.items() if value is not None}
