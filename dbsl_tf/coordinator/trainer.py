"""A training from its first mini-epoch to its last evaluation and checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.coordinator.checkpointer import Checkpointer
from dbsl_tf.coordinator.components import Components, build_components
from dbsl_tf.coordinator.evaluator import Evaluations
from dbsl_tf.coordinator.mini_epochs import MiniEpochs
from dbsl_tf.coordinator.record_writer import RecordWriter
from dbsl_tf.coordinator.supervision import Ending, Supervision
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.engine.background import in_thread
from dbsl_tf.engine.engine import Engine
from dbsl_tf.engine.failures import naming_lost_servers
from dbsl_tf.engine.stalls import StallWatch
from dbsl_tf.engine.watched_run import run_watched
from dbsl_tf.resolved import ResolvedRun
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.records import CommitRecord, FaultKind, FaultRecord, Observer

# How often it is looked whether an evaluation has ended, or is not waited for any more; seconds.
_PERIOD = 0.2


class Trainer:
    """Trains: as many mini-epochs in flight as workers take part (see `MiniEpochs`).

    Args:
        run: what to train.
        components: what trains it; those of a configuration are made by `build_components`.
        checkpoints: where to keep them.
        checkpoint: what to go on from, as the components do; None: the run begins.
        observers: told of every commit, evaluation, drift and fault, in order.
        check: called again and again while the training goes on; what it raises ends it.
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
        self._check = check
        self._records = RecordWriter(observers)
        self._ending = Ending()
        self._stalls = StallWatch(engine, engine.limits.patience)
        self._evaluations = Evaluations(
            components.evaluator, calendar, self._records.evaluated, self._ending.fail
        )
        self._checkpointer = Checkpointer(
            checkpoints,
            components.shared_model,
            self._records,
            checkpoint.wall_seconds if checkpoint else 0.0,
            self._ending.fail,
        )
        self._mini_epochs = MiniEpochs(
            run,
            components,
            checkpoint,
            Supervision(self._records, self._ending, self._stalls),
            self._evaluations,
            self._committed,
        )
        self._records.start(self._ending.fail)
        engine.membership.subscribe(self._membership_changed)

    @property
    def engine(self) -> Engine:
        """The connected cluster."""
        return self._engine

    @property
    def wall_seconds(self) -> float:
        """Time trained so far, also before interruptions."""
        return self._checkpointer.wall_seconds

    def warm_up(self, check: Callable[[], None] = lambda: None) -> None:
        """Have every worker load the closures; nothing is trained.

        Args:
            check: called again and again meanwhile; what it raises ends it.

        Raises:
            ClusterError: a parameter server or every worker is gone.
        """

        @naming_lost_servers()
        def load() -> None:
            self._mini_epochs.load()
            self._evaluator.warm_up()

        run_watched(load, check, self._engine.limits.standstill)

    def run(self, evaluate_first: bool = False) -> None:
        """Train to the end, the last evaluation and checkpoint included.

        Args:
            evaluate_first: whether the weights to begin with are still to be evaluated.

        Raises:
            UserError: the training diverged.
            ClusterError: a parameter server or every worker is gone.
        """
        try:
            self._checkpointer.begin()
            run_watched(partial(self._begin, evaluate_first), self._look)
            for _ in range(self._engine.workers):
                in_thread(self._mini_epochs.train, self._ending.fail)
            # A thread that waits for a worker that hangs need not come back.
            while self._ending.failure is None and not self._done():
                time.sleep(0.05)
                self._look()
            self._raise_failure()
        finally:
            self.stop()
            # What an observer has raised is known already.
            with suppress(Exception):
                self._records.flush(self._engine.limits.call)

    def stop(self) -> None:
        """Begin nothing more and merge nothing more."""
        self._ending.stop()

    def save_now(self, check: Callable[[], None]) -> None:
        """After `stop`: save the weights as they are.

        Args:
            check: called again and again meanwhile; what it raises ends it.

        Raises:
            ClusterError: a parameter server does not give them.
            UserError: they cannot be written.
        """

        @naming_lost_servers()
        def save() -> None:
            with self._mini_epochs.ordering:
                self._checkpointer.save_and_wait(self._mini_epochs.progress)

        def look() -> None:
            check()
            # Something may be under way still that no saving can come before.
            self._stalls.check()

        run_watched(save, look, self._engine.limits.standstill)

    def _begin(self, evaluate_first: bool) -> None:
        # History must never be ahead of the first checkpoint.
        self._save()
        self._checkpointer.wait()
        if evaluate_first:
            self._evaluate(self._mini_epochs.merged, self._evaluator.highest)

    def _look(self) -> None:
        self._check()
        self._stalls.check()

    def _done(self) -> bool:
        if not self._mini_epochs.finished or self._evaluations.busy:
            return False
        self._checkpointer.wait()
        self._records.flush()
        return True

    def _raise_failure(self) -> None:
        if self._ending.failure is not None:
            # A server that ended says more than the call that failed for it.
            self._check()
            raise self._ending.failure

    def _committed(self, record: CommitRecord) -> None:
        if self._calendar.checkpoint_due(record.commit):
            self._save()
        if self._calendar.evaluation_due(record.commit):
            self._evaluate(record.commit, record.resolution)

    def _save(self) -> None:
        # A slow disk is no server that hangs.
        self._checkpointer.wait()
        with self._stalls.bounded("read the weights"):
            self._checkpointer.save(self._mini_epochs.progress)

    def _evaluate(self, commit: int, resolution: int) -> None:
        """Begin an evaluation of the weights of this very commit beside the training."""
        while self._evaluations.busy and not self._ending.begun:
            self._evaluations.wait(_PERIOD)
        if self._ending.begun:
            return
        with self._stalls.bounded("copy the weights"):
            self._evaluations.begin(commit, resolution)

    def _membership_changed(self, worker: int, reason: str | None) -> None:
        if self._ending.begun:
            return
        kind: FaultKind
        if reason is None:
            kind, message = "back", f"worker {worker} has rejoined"
        else:
            kind = "absent"
            message = f"worker {worker} is left out ({reason}); others train its share"
        self._records.survived(FaultRecord(self._mini_epochs.merged, kind, worker, message))


@naming_lost_servers()
def build_trainer(
    run: ResolvedRun,
    data: PreparedData,
    cluster: ReadyCluster,
    checkpoints: Checkpoints,
    checkpoint: Checkpoint | None,
    observers: Sequence[Observer],
    check: Callable[[], None],
) -> Trainer:
    """Connect to the cluster and build everything that trains on it.

    Args:
        run: what to train.
        data: the files, at the same paths on every worker.
        cluster: whose servers answer.
        checkpoints, checkpoint, observers, check: see `Trainer`.
    """
    components = build_components(run.settings, data, cluster, checkpoint)
    return Trainer(run, components, checkpoints, checkpoint, observers, check)
