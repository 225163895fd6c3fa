"""The outer loop: hands out mini-epochs, merges what comes back, evaluates."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dbsl_tf.coordinator.closures import Closure
from dbsl_tf.coordinator.engine import Engine
from dbsl_tf.coordinator.evaluator import Evaluator
from dbsl_tf.coordinator.replanner import Replanner
from dbsl_tf.coordinator.shared_model import SharedModel
from dbsl_tf.coordinator.stage import Stage
from dbsl_tf.errors import UserError
from dbsl_tf.results.records import CommitRecord, Observer


@dataclass(frozen=True)
class MiniEpoch:
    """What is decided when a mini-epoch is handed out, and holds until it is merged.

    Whichever worker takes it picks its own entry of what differs between workers.

    Attributes:
        number: its place among all mini-epochs of the run, from 0.
        stage: the plan it belongs to.
        learning_rates: one for each worker.
    """

    number: int
    stage: Stage
    learning_rates: Sequence[float]


class Trainer:
    """Asynchronous training (ASP): as many mini-epochs in flight as there are workers.

    One thread for each mini-epoch in flight hands it out, waits for its result, merges it and
    goes on to the next, until epochs · workers mini-epochs are merged.

    Args:
        engine: the connected cluster.
        shared_model: the global weights, with a slot for each worker.
        mini_epoch: see `mini_epoch_closure`.
        stage: the first plan, its batches and learning rates.
        replanner: asked at every beginning of an epoch whether another stage begins.
        epochs: epochs to train (E).
        eval_every: epochs between evaluations; the last epoch is always evaluated.
        evaluator: evaluates the global weights.
        observers: told of every commit and evaluation, in order.
        seed: of dropout.
        check: called again and again while the training goes on; what it raises ends it.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        shared_model: SharedModel,
        mini_epoch: Closure,
        stage: Stage,
        replanner: Replanner,
        epochs: int,
        eval_every: int,
        evaluator: Evaluator,
        observers: Sequence[Observer],
        seed: int,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._shared_model = shared_model
        self._closure = mini_epoch
        self._stage = stage
        self._replanner = replanner
        self._total = epochs * engine.workers
        self._eval_every = eval_every
        self._evaluator = evaluator
        self._observers = observers
        self._seed = seed
        self._check = check
        self._handed_out = 0
        # The order of commits, and the calls of observers; the first may wait for an evaluation,
        # which needs the second.
        self._ordering = threading.Lock()
        self._observing = threading.Lock()
        self._evaluation: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._stopping = threading.Event()

    def warm_up(self) -> None:
        """Have every worker load the closures; nothing is trained.

        Raises:
            ClusterError: a parameter server or every worker is gone.
        """
        self._in_background(self._load_closures)

    def final_weights(self) -> list[np.ndarray]:
        """The global weights, in the model's order."""
        self._shared_model.take_snapshot()
        return self._shared_model.read_snapshot()

    def run(self) -> None:
        """Train to the end, the last evaluation included.

        Raises:
            UserError: the training diverged.
            ClusterError: a parameter server or every worker is gone.
        """
        try:
            slots = range(self._engine.workers)
            self._in_background(*(partial(self._train, slot) for slot in slots))
            if self._evaluation is not None:
                self._wait_for(self._evaluation)
        finally:
            self._stopping.set()

    def _load_closures(self) -> None:
        workers = self._engine.workers
        no_steps, rates = np.zeros(workers, np.int64), np.zeros(workers, np.float32)
        self._engine.call_each(
            self._closure,
            [
                (self._stage.batches, self._shared_model.slot(slot), no_steps, rates, np.int64(0))
                for slot in range(workers)
            ],
        )
        self._evaluator.warm_up()

    def _in_background(self, *work: Callable[[], None]) -> None:
        """Run `work` in threads of its own while this one stays open to signals and checks."""
        threads = [threading.Thread(target=self._guard, args=(part,), daemon=True) for part in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            self._wait_for(thread)

    def _wait_for(self, thread: threading.Thread) -> None:
        # Threads that still wait for a worker after a failure are left behind: the cluster is
        # about to be stopped.
        while thread.is_alive() and self._failure is None:
            thread.join(0.2)
            self._check()
        if self._failure is not None:
            # A server that ended says more than the call that failed for it.
            self._check()
            raise self._failure

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            if self._failure is None:
                self._failure = error
            self._stopping.set()

    def _train(self, slot: int) -> None:
        while (mini_epoch := self._next()) is not None:
            result = self._engine.call(
                self._closure,
                mini_epoch.stage.batches,
                self._shared_model.slot(slot),
                mini_epoch.stage.steps,
                np.array(mini_epoch.learning_rates, np.float32),
                np.int64(self._seed * self._total + mini_epoch.number),
            )
            self._commit(slot, mini_epoch, result)

    def _next(self) -> MiniEpoch | None:
        with self._ordering:
            if self._handed_out == self._total or self._stopping.is_set():
                return None
            number = self._handed_out
            self._handed_out += 1
            if number % self._engine.workers == 0:
                self._stage = self._replanner.stage_from(number, self._stage)
            stage = self._stage
        return MiniEpoch(number, stage, stage.learning_rates(number / self._engine.workers))

    def _commit(self, slot: int, mini_epoch: MiniEpoch, result: dict[str, Any]) -> None:
        worker = mini_epoch.stage.plan.workers[int(result["worker"])]
        rate = mini_epoch.learning_rates[worker.index]
        samples = int(result["samples"])
        loss = float(result["loss"]) / samples
        if not math.isfinite(loss):
            raise _diverged(
                f"worker {worker.index} ({worker.role}, batch {worker.batch}) reports "
                f"train_loss={loss} at learning rate {rate:g}"
            )
        with self._ordering:
            if self._stopping.is_set():
                return
            commit = self._shared_model.merge(slot, worker.update_factor)
            record = CommitRecord(
                commit=commit,
                epoch=(commit - 1) // self._engine.workers + 1,
                worker=worker.index,
                role=worker.role,
                batch=worker.batch,
                samples=samples,
                steps=worker.steps,
                started=float(result["started"]),
                seconds=float(result["seconds"]),
                loop_seconds=float(result["loop_seconds"]),
                learning_rate=rate,
                update_factor=worker.update_factor,
                staleness=commit - 1 - int(result["pulled_commit"]),
                train_loss=loss,
                train_accuracy=int(result["correct"]) / samples,
            )
            with self._observing:
                for observer in self._observers:
                    observer.committed(record)
            if mini_epoch.stage is self._stage:
                self._replanner.observe(record)
            self._evaluate_if_due(commit)

    def _evaluate_if_due(self, commit: int) -> None:
        """Start an evaluation of the weights of this very commit beside the training."""
        epoch, rest = divmod(commit, self._engine.workers)
        if rest or not (epoch % self._eval_every == 0 or commit == self._total):
            return
        if self._evaluation is not None:
            # There is one snapshot: the evaluation before must be done with it.
            self._evaluation.join()
        self._evaluator.snapshot()
        self._evaluation = threading.Thread(
            target=self._guard, args=(partial(self._evaluate, commit, epoch),), daemon=True
        )
        self._evaluation.start()

    def _evaluate(self, commit: int, epoch: int) -> None:
        record = self._evaluator.evaluate(commit, epoch)
        if not math.isfinite(record.test_loss):
            raise _diverged(f"the weights of commit {commit} give test_loss={record.test_loss}")
        with self._observing:
            for observer in self._observers:
                observer.evaluated(record)


def _diverged(observation: str) -> UserError:
    return UserError(
        f"the training diverged: {observation}; lower optimizer.base_lr or raise "
        "schedule.warmup_epochs"
    )
