"""The outer loop: hands out mini-epochs, merges what comes back, evaluates."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dbsl_tf.coordinator.closures import Closure
from dbsl_tf.coordinator.engine import Engine
from dbsl_tf.coordinator.evaluator import Evaluator
from dbsl_tf.coordinator.shared_model import SharedModel
from dbsl_tf.errors import UserError
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.results.records import CommitRecord, Observer


@dataclass(frozen=True)
class MiniEpoch:
    """What is decided when a mini-epoch is handed out, and holds until it is merged.

    Whichever worker takes it picks its own entry of what differs between workers.

    Attributes:
        number: its place among all mini-epochs of the run, from 0.
        learning_rates: one for each worker.
    """

    number: int
    learning_rates: Sequence[float]


class Trainer:
    """Asynchronous training (ASP): as many mini-epochs in flight as there are workers.

    One thread for each mini-epoch in flight hands it out, waits for its result, merges it and
    goes on to the next, until epochs · workers mini-epochs are merged.

    Args:
        engine: the connected cluster.
        shared_model: the global weights, with a slot for each worker.
        mini_epoch: see `mini_epoch_closure`.
        batches: per-worker iterator of batches.
        plan: batch, samples and steps of every worker.
        learning_rates: maps an epoch (a float) to the learning rate of every worker.
        epochs: epochs to train (E).
        eval_every: epochs between evaluations; the last epoch is always evaluated.
        evaluator: evaluates the global weights.
        observers: told of every commit and evaluation, in order.
        seed: of dropout.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        shared_model: SharedModel,
        mini_epoch: Closure,
        batches: Iterator,
        plan: DualBatchPlan,
        learning_rates: Callable[[float], Sequence[float]],
        epochs: int,
        eval_every: int,
        evaluator: Evaluator,
        observers: Sequence[Observer],
        seed: int,
    ) -> None:
        self._engine = engine
        self._shared_model = shared_model
        self._closure = mini_epoch
        self._batches = batches
        self._plan = plan
        self._steps = np.array([worker.steps for worker in plan.workers], np.int64)
        self._learning_rates = learning_rates
        self._total = epochs * engine.workers
        self._eval_every = eval_every
        self._evaluator = evaluator
        self._observers = observers
        self._seed = seed
        self._handed_out = 0
        self._ordering = threading.Lock()
        self._evaluation: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._stopping = threading.Event()

    def run(self) -> None:
        """Train to the end, the last evaluation included.

        Raises:
            UserError: the training diverged.
            Exception: whatever went wrong first in the cluster.
        """
        threads = [
            threading.Thread(
                target=self._guard, args=(self._train, slot), name=f"slot-{slot}", daemon=True
            )
            for slot in range(self._engine.workers)
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                self._wait_for(thread)
            if self._evaluation is not None:
                self._wait_for(self._evaluation)
        finally:
            self._stopping.set()
        if self._failure is not None:
            raise self._failure

    def _wait_for(self, thread: threading.Thread) -> None:
        # Waiting in short turns keeps the main thread open to signals. Threads that still wait
        # for a worker are left behind: the cluster is about to be stopped.
        while thread.is_alive() and self._failure is None:
            thread.join(0.2)

    def _guard(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            if self._failure is None:
                self._failure = error
            self._stopping.set()

    def _train(self, slot: int) -> None:
        while (mini_epoch := self._next()) is not None:
            result = self._engine.call(
                self._closure,
                self._batches,
                self._shared_model.slot(slot),
                self._steps,
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
        return MiniEpoch(number, self._learning_rates(number / self._engine.workers))

    def _commit(self, slot: int, mini_epoch: MiniEpoch, result: dict[str, Any]) -> None:
        worker = self._plan.workers[int(result["worker"])]
        rate = mini_epoch.learning_rates[worker.index]
        samples = int(result["samples"])
        loss = float(result["loss"]) / samples
        if not math.isfinite(loss):
            raise UserError(
                f"the training diverged: worker {worker.index} ({worker.role}, batch "
                f"{worker.batch}) reports train_loss={loss} at learning rate {rate:g}; lower "
                "optimizer.base_lr or add schedule.warmup_epochs"
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
            for observer in self._observers:
                observer.committed(record)
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
            target=self._guard, args=(self._evaluate, commit, epoch), name="evaluation", daemon=True
        )
        self._evaluation.start()

    def _evaluate(self, commit: int, epoch: int) -> None:
        record = self._evaluator.evaluate(commit, epoch)
        for observer in self._observers:
            observer.evaluated(record)
