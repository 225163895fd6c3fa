"""The only module that uses ParameterServerStrategy and ClusterCoordinator."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from dbsl_tf.cluster.liveness import Liveness
from dbsl_tf.cluster.probing import probe, reachable
from dbsl_tf.cluster.task import PARAMETER_SERVER, Task
from dbsl_tf.common import awake
from dbsl_tf.common.patience import Limits, PatienceWith
from dbsl_tf.config.cluster_sections import GRACE_SECONDS
from dbsl_tf.engine import hung_workers
from dbsl_tf.engine.closure import Closure
from dbsl_tf.engine.connected_workers import ConnectedWorkers, strategy_without
from dbsl_tf.engine.cut_off_workers import CutOffWorkers
from dbsl_tf.engine.departures import Departures
from dbsl_tf.engine.failures import is_retriable, naming_lost_servers, server_was_lost
from dbsl_tf.engine.membership import Membership
from dbsl_tf.engine.worker_datasets import WorkerDatasets
from dbsl_tf.engine.worker_watch import CallWatch, PresenceWatch
from dbsl_tf.results.worker_state import WorkerState

# Seconds between two checks whether the worker of a call hangs.
_PATIENCE = 0.5
_RETRY_SECONDS = 0.1
# How often a call is tried that is cancelled because another one failed.
_TRIES = 3
_RemoteValue: TypeAlias = tf.distribute.coordinator.RemoteValue
# ClusterCoordinator waits for its workers when it is deleted, dead ones included.
_kept: list[Engine] = []


class WorkerHung(Exception):
    """The worker that runs a call has not finished it in time, and may never do so.

    Attributes:
        worker: its index.
        seconds: how long it has been running the call.
    """

    def __init__(self, worker: int, seconds: float) -> None:
        super().__init__(f"worker {worker} has not answered for {seconds:.0f} s")
        self.worker = worker
        self.seconds = seconds


class Call:
    """A closure that was given to the cluster to run; made by `Engine.start`.

    Attributes:
        ticket: number of the present attempt, unique in the process; 0 before the first.
        future: of the result.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.ticket = 0
        self.future: Future = Future()

    def result(self, patience: PatienceWith | None = None) -> Any:
        """Waits for the result; returns it as numpy values.

        Args:
            patience: how long each worker may take for it; None: for ever.

        Raises:
            WorkerHung: the worker that runs it hangs. The call is still running, and may be
                waited for again.
            ParameterServerLost: a parameter server was lost.
        """
        while not self.is_done(patience):
            pass
        with naming_lost_servers():
            return self.future.result()

    def is_done(self, patience: PatienceWith | None = None) -> bool:
        """Waits for a moment; returns whether there is a result or an error. See `result`."""
        if wait([self.future], _PATIENCE).done:
            return True
        if patience is not None:
            self._engine.check_for_hang(self.ticket, patience)
        return False


