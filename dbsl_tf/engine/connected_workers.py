"""The workers that TensorFlow is connected to, each of which may come and go at any time.

ParameterServerStrategy connects to all workers at once, and waits for all of them again when one
has been lost. Here the cluster that TensorFlow is told of has the workers alone that answer. Each
of the others is added as soon as it answers, whether it has been there before or not, by the same
call with which TensorFlow takes a worker back that was started again. Measured on two cores, that
takes 0.1 to 0.3 s; nothing is forwarded, so it costs a step nothing.

It uses private names of TensorFlow, of the version that requirements.txt pins.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow.python.distribute.coordinator import cluster_coordinator
from tensorflow.python.eager import context

from dbsl_tf.cluster.probing import probe
from dbsl_tf.cluster.task import CHIEF, WORKER, ClusterAddresses
from dbsl_tf.engine.membership import Membership

# Seconds between two attempts to reach a worker.
_PAUSE = 0.5
_NOT_THERE = "it is not there yet"


def strategy_without(
    addresses: ClusterAddresses, absent: Collection[int]
) -> tf.distribute.ParameterServerStrategy:
    """Connects to all servers but some workers; returns the strategy for all of them.

    Args:
        addresses: of the cluster.
        absent: the indices of workers that are not there yet.
    """
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        _ClusterSpec(addresses, absent), task_type=CHIEF, task_id=0, rpc_layer="grpc"
    )
    return tf.distribute.ParameterServerStrategy(resolver)


class _ClusterSpec(tf.train.ClusterSpec):
    """Has all workers for the strategy, and those alone that are there for the connection."""

    def __init__(self, addresses: ClusterAddresses, absent: Collection[int]) -> None:
        super().__init__(addresses.as_dict())
        self._absent = absent

    def as_cluster_def(self) -> Any:
        definition = copy.deepcopy(super().as_cluster_def())
        for job in definition.job:
            if job.name == WORKER:
                for worker in self._absent:
                    del job.tasks[worker]
        return definition


class ConnectedWorkers:
    """Connects to each worker as soon as it answers, and again after it was lost. Thread-safe.

    Args:
        coordinator: the ClusterCoordinator.
        addresses: `host:port` of every worker.
        absent: the indices of workers that are not there yet.
        membership: where workers are marked as alive once they are connected.
        answer: seconds that a worker may take to answer.
    """

    def __init__(
        self,
        coordinator: Any,
        addresses: Sequence[str],
        absent: Collection[int],
        membership: Membership,
        answer: float,
    ) -> None:
        self._addresses = addresses
        self._membership = membership
        self._answer = answer
        self._connected = set(range(len(addresses))) - set(absent)
        self._connecting = threading.Lock()
        for worker in absent:
            membership.mark_lost(worker, _NOT_THERE)
        cluster = coordinator._cluster
        cluster.failure_handler.stop()
        cluster.failure_handler = _FailureHandler(cluster, self)
        for worker in cluster.workers:
            worker.failure_handler = cluster.failure_handler

    def is_connected(self, worker: int) -> bool:
        """Returns whether calls may be sent to a worker."""
        return worker in self._connected

    def reconnect(self, worker: int) -> None:
        """Waits until a worker answers, and connects to it.

        Workers that have been lost in the meantime are left out until they are reconnected. One
        that hangs is waited for: TensorFlow takes leave of it, and connects to no other before it
        goes on or its connection is given up.

        Raises:
            OpError: a parameter server was lost.
        """
        with self._connecting:
            self._connected.discard(worker)
        while True:
            if self._answers(worker):
                with self._connecting:
                    there = {other for other in self._connected if self._answers(other)}
                    if self._update(there | {worker}):
                        self._connected = there | {worker}
                        break
            time.sleep(_PAUSE)
        self._membership.mark_alive(worker)

    def _answers(self, worker: int) -> bool:
        try:
            probe(self._addresses[worker], self._answer)
        except OSError:
            return False
        return True

    def _update(self, workers: Collection[int]) -> bool:
        """Makes `workers` those of TensorFlow's cluster; returns False if one of them was lost."""
        definition = copy.deepcopy(context.get_server_def())
        for job in definition.cluster.job:
            if job.name == WORKER:
                job.tasks.clear()
                job.tasks.update({worker: self._addresses[worker] for worker in workers})
        try:
            context.context().update_server_def(definition)
        except tf.errors.OpError as error:
            if cluster_coordinator._is_worker_failure(error):
                return False
            raise
        return True


class _FailureHandler(cluster_coordinator.WorkerPreemptionHandler):
    """What ClusterCoordinator runs calls within, with workers that are reconnected one by one."""

    def __init__(self, cluster: Any, workers: ConnectedWorkers) -> None:
        super().__init__(None, cluster)
        self._workers = workers
        # Its caller waits for this after a failure, when its worker is connected again.
        self._worker_up_cond = _Happened()

    def _preemption_handler(self) -> None:
        """Waits for no worker, unlike the method that it replaces."""

    @contextmanager
    def wait_on_failure(
        self,
        on_failure_fn: Callable[[Exception], None] | None = None,
        on_transient_failure_fn: Callable[[], None] | None = None,
        on_recovery_fn: Callable[[], None] | None = None,
        worker_device_name: str = "(unknown)",
    ) -> Iterator[None]:
        """Runs its context on a worker; if that fails because it is lost, waits until it is back.

        The names of the arguments are TensorFlow's.
        """
        worker = tf.DeviceSpec.from_string(worker_device_name).task

        def lost(error: Exception) -> None:
            if on_failure_fn:
                on_failure_fn(error)
            self._workers.reconnect(worker)

        with super().wait_on_failure(
            lost, on_transient_failure_fn, on_recovery_fn, worker_device_name
        ):
            self._check(worker)
            try:
                yield
            except Exception:
                # Without it TensorFlow's errors are those of unknown devices.
                self._check(worker)
                raise

    def _check(self, worker: int) -> None:
        if not self._workers.is_connected(worker):
            raise tf.errors.UnavailableError(
                None, None, f"/job:worker/replica:0/task:{worker} is not connected"
            )


class _Happened:
    """In place of a condition for which nobody has to wait any more."""

    def wait(self, timeout: float | None = None) -> bool:
        return True

    def notify_all(self) -> None:
        """Wakes nobody up, as nobody waits."""
