"""What trains on a cluster: network, weights on the servers, closures and batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.coordinator.closures import evaluation_closure, mini_epoch_closure
from dbsl_tf.coordinator.copies_of_images import give_lists
from dbsl_tf.coordinator.estimated_statistics import build_estimator
from dbsl_tf.coordinator.evaluator import EvaluatedSplit, Evaluator
from dbsl_tf.coordinator.initial_state import averaging_of, initial_state
from dbsl_tf.coordinator.noise_meter import NoiseMeter, build_noise_meter
from dbsl_tf.coordinator.worker_batches import (
    Batches,
    HeldByWorkers,
    WorkerBatches,
    share_batches,
    training_datasets,
)
from dbsl_tf.data.training_data import Share, TrainingData
from dbsl_tf.engine.closure import Closure
from dbsl_tf.engine.engine import Engine
from dbsl_tf.resolved import RunSettings
from dbsl_tf.results.checkpoints import Checkpoint
from dbsl_tf.results.records import TEST, VALIDATION, Split
from dbsl_tf.schedules.progressive import ResolutionSettings
from dbsl_tf.shared_model.configured import merge_rule
from dbsl_tf.shared_model.fixed_weights import FixedWeights
from dbsl_tf.shared_model.merging import Merging
from dbsl_tf.shared_model.shared_model import SharedModel
from dbsl_tf.training.building import build_network
from dbsl_tf.training.objective import Objective
from dbsl_tf.training.objective_names import objective_settings_of
from dbsl_tf.training.optimizers import build_optimizer


@dataclass(frozen=True)
class Components:
    """The parts of a training that profiling uses too; see `build_components`.

    With closures and batches of your own, a `Trainer` trains anything else.

    Attributes:
        engine: the connected cluster.
        shared_model: the weights.
        objective: what is minimised and measured.
        mini_epochs: the closure of a mini-epoch for each resolution, low to high; resolutions
            with the same dropout share one.
        evaluator: of the global weights.
        batches: for each image resolution, what the workers make their batches from.
        noise_meter: of the batch noise; None: it is not measured.
    """

    engine: Engine
    shared_model: SharedModel
    objective: Objective
    mini_epochs: dict[int, Closure]
    evaluator: Evaluator
    batches: dict[int, Batches]
    noise_meter: NoiseMeter | None = None


def build_components(
    settings: RunSettings,
    data: TrainingData,
    cluster: ReadyCluster,
    checkpoint: Checkpoint | None = None,
    engine: Engine | None = None,
) -> Components:
    """Connects to the cluster and builds what trains on it.

    Args:
        settings: of the run.
        data: to train and to test on; files are at the same paths on every worker.
        cluster: whose servers answer.
        checkpoint: where to resume; None: fresh weights.
        engine: the cluster, if this process has already connected to it.

    Raises:
        UserError: the checkpoint is of another network, or the objective does not fit the data or
            the network.
    """
    engine = engine or Engine(
        cluster.task, cluster.limits, settings.cluster.grace_seconds, cluster.absent
    )
    give_lists(engine, data)
    parts = settings.resolutions
    networks = {part.dropout: build_network(settings, data, part.dropout) for part in parts}
    fixed = FixedWeights(engine, networks[settings.highest.dropout].fixed_weights)
    networks = {dropout: each.pulling_fixed(fixed.pull) for dropout, each in networks.items()}
    network = networks[settings.highest.dropout]
    optimizer = build_optimizer(settings.optimizer)
    objective = objective_settings_of(settings.training).build_for(
        network, *data.element_spec(settings.highest.resolution)
    )
    in_rounds = settings.synchronization.in_rounds
    merging = Merging(
        merge_rule(settings.merge, engine.workers, in_rounds),
        in_rounds,
        settings.merge.staleness_power,
        network.trainable_count,
    )
    shared_model = SharedModel(
        engine,
        initial_state(settings, network, optimizer, merging, checkpoint),
        merging,
        tf.as_dtype(settings.cluster.transfer_dtype),
        settings.some_in_rounds,
        averaging_of(settings, checkpoint),
    )
    exchange = shared_model.exchange
    threads = cluster.threads_per_worker
    if settings.data.sharing == "disjoint":
        held = HeldByWorkers(engine, lambda: data.held(settings.samples))
        batches: dict[int, Batches] = {part.resolution: held for part in parts}
        mini_epochs = {
            part.resolution: mini_epoch_closure(
                engine,
                exchange,
                networks[part.dropout],
                objective,
                optimizer,
                share_batches(settings, data, threads, part.resolution),
            )
            for part in parts
        }
    else:
        closures = {
            dropout: mini_epoch_closure(engine, exchange, networks[dropout], objective, optimizer)
            for dropout in networks
        }
        mini_epochs = {part.resolution: closures[part.dropout] for part in parts}
        batches = {
            part.resolution: WorkerBatches(
                training_datasets(settings, data, engine, threads, index, part.resolution)
            )
            for index, part in enumerate(parts)
        }

    def evaluated_on(batches: Callable[..., tf.data.Dataset], samples: int) -> EvaluatedSplit:
        """Returns a split; `batches` is a method of `data`."""
        closures = {}
        for resolution in settings.evaluated_resolutions:
            part = settings.by_resolution[resolution]
            dataset = _evaluated_batches(batches, samples, part, threads)
            closures[resolution] = evaluation_closure(engine, exchange, network, objective, dataset)
        return EvaluatedSplit(closures, samples)

    splits: dict[Split, EvaluatedSplit] = {TEST: evaluated_on(data.test_batches, data.test_samples)}
    if settings.data.validation_samples:
        splits[VALIDATION] = evaluated_on(data.validation_batches, data.validation_samples)

    return Components(
        engine=engine,
        shared_model=shared_model,
        objective=objective,
        mini_epochs=mini_epochs,
        evaluator=Evaluator(
            engine,
            shared_model,
            objective,
            splits,
            settings.cluster.worker_timeout,
            build_estimator(settings, data, engine, shared_model, networks, threads),
        ),
        batches=batches,
        noise_meter=build_noise_meter(
            settings, data, engine, shared_model, networks, objective, threads
        ),
    )


def _evaluated_batches(
    batches: Callable[..., tf.data.Dataset],
    samples: int,
    settings: ResolutionSettings,
    threads: int,
) -> Callable[[tf.Tensor, tf.Tensor], tf.data.Dataset]:
    """Returns a function from a range of a split's samples, `start` to `stop`, to their batches."""
    batch = min(settings.large_batch, samples)
    return lambda start, stop: batches(Share(start, stop, batch, threads), settings.resolution)
