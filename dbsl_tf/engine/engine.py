"""The one module that knows ParameterServerStrategy and ClusterCoordinator."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from dbsl_tf.cluster.liveness import Liveness
from dbsl_tf.cluster.task import PARAMETER_SERVER, Task
from dbsl_tf.common import awake
from dbsl_tf.common.patience import Limits, Patience
from dbsl_tf.engine import hung_workers
from dbsl_tf.engine.closure import Closure
from dbsl_tf.engine.failures import deserves_another_try, naming_lost_servers, server_is_gone
from dbsl_tf.engine.membership import Membership
from dbsl_tf.engine.worker_datasets import WorkerDatasets
from dbsl_tf.engine.worker_watch import CallWatch, PresenceWatch

# How often a call that waits looks whether its worker hangs, in seconds.
_PATIENCE = 0.5
_RETRY_SECONDS = 0.1
# How often a call is given to the cluster that falls with others.
_TRIES = 3
_RemoteValue: TypeAlias = tf.distribute.coordinator.RemoteValue
# ClusterCoordinator waits for its workers when it is deleted, dead ones included.
_kept: list[Engine] = []


class WorkerHung(Exception):
    """The worker that runs a call has not finished it in time, and may never do so.

    Attributes:
        worker: its index.
        seconds: how long it has been at it.
    """

    def __init__(self, worker: int, seconds: float) -> None:
        super().__init__(f"worker {worker} has not answered for {seconds:.0f} s")
        self.worker = worker
        self.seconds = seconds


class Call:
    """A closure on its way through the cluster; made by `Engine.start`.

    Attributes:
        ticket: of the present try to run it; 0 before the first.
        future: its result.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.ticket = 0
        self.future: Future = Future()

    def result(self, patience: Patience | None = None) -> Any:
        """Wait for the result, as numpy values.

        Args:
            patience: with a worker, from when it begins; None: for ever.

        Raises:
            WorkerHung: the worker that runs it hangs. The call goes on, and may be waited for
                again.
            ParameterServerLost: a parameter server is gone.
        """
        while not self.is_there(patience):
            pass
        with naming_lost_servers():
            return self.future.result()

    def is_there(self, patience: Patience | None = None) -> bool:
        """Wait a moment for the result; whether it, or an error, is there. See `result`."""
        if wait([self.future], _PATIENCE).done:
            return True
        if patience is not None:
            self._engine.check_for_hang(self.ticket, patience)
        return False


