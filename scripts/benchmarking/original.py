"""Peer: the original design, with `fit` for each mini-epoch and whole models sent by pickled RPC.

    python -m scripts.benchmarking.original --config FILE [--keras keras|tf_keras] [--mini-epochs N]

One process holds the weights and merges with numpy; each worker asks it for them, trains its
mini-epoch with Keras `fit`, and sends the result (Lu et al., COMPSAC 2022, section III).
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.managers import BaseManager

import numpy as np

from scripts.benchmarking.keras_choice import (
    add_keras_option,
    compiled_model,
    import_keras,
    model_bytes,
    timing_callback,
)
from scripts.benchmarking.processes import (
    print_result,
    read_line,
    run_workers,
    start,
    use_threads,
    wait_for_others,
)
from scripts.benchmarking.workload import Workload, parse_workload, peer_parser

MODULE = "scripts.benchmarking.original"
ADDRESS = "BENCHMARK_ADDRESS"
# No other process is in the peer's network.
KEY = b"benchmark"


class Server:
    """The global weights; `merge` as in arXiv 2509.26092: g ← (g + f·w)/(1 + f)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._weights: list[np.ndarray] = []

    def offer(self, weights: list[np.ndarray]) -> None:
        """Sets the initial weights, unless there are some already."""
        with self._lock:
            self._weights = self._weights or weights

    def pull(self) -> list[np.ndarray]:
        with self._lock:
            return self._weights

    def push(self, weights: list[np.ndarray], factor: float) -> None:
        with self._lock:
            self._weights = [
                (g + np.float32(factor) * w) / np.float32(1 + factor)
                for g, w in zip(self._weights, weights)
            ]


class Manager(BaseManager):
    """The RPC of Python's standard library: pickles over TCP."""

    server: Callable[[], Server]  # `register` adds it


_server = Server()
Manager.register("server", callable=lambda: _server)


def main(arguments: list[str]) -> None:
    parser = peer_parser(__doc__.splitlines()[0])
    add_keras_option(parser)
    parser.add_argument("--worker", type=int, help="run as this worker")
    parser.add_argument("--server", help="host:port of the server")
    parser.add_argument("--serve", action="store_true", help="run as the server")
    options, workload = parse_workload(parser, arguments)
    if options.serve:
        serve()
    elif options.worker is not None:
        host, port = options.server.split(":")
        address = (host, int(port))
        print(json.dumps(train(workload, options.worker, options.keras, address)))
    else:
        coordinate(arguments, len(workload.workers))


def serve() -> None:
    """Serves at a free port, which is printed, until the process is stopped."""
    server = Manager(("127.0.0.1", 0), KEY).get_server()
    assert isinstance(server.address, tuple)
    host, port = server.address
    print(f"{host}:{port}", flush=True)
    server.serve_forever()


def coordinate(arguments: list[str], workers: int) -> None:
    """Runs the server and the workers."""
    server = start(["-m", MODULE, *arguments, "--serve"], "server", stdout=subprocess.PIPE)
    try:
        address = read_line(server)
        results = run_workers(MODULE, [*arguments, "--server", address], workers)
    finally:
        server.kill()
        server.wait()
    records = [record for result in results for record in result["mini_epochs"]]
    first_step = min(result["first_step"] for result in results)
    print_result(records, first_step, results[0]["model_bytes"])


def train(workload: Workload, worker: int, name: str, address: tuple[str, int]) -> dict:
    """Trains the mini-epochs of one worker."""
    keras = import_keras(name, workload)
    threads = use_threads()
    plan = workload.workers[worker]
    manager = Manager(address, KEY)
    manager.connect()
    server = manager.server()
    model = compiled_model(keras, workload)
    dataset = workload.dataset(plan.batch, plan.samples, worker, threads)
    timing = timing_callback(keras)
    server.offer(model.get_weights())
    wait_for_others()
    records = []
    for _ in range(workload.mini_epochs):
        started = time.time()
        model.set_weights(server.pull())
        fit_began = time.time()
        model.fit(dataset, epochs=1, steps_per_epoch=plan.steps, callbacks=[timing], verbose=0)
        fit_ended = time.time()
        server.push(model.get_weights(), plan.update_factor)
        record = {
            "worker": worker,
            "started": started,
            "samples": plan.samples,
            "seconds": time.time() - started,
            "loop_seconds": fit_ended - fit_began,
        }
        records.append(record)
    return {
        "mini_epochs": records,
        "first_step": timing.first_step,
        "model_bytes": model_bytes(model),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
