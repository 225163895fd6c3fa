"""Training with mini-epochs that do no work: only the coordinator and the merges remain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dbsl_tf.config import load_config
from dbsl_tf.resolved import ResolvedRun, resolve
from dbsl_tf.results.records import Observer

if TYPE_CHECKING:
    import tensorflow as tf

    from dbsl_tf.coordinator.trainer import Trainer
    from dbsl_tf.engine.closure import Closure
    from dbsl_tf.engine.engine import Engine

RESOLUTION = 32
SAMPLE_SECONDS, BATCH_SECONDS = 0.001, 0.01


def make_trainer(
    engine: Engine, clock: Observer, parameters: int, epochs: int, folder: Path
) -> Trainer:
    """Returns the trainer of a model of `parameters` parameters, with closures that do no work."""
    from dbsl_tf.coordinator.components import Components
    from dbsl_tf.coordinator.evaluator import EvaluatedSplit, Evaluator
    from dbsl_tf.coordinator.trainer import Trainer
    from dbsl_tf.results.checkpoints import Checkpoints
    from dbsl_tf.results.records import TEST
    from dbsl_tf.shared_model.merge import average
    from dbsl_tf.shared_model.shared_model import SharedModel
    from dbsl_tf.shared_model.stored_model import ModelState
    from dbsl_tf.training.objective import Objective

    objective = Objective()
    state = ModelState(0, [np.zeros(parameters, np.float32)], [])
    shared_model = SharedModel(engine, state, average)
    evaluations = {RESOLUTION: no_evaluation(engine)}
    components = Components(
        engine=engine,
        shared_model=shared_model,
        objective=objective,
        mini_epochs={RESOLUTION: no_work(engine)},
        evaluator=Evaluator(
            engine, shared_model, objective, {TEST: EvaluatedSplit(evaluations, engine.workers)}
        ),
        batches={RESOLUTION: NoBatches(engine)},
    )
    run = run_of(engine.workers, epochs)
    return Trainer(run, components, Checkpoints(folder, keep=1), observers=[clock])


def run_of(workers: int, epochs: int) -> ResolvedRun:
    """Returns a run with mini-epochs of one sample each, evaluated and saved at its end."""
    overrides = [
        f"cluster.workers={workers}",
        f"schedule.epochs={epochs}",
        f"schedule.eval_every={epochs}",
        f"checkpoint.every={epochs}",
        f"data.image_size={RESOLUTION}",
        *("dual_batch.small_workers=0", "dual_batch.large_batch=1"),
        "optimizer.state=reset",  # nothing is trained, so there is no state
        *(f"time_model.a={SAMPLE_SECONDS}", f"time_model.b={BATCH_SECONDS}"),
    ]
    return resolve(load_config("quickstart.yaml", overrides), samples=workers)


class NoBatches:
    """Replaces the input pipelines; the closures take nothing from it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def iterator(self, sizes: Sequence[Sequence[int]], samples_before: Sequence[int]) -> Iterator:
        """Returns an iterator that replaces one on each worker."""
        import tensorflow as tf

        nothing = self._engine.worker_datasets(lambda: tf.data.Dataset.from_tensors(0).repeat())
        return nothing.iterator()


def no_work(engine: Engine) -> Closure:
    """Returns the closure of a mini-epoch in which nothing is pulled, trained or pushed."""
    import tensorflow as tf

    from dbsl_tf.coordinator.closures import MiniEpochResult
    from dbsl_tf.training.objective import Sums

    @engine.closure
    def mini_epoch(batches: Any, slot: Any, assignments: Any) -> MiniEpochResult:
        none, at_once = tf.constant(0, tf.int64), tf.constant(0.0, tf.float64)
        sums = Sums(tf.constant(0.0), tf.constant(1, tf.int64), (none,))
        # As planned, so that no new plan is made.
        planned = tf.constant(SAMPLE_SECONDS + BATCH_SECONDS, tf.float64)
        return MiniEpochResult(
            trained=tf.constant(True),
            worker=engine.worker_index(),
            first=tf.constant(True),
            unmerged=none,
            sums=sums,
            finite=tf.constant(True),
            started=tf.timestamp(),
            seconds=at_once,
            loop_seconds=planned,
        )

    return mini_epoch


def no_evaluation(engine: Engine) -> Closure:
    """Returns the closure of an evaluation that only counts its samples."""
    import tensorflow as tf

    from dbsl_tf.training.objective import Sums

    @engine.closure
    def evaluation(start: tf.Tensor, stop: tf.Tensor) -> Sums:
        return Sums(tf.constant(0.0), stop - start, (tf.constant(0, tf.int64),))

    return evaluation