class Engine:
    """A connected cluster: places variables, builds per-worker datasets, runs closures.

    Connecting resets TensorFlow's context: build models and variables afterwards. A process can
    connect only once.

    Args:
        task: the chief's task.
        limits: how long to wait on this machine; None: the defaults.
        grace_seconds: how long a server that is asked to end may stay, see `Departures`.
        absent: workers that are not there yet; each takes part as soon as it answers.

    Attributes:
        limits: as given, or the defaults.
        workers: number of workers (n).
        parameter_servers: number of parameter servers.
        membership: which workers take part.
        departures: which servers are about to end.
    """

    def __init__(
        self,
        task: Task,
        limits: Limits | None = None,
        grace_seconds: float = GRACE_SECONDS,
        absent: Collection[int] = (),
    ) -> None:
        addresses = task.addresses
        self.limits = limits or Limits()
        self._servers = addresses.servers()
        self._worker_addresses = addresses.workers
        self._liveness = Liveness(self.limits.answer)
        hung_workers.install_workarounds()
        # The chief does not compute: the GPUs of its machine are for the workers.
        tf.config.set_visible_devices([], "GPU")
        self.workers = len(addresses.workers)
        self.parameter_servers = len(addresses.parameter_servers)
        self.membership = Membership(
            self.workers, lambda worker: reachable(addresses.workers[worker])
        )
        self._strategy = strategy_without(addresses, absent)
        self._coordinator = tf.distribute.coordinator.ClusterCoordinator(self._strategy)
        ConnectedWorkers(
            self._coordinator, addresses.workers, absent, self.membership, self.limits.answer
        )
        _kept.append(self)
        self._tickets = itertools.count(1)
        # The ticket of the call that each worker began last; written by the workers.
        self._begun_tickets = self.variables([np.zeros(self.workers, np.int64)])[0]
        self._watch = CallWatch(self._begun_tickets.numpy, self.membership)
        PresenceWatch(
            addresses.workers,
            self.membership,
            self._watch.quiet_seconds,
            self._liveness.silence,
            self.limits.answer,
        ).start()
        CutOffWorkers(
            self._coordinator,
            self.membership,
            self.variables([np.zeros((), np.int32)] * self.parameter_servers),
            self._parameter_servers_answer,
        )
        self.departures = Departures(
            self._coordinator, self._servers, self.membership, grace_seconds
        )
        # While ClusterCoordinator cancels the calls in flight, no new one may be scheduled.
        self._scheduling = threading.Lock()
        self._scheduling_since: float | None = None
        self._fetching = ThreadPoolExecutor(4 * self.workers + 8, "fetch")

    def variables(self, initial: list[Any]) -> list[tf.Variable]:
        """Returns variables on the parameter servers, placed round-robin.

        Args:
            initial: the value of each.
        """
        with self._strategy.scope():
            return [tf.Variable(value, trainable=False) for value in initial]

    def worker_datasets(
        self,
        dataset_fn: Callable[..., tf.data.Dataset],
        signature: Sequence[tf.TensorSpec] = (),
    ) -> WorkerDatasets:
        """Returns datasets of one kind, one on each worker.

        Args:
            dataset_fn: traced now, and run on every worker for each iterator; may call
                `worker_index()`. It must not create a variable.
            signature: of its arguments.
        """
        return WorkerDatasets(dataset_fn, signature, self._coordinator.create_per_worker_dataset)

    def closure(self, function: Callable) -> Closure:
        """Returns `function` as a `Closure`, to be run by `start` and `call_each`.

        The worker that runs it first writes the ticket of the call to a parameter server.
        """

        def announce(ticket: tf.Tensor) -> tf.Tensor:
            begun = tf.stack([self.worker_index(), ticket])
            # Sent to the parameter server as one tensor.
            with tf.device(self._begun_tickets.device):
                return self._begun_tickets.scatter_nd_update(begun[tf.newaxis, :1], begun[1:])

        return Closure(function, announce)

    def start(self, closure: Closure, *arguments: Any) -> Call:
        """Schedules `closure` on some idle worker; returns the call.

        If the worker dies in the meantime, another one runs the closure again from its start. So
        it does if another call fails, because TensorFlow then cancels all calls in flight.

        Args:
            closure: what to run.
            arguments: for its function; see `Closure`.

        Raises:
            ParameterServerLost: a parameter server was lost.
        """
        call = Call(self)
        with naming_lost_servers():
            remote = self._schedule(call, closure, arguments)
        call.future = self._fetching.submit(self._fetch, call, remote, closure, arguments)
        call.future.add_done_callback(lambda _: self._watch.finished(call.ticket))
        return call

    def _schedule(self, call: Call, closure: Closure, arguments: Sequence[Any]) -> _RemoteValue:
        ticket = next(self._tickets)
        with self._scheduling:
            self._scheduling_since = awake.seconds()
            try:
                remote = self._schedule_past_errors(*closure.bind(ticket, arguments))
            finally:
                self._scheduling_since = None
        # Only now: scheduling a closure for the first time traces it.
        self._watch.started(ticket)
        if call.ticket:
            self._watch.finished(call.ticket)
        call.ticket = ticket
        return remote

    def _schedule_past_errors(self, function: Callable, arguments: Sequence[Any]) -> _RemoteValue:
        # The error of an earlier call is raised here, once, as well as by that call's result.
        for _ in range(_TRIES - 1):
            try:
                return self._coordinator.schedule(function, args=arguments)
            except Exception as error:
                if server_was_lost(error):
                    raise
        return self._coordinator.schedule(function, args=arguments)

    def _fetch(
        self, call: Call, remote: _RemoteValue, closure: Closure, arguments: Sequence[Any]
    ) -> Any:
        for _ in range(_TRIES - 1):
            try:
                return closure.result(_value(remote))
            except tf.errors.OpError as error:
                if not is_retriable(error):
                    raise
                remote = self._schedule(call, closure, arguments)
        return closure.result(_value(remote))

    def call(self, closure: Closure, *arguments: Any) -> Any:
        """Runs `closure` on some idle worker; returns its result as numpy values.

        Raises:
            ParameterServerLost: a parameter server was lost.
        """
        return self.start(closure, *arguments).result()

    def call_each(
        self,
        closure: Closure,
        argument_lists: Sequence[Sequence[Any]],
        patience: PatienceWith | None = None,
    ) -> list[Any]:
        """Runs a closure for several sets of arguments at once; returns their results in order.

        Args:
            closure: must be safe to run twice.
            argument_lists: one for each call.
            patience: see `Call.result`; if a worker hangs, another one runs its call too, and the
                first result counts.

        Raises:
            ParameterServerLost: a parameter server was lost.
        """
        calls = [self.start(closure, *arguments) for arguments in argument_lists]
        return [
            self._first_result(call, closure, arguments, patience)
            for call, arguments in zip(calls, argument_lists)
        ]

    def _first_result(
        self,
        latest: Call,
        closure: Closure,
        arguments: Sequence[Any],
        patience: PatienceWith | None,
    ) -> Any:
        hung: list[Call] = []
        while True:
            for call in hung:
                if call.is_done(None):
                    return call.result()
            try:
                if latest.is_done(patience):
                    return latest.result()
            except WorkerHung:
                hung.append(latest)
                latest = self.start(closure, *arguments)

    def worker_states(self) -> list[WorkerState]:
        """Returns what every worker is doing, as far as it is known without asking it."""
        absent, seconds = self.membership.absent, self._watch.task_seconds()
        return [WorkerState(w, absent.get(w), seconds.get(w)) for w in range(self.workers)]

    @property
    def unanswered_seconds(self) -> float:
        """Seconds for which a read from the first parameter server has been pending; 0: none is."""
        return self._watch.reading_seconds

    @property
    def scheduling_seconds(self) -> float:
        """Seconds for which a call has been waiting to be scheduled; 0: none is.

        When TensorFlow cancels the calls in flight, it waits even for a worker that hangs.
        """
        since = self._scheduling_since
        return 0.0 if since is None else awake.seconds() - since

    def silent_server(self, workers_too: bool) -> str | None:
        """Probes parameter servers, and workers if asked to; call it repeatedly.

        Args:
            workers_too: whether to probe workers.

        Returns:
            The name of a server that has not answered for too long; None if there is none.
        """
        for server in self._servers:
            if workers_too or server.role == PARAMETER_SERVER:
                if self._liveness.silence(server.address) > self.limits.answer:
                    return server.name
        return None

    def _parameter_servers_answer(self) -> bool:
        try:
            for server in self._servers:
                if server.role == PARAMETER_SERVER:
                    probe(server.address, self.limits.answer)
        except OSError:
            return False
        return True

    def _is_silent(self, worker: int) -> bool:
        address = self._worker_addresses[worker]
        return self._liveness.silence(address) > self.limits.answer

    def check_for_hang(self, ticket: int, patience: PatienceWith) -> None:
        """Marks the worker that runs a call as lost if it hangs; see `Call.result`.

        Args:
            ticket: of the call.
            patience: how long each worker may take for it.

        Raises:
            WorkerHung: it hangs.
            ParameterServerLost: a parameter server was lost.
        """
        with naming_lost_servers():
            hang = self._watch.hang(ticket, patience, self._is_silent)
        if hang is not None:
            self.membership.mark_lost(hang.worker, f"no answer for {hang.seconds:.0f} s")
            raise WorkerHung(hang.worker, hang.seconds)

    @staticmethod
    def worker_index() -> tf.Tensor:
        """Returns the index of the worker that runs a closure or dataset_fn, int64 scalar."""
        return hung_workers.worker_index()


def _value(remote: _RemoteValue) -> Any:
    """Returns the value of `remote`, even if the worker that holds it dies.

    In that case fetching it fails, or returns None, until ClusterCoordinator has run the closure
    again. A closure that has failed for good raises the same error object every time.
    """
    last: tf.errors.OpError | None = None
    while True:
        try:
            value = remote.fetch()
            if value is not None:
                return value
        except tf.errors.OpError as error:
            if error is last:
                raise
            last = error
        time.sleep(_RETRY_SECONDS)
