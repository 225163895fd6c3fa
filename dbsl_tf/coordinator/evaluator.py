"""Evaluation of the global weights on the whole test set, spread over the workers."""

from __future__ import annotations

import time

import numpy as np

from dbsl_tf.coordinator.closures import Closure
from dbsl_tf.coordinator.engine import Engine
from dbsl_tf.coordinator.shared_model import SharedModel
from dbsl_tf.results.records import EvaluationRecord


class Evaluator:
    """Evaluates snapshots of the global weights while training goes on.

    Args:
        engine: the connected cluster.
        shared_model: whose weights are evaluated.
        closure: see `evaluation_closure`.
        test_samples: size of the test set.
        worker_timeout: seconds that a share may take before another worker gets it too; None:
            for ever.
    """

    def __init__(
        self,
        engine: Engine,
        shared_model: SharedModel,
        closure: Closure,
        test_samples: int,
        worker_timeout: float | None = None,
    ) -> None:
        self._engine = engine
        self._shared_model = shared_model
        self._closure = closure
        self._test_samples = test_samples
        self._worker_timeout = worker_timeout

    def warm_up(self) -> None:
        """Have every worker load the closure."""
        nothing = (np.int64(0), np.int64(0))
        self._engine.call_each(self._closure, [nothing] * self._engine.workers)

    def snapshot(self) -> int:
        """Fix the weights that `evaluate` will see; the number of their commit."""
        return self._shared_model.take_snapshot()

    def evaluate(self, commit: int, epoch: int) -> EvaluationRecord:
        """Evaluate the snapshot of `commit`: one share for each worker, every sample once."""
        started, began = time.time(), time.monotonic()
        bounds = np.linspace(0, self._test_samples, self._engine.workers + 1).astype(np.int64)
        shares = [share for share in zip(bounds[:-1], bounds[1:]) if share[0] < share[1]]
        sums = self._engine.call_each(self._closure, shares, self._worker_timeout)
        samples = sum(int(part["samples"]) for part in sums)
        if samples != self._test_samples:
            raise RuntimeError(f"evaluated {samples} samples of {self._test_samples}")
        return EvaluationRecord(
            started=started,
            commit=commit,
            epoch=epoch,
            test_loss=sum(float(part["loss"]) for part in sums) / samples,
            test_accuracy=sum(int(part["correct"]) for part in sums) / samples,
            samples=samples,
            seconds=time.monotonic() - began,
        )
