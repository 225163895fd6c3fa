"""Servers that were asked to end (SIGTERM), as by Slurm, Kubernetes or a spot machine's owner.

A worker that leaves gets no further call; once the result of its last one has arrived, it counts as
absent and is let go. A parameter server is let go when the weights are saved, which is up to the
trainer. Either waits for that no longer than the grace that it is granted.

How the coordinator gets to know was chosen by measurement, on two busy cores:

- It asks every server twice a second over the server's own port, as a client of gRPC
  (`NoteExchange`). That takes 2 to 3 ms, 0.6 of them in this process, and adds nothing to a call.
  Workers that have nothing to do and parameter servers are noticed as well.
- If each call looked at a file of the worker's when it begins, a call of 17 ms took 1 ms longer;
  but a worker that waits, or is in the midst of a long mini-epoch, would say nothing, and neither
  would a parameter server.
- An operation of this process that is placed on the server takes 8 ms, but while the server hangs
  it would hold up every thread of this process.

It uses private names of TensorFlow, of the version that requirements.txt pins.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from dbsl_tf.cluster.note_exchange import NoAnswer, NoteExchange, ServerGone
from dbsl_tf.cluster.notes import GO, LEAVING, stay_order
from dbsl_tf.cluster.task import WORKER, Task
from dbsl_tf.engine.membership import Membership

# Seconds between two exchanges with a server, unless there are so many that this process would have
# too much to do, and with a server that is leaving.
_PERIOD, _LONGEST_PERIOD, _HURRIED_PERIOD = 0.5, 3.0, 0.1
_EXCHANGES_PER_SECOND = 100
# Seconds that a server may take to answer.
_TIMEOUT = 5.0
# Seconds that `release` may take.
_RELEASE_SECONDS = 1.0
REASON = "it was asked to end, by SIGTERM"


class Departures:
    """Knows which servers are leaving, and lets them go when nothing is lost by it. Thread-safe.

    Args:
        coordinator: the ClusterCoordinator, whose workers get no call while they are leaving.
        servers: of the cluster.
        membership: where workers are marked that have no call any more, or have gone.
        grace: seconds that a server stays, at most, after it was asked to end.
    """

    def __init__(
        self, coordinator: Any, servers: Sequence[Task], membership: Membership, grace: float
    ) -> None:
        self._membership = membership
        self._grace = grace
        self._lock = threading.Lock()
        self._leaving: set[Task] = set()
        self._busy: set[int] = set()
        self._released = threading.Event()
        self._period = min(_LONGEST_PERIOD, max(_PERIOD, len(servers) / _EXCHANGES_PER_SECOND))
        cluster = coordinator._cluster
        for worker in cluster.workers:
            worker._process_closure = self._giving_way(worker, cluster, worker._process_closure)
        self._threads = [
            threading.Thread(target=self._attend, args=(server,), daemon=True, name=server.name)
            for server in servers
        ]
        for thread in self._threads:
            thread.start()

    @property
    def leaving(self) -> list[Task]:
        """The servers that were asked to end, and have not ended yet."""
        with self._lock:
            return sorted(self._leaving, key=lambda server: server.name)

    def release(self) -> None:
        """Tells all servers that this process no longer needs them; takes a second at most."""
        self._released.set()
        deadline = time.monotonic() + _RELEASE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _giving_way(
        self, worker: Any, cluster: Any, run: Callable[[Any], None]
    ) -> Callable[[Any], None]:
        """Returns `run`, which runs a closure on a worker, but leaves it to others at times."""
        index = worker.worker_index

        def run_unless_leaving(closure: Any) -> None:
            with self._lock:
                leaves = index in self._leaving_workers()
                if not leaves:
                    self._busy.add(index)
            if leaves:
                cluster.closure_queue.put_back(closure)
                while index in self._leaving_workers():
                    time.sleep(_HURRIED_PERIOD)
                return
            try:
                run(closure)
            finally:
                self._busy.discard(index)

        return run_unless_leaving

    def _leaving_workers(self) -> set[int]:
        return {server.index for server in tuple(self._leaving) if server.role == WORKER}

    def _attend(self, server: Task) -> None:
        """Exchanges notes with a server until `release`."""
        notes = NoteExchange(server.address, server.role, server.index, _TIMEOUT)
        number = 0
        while True:
            released, number = self._released.is_set(), number + 1
            may_go = released or self._may_go(server)
            if may_go and server.role == WORKER and not released:
                self._membership.mark_leaving(server.index, REASON)
            try:
                note = notes.exchange(GO if may_go else stay_order(number, self._grace))
            except ServerGone:
                self._gone(server)
            except NoAnswer:
                pass
            else:
                self._noted(server, note == LEAVING)
            if released:
                return
            self._released.wait(_HURRIED_PERIOD if server in self._leaving else self._period)

    def _may_go(self, server: Task) -> bool:
        """Returns whether nothing is lost if the server goes now."""
        with self._lock:
            return (
                server in self._leaving and server.role == WORKER and server.index not in self._busy
            )

    def _noted(self, server: Task, leaves: bool) -> None:
        with self._lock:
            if leaves:
                self._leaving.add(server)
            else:
                self._leaving.discard(server)
        if server.role == WORKER and not leaves:
            self._membership.mark_staying(server.index)

    def _gone(self, server: Task) -> None:
        """Leaves a server that has gone to those who see to dead ones."""
        if server.role == WORKER and server in self._leaving:
            # It may have given its call up.
            self._membership.mark_leaving(server.index, REASON)
        with self._lock:
            self._leaving.discard(server)
