"""Peer: Keras `fit` in one process on all cores.

    python -m scripts.benchmarking.keras_fit --config FILE [--keras keras|tf_keras]
        [--mini-epochs N]

An epoch has the samples of all workers' mini-epochs, in batches of the large size.
"""

from __future__ import annotations

import sys

from scripts.benchmarking.keras_choice import (
    add_keras_option,
    compiled_model,
    import_keras,
    model_bytes,
    timing_callback,
)
from scripts.benchmarking.processes import print_result, use_threads
from scripts.benchmarking.workload import parse_workload, peer_parser


def main(arguments: list[str]) -> None:
    parser = peer_parser(__doc__.splitlines()[0])
    add_keras_option(parser)
    options, workload = parse_workload(parser, arguments)
    keras = import_keras(options.keras, workload)
    threads = use_threads()
    batch = workload.config.dual_batch.large_batch
    samples = sum(worker.samples for worker in workload.workers)
    model = compiled_model(keras, workload)
    timing = timing_callback(keras)
    model.fit(
        workload.dataset(batch, samples, 0, threads),
        epochs=workload.mini_epochs,
        steps_per_epoch=-(-samples // batch),
        callbacks=[timing],
        verbose=0,
    )
    records = [{"worker": 0, "started": began, "samples": samples} for began in timing.epochs_began]
    print_result(records, timing.first_step, model_bytes(model))


if __name__ == "__main__":
    main(sys.argv[1:])
