"""Peer: parameter-server training as in TensorFlow's tutorial, with a gradient in every step.

    python -m scripts.benchmarking.gradient_push --config FILE [--mini-epochs N] [key=value ...]

`ParameterServerStrategy`, `ClusterCoordinator` and a tf-keras model (Keras 3 does not run under
this strategy): every scheduled step reads the variables from the parameter server and applies its
gradient there. A mini-epoch here is the steps of all workers' mini-epochs.
https://www.tensorflow.org/tutorials/distribute/parameter_server_training
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator

from dbsl_tf.cluster.local import free_ports
from dbsl_tf.common.cores import available_cores
from dbsl_tf.common.quiet import import_tensorflow_quietly
from scripts.benchmarking.keras_choice import import_keras, model_bytes
from scripts.benchmarking.processes import cores_of, print_result, start
from scripts.benchmarking.workload import Workload, parse_workload, peer_parser

MODULE = "scripts.benchmarking.gradient_push"


def main(arguments: list[str]) -> None:
    parser = peer_parser(__doc__.splitlines()[0])
    parser.add_argument(
        "--serve", action="store_true", help="run as the server that TF_CONFIG names"
    )
    options, workload = parse_workload(parser, arguments)
    if options.serve:
        serve()
        return
    ports = iter(f"127.0.0.1:{port}" for port in free_ports(2 + len(workload.workers)))
    cluster = {
        "chief": [next(ports)],
        "ps": [next(ports)],
        "worker": [next(ports) for _ in workload.workers],
    }
    servers = []
    for role, index in [("ps", 0), *(("worker", plan.index) for plan in workload.workers)]:
        cores = cores_of(index, len(workload.workers)) if role == "worker" else []
        task = {"cluster": cluster, "task": {"type": role, "index": index}}
        environment = {"TF_CONFIG": json.dumps(task)}
        command = ["-m", MODULE, *arguments, "--serve"]
        servers.append(start(command, role, cores, environment))
    try:
        coordinate(workload, cluster)
    finally:
        for server in servers:
            server.kill()
            server.wait()
    sys.stdout.flush()
    # The coordinator's threads would wait for their workers.
    os._exit(0)


def serve() -> None:
    """Runs one server of the cluster."""
    import_tensorflow_quietly()
    import tensorflow as tf

    options = tf.compat.v1.ConfigProto()
    options.intra_op_parallelism_threads = len(available_cores())
    # As in the tutorial: one more than there are workers, or a parameter server may hang.
    workers = len(json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"])
    options.inter_op_parallelism_threads = max(workers + 1, len(available_cores()))
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    server = tf.distribute.Server(
        resolver.cluster_spec(),
        job_name=resolver.task_type,
        task_index=resolver.task_id,
        protocol="grpc",
        config=options,
    )
    server.join()


def coordinate(workload: Workload, cluster: dict) -> None:
    """Trains, with one step per closure."""
    keras = import_keras("tf_keras", workload)
    import tensorflow as tf

    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster), task_type="chief", task_id=0, rpc_layer="grpc"
    )
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    section = workload.config.optimizer
    batches = tf.constant([plan.batch for plan in workload.workers], tf.int64)
    samples = tf.constant([plan.samples for plan in workload.workers], tf.int64)
    threads = max(1, len(available_cores()) // len(workload.workers))
    with strategy.scope():
        model = workload.model(keras)
        optimizer = keras.optimizers.legacy.SGD(
            section.base_lr, momentum=section.momentum, nesterov=section.nesterov
        )

    def dataset_fn(_: object = None) -> tf.data.Dataset:
        worker = tf.distribute.coordinator.experimental_get_current_worker_index()
        return workload.dataset(
            tf.gather(batches, worker),
            tf.gather(samples, worker),
            tf.cast(worker, tf.int64),
            threads,
        )

    @tf.function
    def step(iterator: Iterator) -> tf.Tensor:
        def replica_step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                logits = model(images, training=True)
                losses = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
                loss = tf.reduce_mean(losses)
            variables = model.trainable_variables
            gradients = [
                gradient + section.weight_decay * variable if len(variable.shape) > 1 else gradient
                for gradient, variable in zip(tape.gradient(loss, variables), variables)
            ]
            optimizer.apply_gradients(zip(gradients, variables))
            return tf.shape(images)[0]

        return strategy.run(replica_step, args=next(iterator))

    iterator = iter(coordinator.create_per_worker_dataset(dataset_fn))
    coordinator.schedule(step, args=(iterator,))
    coordinator.join()
    first_step = time.time()
    steps = sum(plan.steps for plan in workload.workers)
    records = []
    for _ in range(workload.mini_epochs):
        started = time.time()
        counts = [coordinator.schedule(step, args=(iterator,)) for _ in range(steps)]
        coordinator.join()
        trained = sum(int(count.fetch()) for count in counts)
        records.append({"worker": 0, "started": started, "samples": trained})
    print_result(records, first_step, model_bytes(model))


if __name__ == "__main__":
    main(sys.argv[1:])
