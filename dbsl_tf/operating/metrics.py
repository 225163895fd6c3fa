"""The figures of a run for Prometheus, over HTTP."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Collection, MutableMapping
from http.server import ThreadingHTTPServer
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, MetricsHandler, Summary
from prometheus_client.process_collector import ProcessCollector

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.results.records import CommitRecord, DriftRecord, EvaluationRecord, FaultRecord

# Environment variable: the process, and the number of its socket that listens already.
_LISTENING = "DBSL_TF_METRICS_SOCKET"
_BACKLOG = 16


def listen(address: str, port: int, environment: MutableMapping[str, str]) -> socket.socket:
    """Returns a socket that listens, the same one after this process has begun its command again.

    Open it before the process gets a network of its own: it stays reachable from outside.

    Args:
        address: `run.metrics_address`.
        port: `run.metrics_port`; 0: any that is free.
        environment: of this process.

    Raises:
        UserError: it cannot listen there.
    """
    process, _, descriptor = environment.get(_LISTENING, "").partition(":")
    if process == str(os.getpid()):
        return socket.socket(fileno=int(descriptor))
    try:
        family, *_, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server((place[0], port), family=family, backlog=_BACKLOG)
    except (OSError, ValueError) as error:
        # Not what `create_server` adds, which names the address again. Names have numbers of
        # their own, and one with an empty or a long part is not looked up at all.
        if isinstance(error, ValueError):
            reason = "it is no name"
        elif isinstance(error, socket.gaierror):
            reason = str(error.strerror)
        else:
            reason = os.strerror(error.errno or 0)
        raise UserError(
            f"run.metrics_port={port}: nothing can listen at {address} ({reason}); give another "
            "port, 0 for any that is free, or another run.metrics_address"
        ) from error
    listening.set_inheritable(True)
    environment[_LISTENING] = f"{os.getpid()}:{listening.fileno()}"
    return listening


class Metrics:
    """An observer of a run that answers Prometheus from now on, in threads of its own.

    Counters begin at 0 when the run is resumed; `dbsl_commits` is that of the whole run.

    Args:
        listening: from `listen`.

    Attributes:
        url: where the metrics are.
    """

    def __init__(self, listening: socket.socket) -> None:
        address, port = listening.getsockname()[:2]
        host = socket.gethostname() if address in ("0.0.0.0", "::") else address
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._info = Info("dbsl_run", "The run.", registry=self._registry)
        self._commits = self._gauge("commits", "Mini-epochs merged so far.")
        self._planned = self._gauge("commits_planned", "Mini-epochs of the whole run.")
        self._present = self._gauge("worker_present", "Whether a worker takes part.", "worker")
        self._loss = self._gauge("train_loss", "Loss of the last mini-epoch.", "role")
        self._accuracy = self._gauge("train_accuracy", "Accuracy of the last mini-epoch.", "role")
        self._rate = self._gauge("learning_rate", "That of the last mini-epoch.", "role")
        split = ("split", "resolution")
        self._test_loss = self._gauge("evaluation_loss", "Loss of the last evaluation.", *split)
        self._test_accuracy = self._gauge("evaluation_accuracy", "Likewise.", *split)
        self._test_metric = self._gauge("evaluation_metric", "Likewise.", "metric", *split)
        self._samples = self._counter("samples", "Samples trained.", "worker", "role")
        self._faults = self._counter("faults", "Faults that the run survived.", "kind")
        self._seconds = self._summary(
            "mini_epoch_seconds", "Time of mini-epochs.", "worker", "role"
        )
        self._staleness = self._summary("staleness", "Commits between pull and merge.", "role")
        handler = MetricsHandler.factory(self._registry)
        self._server = ThreadingHTTPServer((address, port), handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listening
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"dbsl_{name}", meaning, labels, registry=self._registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"dbsl_{name}", meaning, labels, registry=self._registry)

    def _summary(self, name: str, meaning: str, *labels: str) -> Summary:
        return Summary(f"dbsl_{name}", meaning, labels, registry=self._registry)

    def close(self) -> None:
        """Answers nobody any more; to be called before the socket is closed."""
        self._server.shutdown()

    def begin(
        self, run: Path, plan: DualBatchPlan, commits: int, merged: int, absent: Collection[int]
    ) -> None:
        """Tells the size of a run, and how far it was when it began or was resumed.

        Args:
            run: its directory.
            plan: of all workers.
            commits: mini-epochs of the whole run.
            merged: mini-epochs merged so far.
            absent: the indices of workers that join later.
        """
        self._info.info({"run": str(run), "host": socket.gethostname()})
        self._planned.set(commits)
        self._commits.set(merged)
        for worker in plan.workers:
            self._present.labels(worker.index).set(worker.index not in absent)

    def committed(self, record: CommitRecord) -> None:
        self._commits.set(record.commit)
        self._samples.labels(record.worker, record.role).inc(record.samples)
        self._seconds.labels(record.worker, record.role).observe(record.seconds)
        self._staleness.labels(record.role).observe(record.staleness)
        self._loss.labels(record.role).set(record.train_loss)
        self._rate.labels(record.role).set(record.learning_rate)
        if record.train_accuracy is not None:
            self._accuracy.labels(record.role).set(record.train_accuracy)

    def evaluated(self, record: EvaluationRecord) -> None:
        labels = record.split, record.resolution
        self._test_loss.labels(*labels).set(record.test_loss)
        if record.test_accuracy is not None:
            self._test_accuracy.labels(*labels).set(record.test_accuracy)
        for name, value in record.test_metrics.items():
            if value is not None:
                self._test_metric.labels(name, *labels).set(value)

    def drifted(self, record: DriftRecord) -> None:
        """Tells nothing: the times of mini-epochs show it."""

    def faulted(self, record: FaultRecord) -> None:
        self._faults.labels(record.kind).inc()
        if record.kind != "rejected":
            self._present.labels(record.worker).set(record.kind == "back")
