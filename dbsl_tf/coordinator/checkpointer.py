"""Checkpoints of a run in progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dbsl_tf.common.errors import UserError
from dbsl_tf.coordinator.record_writer import RecordWriter
from dbsl_tf.engine.background import Background
from dbsl_tf.planning import TimeModel
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.schedules.epoch_shares import SharesTaken
from dbsl_tf.shared_model.shared_model import SharedModel


@dataclass(frozen=True)
class Progress:
    """What the coordinator knows of a run apart from the weights; see `Checkpoint`."""

    clocks: Sequence[int]
    samples: Mapping[int, tuple[int, ...]]
    time_models: Mapping[int, Sequence[TimeModel]]
    batches: Mapping[int, Sequence[int]]
    shares: SharesTaken | None = None


class Checkpointer:
    """Writes checkpoints beside the training; the coordinator writes them, on its own disk.

    Args:
        checkpoints: where they are written.
        shared_model: whose weights are saved.
        records: flushed to the disk before a checkpoint is written.
        wall_seconds: training time before this process took over, in seconds.
        fail: called with the error if a checkpoint cannot be written.
        merge_rule: as the configuration names it.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        shared_model: SharedModel,
        records: RecordWriter,
        wall_seconds: float,
        fail: Callable[[BaseException], None],
        merge_rule: str = "",
    ) -> None:
        self._checkpoints = checkpoints
        self._shared_model = shared_model
        self._merge_rule = merge_rule
        self._records = records
        self._wall_seconds = wall_seconds
        self._began = time.monotonic()
        self._background = Background(fail)
        self._saved: int | None = None

    @property
    def wall_seconds(self) -> float:
        """Training time so far in seconds, without interruptions."""
        return self._wall_seconds + time.monotonic() - self._began

    def begin(self) -> None:
        """Starts the clock of `wall_seconds`."""
        self._began = time.monotonic()

    def save(self, progress: Progress) -> None:
        """Reads the weights now, and writes them while the training goes on.

        Call it while nothing is being merged.
        """
        # Before that it is not known what is saved.
        self._background.wait()
        checkpoint = self._take(progress)
        if checkpoint is not None:
            self._background.start(lambda: self._write(checkpoint))

    def save_and_wait(self, progress: Progress) -> None:
        """Saves as `save` does, and waits until the checkpoint is written.

        Raises:
            UserError: the checkpoint cannot be written.
            ParameterServerLost: the weights cannot be read.
        """
        self._background.wait()
        checkpoint = self._take(progress)
        if checkpoint is not None:
            self._write(checkpoint)

    def _write(self, checkpoint: Checkpoint) -> None:
        # Otherwise, after a power failure, a run could be resumed from a checkpoint that contains
        # commits without their records.
        self._records.sync()
        try:
            self._checkpoints.save(checkpoint)
        except UserError:
            # If the directory has gone meanwhile, that is the error to tell.
            self._records.sync()
            raise
        self._saved = checkpoint.commit

    def _take(self, progress: Progress) -> Checkpoint | None:
        """Returns the present state; None if it is already saved."""
        state = self._shared_model.state()
        if state.commit == self._saved:
            return None
        averaging = self._shared_model.averaging
        return Checkpoint(
            commit=state.commit,
            clocks=tuple(progress.clocks),
            samples=dict(progress.samples),
            wall_seconds=self.wall_seconds,
            time_models={
                resolution: tuple(
                    (m.seconds_per_sample, m.seconds_per_batch, m.seconds_per_mini_epoch)
                    for m in models
                )
                for resolution, models in progress.time_models.items()
            },
            weights=state.weights,
            optimizer_state=state.optimizer_state,
            merge_state=state.merge_state,
            merge_rule=self._merge_rule,
            average=state.average,
            averaging=averaging.begun if averaging else None,
            batches={resolution: tuple(sizes) for resolution, sizes in progress.batches.items()},
            shares=progress.shares,
        )

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the checkpoint in progress is written, at most `timeout` seconds."""
        self._background.wait(timeout)
