"""A training from its first mini-epoch to its last evaluation and checkpoint."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NoReturn

import numpy as np

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.cluster.task import PARAMETER_SERVER
from dbsl_tf.common.errors import ClusterError, ParameterServerLeaving, UserError
from dbsl_tf.coordinator.checkpointer import Checkpointer
from dbsl_tf.coordinator.components import Components, build_components
from dbsl_tf.coordinator.evaluator import Evaluations
from dbsl_tf.coordinator.mini_epochs import MiniEpochs
from dbsl_tf.coordinator.noise_meter import EpochNoise, Measurement
from dbsl_tf.coordinator.record_writer import RecordWriter
from dbsl_tf.coordinator.supervision import Shutdown, Supervision
from dbsl_tf.data.training_data import TrainingData
from dbsl_tf.engine.background import in_thread
from dbsl_tf.engine.engine import Engine
from dbsl_tf.engine.failures import naming_lost_servers
from dbsl_tf.engine.stalls import StallWatch
from dbsl_tf.engine.watched_run import run_watched
from dbsl_tf.resolved import ResolvedRun
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.records import CommitRecord, FaultKind, FaultRecord, Observer, Split

# Seconds between two checks whether an evaluation has ended, or the run.
_PERIOD = 0.2


class Trainer:
    """Trains with as many mini-epochs in flight as workers take part; see `MiniEpochs`.

    Args:
        run: what to train.
        components: what trains it; `build_components` makes those of a run's settings.
        checkpoints: where checkpoints are kept.
        checkpoint: where to resume, the same as for the components; None: at the beginning.
        observers: get the record of every commit, evaluation, drift and fault, in order.
        check: called repeatedly during the training; what it raises ends the training.
    """

    def __init__(
        self,
        run: ResolvedRun,
        components: Components,
        checkpoints: Checkpoints,
        checkpoint: Checkpoint | None = None,
        observers: Sequence[Observer] = (),
        check: Callable[[], None] = lambda: None,
    ) -> None:
        engine, calendar = components.engine, run.settings.calendar
        self._engine = engine
        self._calendar = calendar
        self._evaluator = components.evaluator
        self._shared_model = components.shared_model
        self._check = check
        self._records = RecordWriter(observers)
        self._noise = EpochNoise(components.noise_meter, run, self._records.noise_measured)
        self._shutdown = Shutdown()
        self._stalls = StallWatch(engine, engine.limits.patience)
        self._evaluations = Evaluations(
            components.evaluator,
            calendar,
            self._records.evaluated,
            checkpoints.statistics.save,
            self._shutdown.fail,
        )
        self._checkpointer = Checkpointer(
            checkpoints,
            components.shared_model,
            self._records,
            checkpoint.wall_seconds if checkpoint else 0.0,
            self._shutdown.fail,
            run.settings.merge.rule,
        )
        self._mini_epochs = MiniEpochs(
            run,
            components,
            checkpoint,
            Supervision(self._records, self._shutdown, self._stalls),
            self._evaluations,
            self._committed,
        )
        self._threads: list[threading.Thread] = []
        self._stopped_early = self._closing = False
        self._evaluation_may_begin: Callable[[], bool] = lambda: True
        self._records.start(self._shutdown.fail)
        self._never_there = set(engine.membership.absent)
        engine.membership.subscribe(self._membership_changed)

    @property
    def engine(self) -> Engine:
        """The connected cluster."""
        return self._engine

    @property
    def wall_seconds(self) -> float:
        """Training time so far in seconds, including that before interruptions."""
        return self._checkpointer.wall_seconds

    def warm_up(self, check: Callable[[], None] = lambda: None) -> None:
        """Makes every worker load the closures; nothing is trained.

        Args:
            check: called repeatedly in the meantime; what it raises ends the loading.

        Raises:
            ClusterError: a parameter server or every worker was lost.
        """

        @naming_lost_servers()
        def load() -> None:
            self._mini_epochs.load()
            self._evaluator.warm_up()
            self._noise.warm_up()

        def look() -> None:
            check()
            self._check_departures()

        try:
            run_watched(load, look, self._engine.limits.standstill)
        except ParameterServerLeaving:
            self._engine.departures.release()
            raise

    def run(self, evaluate_first: Sequence[Split] = ()) -> None:
        """Trains to the end, including the last evaluation and checkpoint.

        Args:
            evaluate_first: what to evaluate the initial weights on.

        Raises:
            UserError: the training diverged.
            ParameterServerLeaving: a parameter server was asked to end; the weights are saved.
            ClusterError: a parameter server or every worker was lost.
        """
        try:
            self._checkpointer.begin()
            run_watched(partial(self._begin, evaluate_first), self._look)
            for _ in range(self._engine.workers):
                self._threads.append(in_thread(self._mini_epochs.train, self._shutdown.fail))
            # Not joined: a thread that waits for a hung worker may never return.
            while self._shutdown.failure is None and not self._done():
                time.sleep(0.05)
                self._look()
            self._raise_failure()
        except ParameterServerLeaving as leaving:
            self._save_before(leaving)
        finally:
            self.stop()
            # What an observer has raised is already known.
            with suppress(Exception):
                self._records.flush(self._engine.limits.call)

    def stop(self) -> None:
        """Begins nothing more and merges nothing more."""
        self._shutdown.stop()

    def stop_early(self) -> None:
        """Has `run` end in order, after the mini-epochs in flight, an evaluation and a checkpoint.

        It trains no more than one mini-epoch of every worker after this.
        """
        self._stopped_early = True
        self._mini_epochs.stop_early()

    def hold_evaluations(self, may_begin: Callable[[], bool]) -> None:
        """Lets an evaluation, and the training with it, wait until `may_begin` returns True.

        Until then, the weights that `weights` returns are those of the previous one.
        """
        self._evaluation_may_begin = may_begin

    def scale_learning_rates(self, factor: float) -> None:
        """Multiplies the schedule's learning rates by a factor from the next mini-epochs on."""
        self._mini_epochs.learning_rate_factor = factor

    def weights(self) -> list[np.ndarray]:
        """Returns the weights that were evaluated last, or else those at the beginning."""
        return self._shared_model.read_snapshot()

    def save_now(self, check: Callable[[], None]) -> None:
        """Saves the weights as they are, after `stop`.

        Args:
            check: called repeatedly in the meantime; what it raises ends the saving.

        Raises:
            ClusterError: the weights cannot be read from a parameter server.
            UserError: they cannot be written.
        """

        @naming_lost_servers()
        def save() -> None:
            with self._mini_epochs.ordering:
                self._checkpointer.save_and_wait(self._mini_epochs.progress)

        def look() -> None:
            check()
            # What is still in progress, and has to end before the saving, may hang.
            self._stalls.check()

        run_watched(save, look, self._engine.limits.standstill)

    def _begin(self, evaluate_first: Sequence[Split]) -> None:
        # The history must never be ahead of the first checkpoint.
        self._save()
        self._checkpointer.wait()
        if evaluate_first:
            highest = self._evaluator.highest
            self._evaluate(self._mini_epochs.merged, [(split, highest) for split in evaluate_first])

    def _look(self) -> None:
        self._check()
        self._check_departures()
        self._stalls.check()

    def _check_departures(self) -> None:
        servers = self._engine.departures.leaving
        names = [server.name for server in servers if server.role == PARAMETER_SERVER]
        if names:
            raise ParameterServerLeaving(f"{' and '.join(names)} was asked to end, by SIGTERM")

    def _save_before(self, leaving: ParameterServerLeaving) -> NoReturn:
        """Saves the weights before a parameter server leaves with them."""
        self.stop()
        try:
            self.save_now(self._check)
        except (ClusterError, UserError):
            self._engine.departures.release()
            raise
        # Not after Ctrl-C, which saves too.
        self._engine.departures.release()
        raise ParameterServerLeaving(f"{leaving}: commit {self._mini_epochs.merged} is saved")

    def _done(self) -> bool:
        if self._stopped_early and not self._mini_epochs.finished:
            if not self._mini_epochs.will_merge_nothing_more(self._threads):
                return False
            if not self._closing:
                self._closing = True
                run_watched(self._close_early, self._look)
        elif not self._mini_epochs.finished:
            return False
        if self._evaluations.busy:
            return False
        self._checkpointer.wait()
        self._records.flush()
        return True

    def _close_early(self) -> None:
        with self._mini_epochs.ordering:
            self._save()
            due = self._evaluator.due(self._evaluator.highest, at_the_end=True)
            self._evaluate(self._mini_epochs.merged, due)

    def _raise_failure(self) -> None:
        if self._shutdown.failure is not None:
            # A server that has ended explains more than the call that failed because of it.
            self._check()
            raise self._shutdown.failure

    def _committed(self, record: CommitRecord) -> None:
        if self._calendar.checkpoint_due(record.commit):
            self._save()
        due: Sequence[tuple[Split, int]] = ()
        if self._calendar.evaluation_due(record.commit):
            at_the_end = record.commit == self._calendar.total
            due = self._evaluator.due(record.resolution, at_the_end)
        noise = self._noise.due(record)
        if due or noise:
            self._evaluate(record.commit, due, noise)

    def _save(self) -> None:
        # A slow disk must not count as a hung server.
        self._checkpointer.wait()
        with self._stalls.bounded("read the weights"):
            self._checkpointer.save(self._mini_epochs.progress)

    def _evaluate(
        self, commit: int, due: Sequence[tuple[Split, int]], noise: Measurement | None = None
    ) -> None:
        """Begins to evaluate the weights of this very commit while the training goes on."""
        while self._evaluations.busy and not self._shutdown.begun:
            self._evaluations.wait(_PERIOD)
        while not (self._shutdown.begun or self._evaluation_may_begin()):
            time.sleep(0.01)
        if self._shutdown.begun:
            return
        with self._stalls.bounded("copy the weights"):
            self._evaluations.begin(commit, due, noise)

    def _membership_changed(self, worker: int, reason: str | None) -> None:
        if self._shutdown.begun:
            return
        kind: FaultKind
        if reason is None:
            joins = "joined" if worker in self._never_there else "rejoined"
            self._never_there.discard(worker)
            kind, message = "back", f"worker {worker} has {joins}"
        else:
            kind = "absent"
            message = f"worker {worker} is left out ({reason}); others train its share"
        self._records.faulted(FaultRecord(self._mini_epochs.merged, kind, worker, message))


@naming_lost_servers()
def build_trainer(
    run: ResolvedRun,
    data: TrainingData,
    cluster: ReadyCluster,
    checkpoints: Checkpoints,
    checkpoint: Checkpoint | None,
    observers: Sequence[Observer],
    check: Callable[[], None],
) -> Trainer:
    """Connects to the cluster and builds everything that trains on it.

    Args:
        run: what to train.
        data: to train and to test on; files are at the same paths on every worker.
        cluster: whose servers answer.
        checkpoints, checkpoint, observers, check: see `Trainer`.

    Raises:
        ClusterError: a parameter server was lost.
    """
    components = build_components(run.settings, data, cluster, checkpoint)
    return Trainer(run, components, checkpoints, checkpoint, observers, check)