class Engine:
    """A connected cluster: places variables, builds per-worker datasets, runs closures.

    Connecting resets TensorFlow's context: build models and variables afterwards. One process
    connects once.

    Args:
        task: the chief's task.
        limits: of this machine; None: where nothing is known of it.

    Attributes:
        limits: see above.
        workers: number of workers (n).
        parameter_servers: number of parameter servers.
        membership: which of them take part.
    """

    def __init__(self, task: Task, limits: Limits | None = None) -> None:
        addresses = task.addresses
        self.limits = limits or Limits()
        self._servers = addresses.servers()
        self._worker_addresses = addresses.workers
        self._liveness = Liveness(self.limits.answer)
        hung_workers.outlive_them()
        # The chief does not compute: the GPUs of its machine are for the workers.
        tf.config.set_visible_devices([], "GPU")
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec(addresses.as_dict()),
            task_type=task.role,
            task_id=task.index,
            rpc_layer="grpc",
        )
        self.workers = len(addresses.workers)
        self.parameter_servers = len(addresses.parameter_servers)
        self.membership = Membership(self.workers)
        self._strategy = tf.distribute.ParameterServerStrategy(resolver)
        self._coordinator = tf.distribute.coordinator.ClusterCoordinator(self._strategy)
        _kept.append(self)
        self._tickets = itertools.count(1)
        # The ticket of the call that each worker took up last; written by the workers.
        self._taken = self.variables([np.zeros(self.workers, np.int64)])[0]
        self._watch = CallWatch(self._taken.numpy, self.membership)
        PresenceWatch(
            addresses.workers,
            self.membership,
            self._watch.quiet_seconds,
            self._liveness.silence,
            self.limits.answer,
        ).start()
        # While ClusterCoordinator cancels what is under way, nothing new may be begun.
        self._scheduling = threading.Lock()
        self._scheduling_since: float | None = None
        self._fetching = ThreadPoolExecutor(4 * self.workers + 8, "fetch")

    def variables(self, initial: list[Any]) -> list[tf.Variable]:
        """Variables on the parameter servers, spread over them in turn."""
        with self._strategy.scope():
            return [tf.Variable(value, trainable=False) for value in initial]

    def worker_datasets(
        self,
        dataset_fn: Callable[..., tf.data.Dataset],
        signature: Sequence[tf.TensorSpec] = (),
    ) -> WorkerDatasets:
        """Datasets of one kind, one on each worker.

        Args:
            dataset_fn: traced now, and run on every worker for each iterator; `worker_index()`
                inside it tells which. It must create no variable.
            signature: of its arguments.
        """
        return WorkerDatasets(dataset_fn, signature, self._coordinator.create_per_worker_dataset)

    def closure(self, function: Callable) -> Closure:
        """`function`, to be run by `start` and `call_each`; see `Closure`.

        The worker that takes it up says so first, by the ticket of the call.
        """

        def announce(ticket: tf.Tensor) -> tf.Tensor:
            taken = tf.stack([self.worker_index(), ticket])
            # Sent to the parameter server as one tensor.
            with tf.device(self._taken.device):
                return self._taken.scatter_nd_update(taken[tf.newaxis, :1], taken[1:])

        return Closure(function, announce)

    def start(self, closure: Closure, *arguments: Any) -> Call:
        """Have some idle worker run `closure`.

        If the worker dies meanwhile, another one runs the closure again from its start; so it is
        when another call fails, with which TensorFlow cancels all that are under way.

        Raises:
            ParameterServerLost: a parameter server is gone.
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
        # Not before: the first time, scheduling traces.
        self._watch.started(ticket)
        if call.ticket:
            self._watch.finished(call.ticket)
        call.ticket = ticket
        return remote

    def _schedule_past_errors(self, function: Callable, arguments: Sequence[Any]) -> _RemoteValue:
        # What an earlier call failed with is raised here, once, and by that call's result too.
        for _ in range(_TRIES - 1):
            try:
                return self._coordinator.schedule(function, args=arguments)
            except Exception as error:
                if server_is_gone(error):
                    raise
        return self._coordinator.schedule(function, args=arguments)

    def _fetch(
        self, call: Call, remote: _RemoteValue, closure: Closure, arguments: Sequence[Any]
    ) -> Any:
        for _ in range(_TRIES - 1):
            try:
                return closure.result(_value(remote))
            except tf.errors.OpError as error:
                if not deserves_another_try(error):
                    raise
                remote = self._schedule(call, closure, arguments)
        return closure.result(_value(remote))

    def call(self, closure: Closure, *arguments: Any) -> Any:
        """Run `closure` on some idle worker and wait for its result."""
        return self.start(closure, *arguments).result()

    def call_each(
        self,
        closure: Closure,
        argument_lists: Sequence[Sequence[Any]],
        patience: Patience | None = None,
    ) -> list[Any]:
        """Like `call` for several sets of arguments at once, spread over the workers.

        Args:
            closure: must do no harm when it is run twice.
            argument_lists: one for each call.
            patience: see `Call.result`; a call whose worker hangs is given to another one too,
                and counts by whoever is first.
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
        patience: Patience | None,
    ) -> Any:
        hung: list[Call] = []
        while True:
            for call in hung:
                if call.is_there(None):
                    return call.result()
            try:
                if latest.is_there(patience):
                    return latest.result()
            except WorkerHung:
                hung.append(latest)
                latest = self.start(closure, *arguments)

    @property
    def unanswered_seconds(self) -> float:
        """For how long the first parameter server has not answered this process; 0: it has."""
        return self._watch.reading_seconds

    @property
    def scheduling_seconds(self) -> float:
        """For how long one call has been on its way into the cluster; 0: none is.

        Cancelling what is under way waits for a worker that hangs.
        """
        since = self._scheduling_since
        return 0.0 if since is None else awake.seconds() - since

    def silent_server(self, workers_too: bool) -> str | None:
        """Ask parameter servers, and perhaps workers, for an answer. Call it again and again.

        Returns:
            The name of one that has given none for too long; None: there is none.
        """
        for server in self._servers:
            if workers_too or server.role == PARAMETER_SERVER:
                if self._liveness.silence(server.address) > self.limits.answer:
                    return server.name
        return None

    def _is_silent(self, worker: int) -> bool:
        address = self._worker_addresses[worker]
        return self._liveness.silence(address) > self.limits.answer

    def check_for_hang(self, ticket: int, patience: Patience) -> None:
        """See `Call.result`."""
        with naming_lost_servers():
            hang = self._watch.hang(ticket, patience, self._is_silent)
        if hang is not None:
            self.membership.mark_lost(hang.worker, f"no answer for {hang.seconds:.0f} s")
            raise WorkerHung(hang.worker, hang.seconds)

    @staticmethod
    def worker_index() -> tf.Tensor:
        """Inside a closure or a dataset_fn: the index of the worker that runs it, int64 scalar."""
        return hung_workers.worker_index()


def _value(remote: _RemoteValue) -> Any:
    """The value of `remote`, also when the worker dies that still had it.

    Then copying the value fails here, or copies nothing, before ClusterCoordinator has the closure
    run again. What it gives up for good it answers with the same error every time.
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
