"""Peer: the bare local training loop of dbsl_tf, one process for each worker, no cluster.

    python -m scripts.benchmarking.ceiling --config FILE [--mini-epochs N] [key=value ...]

Each process continues from its own weights; nothing is sent or merged. The difference from this is
what a cluster costs.
"""

from __future__ import annotations

import json
import sys
import time

from dbsl_tf.common.quiet import import_tensorflow_quietly
from scripts.benchmarking.processes import print_result, run_workers, use_threads, wait_for_others
from scripts.benchmarking.workload import Workload, parse_workload, peer_parser


def main(arguments: list[str]) -> None:
    parser = peer_parser(__doc__.splitlines()[0])
    parser.add_argument("--worker", type=int, help="run as this worker")
    options, workload = parse_workload(parser, arguments)
    if options.worker is not None:
        print(json.dumps(train(workload, options.worker)))
        return
    results = run_workers("scripts.benchmarking.ceiling", arguments, len(workload.workers))
    records = [record for result in results for record in result["mini_epochs"]]
    print_result(records, min(r["started"] for r in records), results[0]["model_bytes"])


def train(workload: Workload, worker: int) -> dict:
    """Trains the mini-epochs of one worker."""
    import_tensorflow_quietly()
    threads = use_threads()
    import keras_core
    import numpy as np
    import tensorflow as tf

    from dbsl_tf.training.compute import Compute
    from dbsl_tf.training.local_loop import Steps, train_steps
    from dbsl_tf.training.network import Network
    from dbsl_tf.training.objective import Objective
    from dbsl_tf.training.optimizers import build_optimizer

    section, plan = workload.config.optimizer, workload.workers[worker]
    network = Network(
        workload.model(keras_core),
        decay_all=section.decay_normalization,
        compute=Compute.of(workload.config.compute),
    )
    optimizer = build_optimizer(section)
    batches = iter(workload.dataset(plan.batch, plan.samples, worker, threads))

    @tf.function(autograph=False)
    def mini_epoch(weights: list, batches: object, steps: tf.Tensor) -> list:
        rate, seed = tf.constant(section.base_lr), tf.constant(worker, tf.int64)
        orders = Steps(steps, tf.constant(plan.batch, tf.int64), rate, seed)
        return train_steps(network, Objective(), optimizer, weights, batches, orders).weights

    weights = [tf.constant(weight) for weight in network.initial_weights()]
    mini_epoch(weights, batches, tf.constant(0, tf.int64))
    wait_for_others()
    records = []
    for _ in range(workload.mini_epochs):
        records.append({"worker": worker, "started": time.time(), "samples": plan.samples})
        weights = mini_epoch(weights, batches, tf.constant(plan.steps, tf.int64))
        if not np.isfinite(weights[-1].numpy()).all():
            sys.exit("error: the training diverged")
    return {"mini_epochs": records, "model_bytes": sum(w.numpy().nbytes for w in weights)}


if __name__ == "__main__":
    main(sys.argv[1:])
