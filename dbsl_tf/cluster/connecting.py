"""Sets up a cluster and waits until its servers answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dbsl_tf.cluster.connections import keep_connections
from dbsl_tf.cluster.liveness import SilenceWatch
from dbsl_tf.cluster.local import LocalCluster
from dbsl_tf.cluster.probing import bypass_proxies, check_own_port, probe
from dbsl_tf.cluster.task import PARAMETER_SERVER, WORKER, Task
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.onednn import OneDnn
from dbsl_tf.common.onednn import apply as apply_onednn
from dbsl_tf.common.patience import Limits
from dbsl_tf.common.quiet import import_tensorflow_quietly
from dbsl_tf.config.cluster_sections import ClusterSection

# How long a server may take to answer a probe, in seconds.
_SHORTEST_ANSWER, _LONGEST_ANSWER = 1.0, 10.0
# While servers are seen to be starting, the time to wait is extended up to so many times.
_EXTENDED = 10


@dataclass(frozen=True)
class ReadyCluster:
    """A cluster to coordinate.

    Attributes:
        task: the chief's.
        threads_per_worker: cores that one worker may use; -1 if they are not known here and
            tf.data is to find out.
        limits: how long to wait on this machine.
        absent: workers that are not there yet, by their indices; they may join later.
        check: raises a `ClusterError` if the run cannot continue, restarts dead workers, and
            calls its argument with a line on each. A cluster from TF_CONFIG is not checked.
    """

    task: Task
    threads_per_worker: int
    limits: Limits = Limits()
    absent: frozenset[int] = frozenset()
    check: Callable[[Callable[[str], None]], None] = lambda report: None

    def watch(self, report: Callable[[str], None]) -> Callable[[], None]:
        """Returns a function to call repeatedly while the servers load something.

        It does what `check` does, and raises a `ParameterServerLost` if a server does not answer
        that was there at the beginning.
        """
        servers = self.task.addresses.servers()
        there = [s for s in servers if s.role == PARAMETER_SERVER or s.index not in self.absent]
        silence = SilenceWatch(there, self.limits.restart)

        def look() -> None:
            self.check(report)
            silence.check()

        return look


@contextmanager
def ready_cluster(
    section: ClusterSection,
    onednn: OneDnn,
    task: Task | None,
    log_directory: Path,
    restarts: int = 0,
    report: Callable[[str], None] = lambda line: None,
) -> Iterator[ReadyCluster]:
    """Provides the cluster that TF_CONFIG describes or, without it, a local one.

    A local cluster ends with the context. On entering the context, TensorFlow is imported.

    Args:
        section: says how many servers there are and how long to wait for them.
        onednn: `compute.onednn`, for this process and the servers that it starts.
        task: the chief's task; None starts servers on this machine.
        log_directory: for the output of servers started here.
        restarts: how many dead servers of a local cluster are restarted; parameter servers only
            until the cluster is ready.
        report: called with a line on each restart.

    Raises:
        UserError: a server does not answer in time, or the chief's port cannot be used.
    """
    timeout = section.connect_timeout
    needed = section.workers_to_begin
    # For the servers started here too.
    apply_onednn(onednn)
    if task is not None:
        check_own_port(task)
        bypass_proxies(task)
        keep_connections(task)
        limits = _load_tensorflow()
        absent = wait_for_servers(task, timeout, needed)
        yield ReadyCluster(task, threads_per_worker=-1, limits=limits, absent=absent)
        return
    with LocalCluster(section.workers, section.parameter_servers, log_directory, restarts) as local:
        bypass_proxies(local.task)
        # Importing takes as long as the servers need to start: do both at once.
        limits = _load_tensorflow()

        def check() -> None:
            local.replace_killed(report)
            for line in local.dead().values():
                raise UserError(f"a server of the local cluster could not start: {line}")

        absent = wait_for_servers(local.task, timeout, needed, check, local.standstill_seconds)
        yield ReadyCluster(local.task, local.threads_per_worker, limits, absent, local.check)


def _load_tensorflow() -> Limits:
    began = time.monotonic()
    import_tensorflow_quietly()
    return Limits(loading=time.monotonic() - began)


def wait_for_servers(
    task: Task,
    timeout: float,
    needed: int | None = None,
    check: Callable[[], None] = lambda: None,
    standstill: Callable[[], float] | None = None,
) -> frozenset[int]:
    """Waits until every parameter server and enough workers answer; returns the absent workers.

    Args:
        task: the chief's task, whose addresses are tried.
        timeout: seconds to wait for all of them together.
        needed: number of workers that have to answer; None: all.
        check: called between attempts; raises if waiting has become pointless.
        standstill: seconds since the servers were last seen to make progress with their start,
            during which the time to wait is extended; None: that cannot be seen.

    Raises:
        UserError: a server cannot be reached in time.
    """
    began = time.monotonic()
    servers = task.addresses.servers()
    workers = len(task.addresses.workers)
    may_be_absent = 0 if needed is None else workers - needed
    waiting = {server: min(timeout, _SHORTEST_ANSWER) for server in servers}
    errors: dict[Task, OSError] = {}
    while True:
        # Once more when there are enough of them, for those that have come in the meantime.
        enough = _enough(waiting, may_be_absent)
        for server, answer in list(waiting.items()):
            check()
            waited = time.monotonic() - began
            idle = waited if standstill is None else min(waited, standstill())
            try:
                probe(server.address, answer)
                del waiting[server]
            except OSError as error:
                errors[server] = error
                # A slow machine may take longer to answer.
                waiting[server] = min(2 * answer, timeout, _LONGEST_ANSWER)
                late = idle > timeout or waited > _EXTENDED * timeout
                if late and not _enough(waiting, may_be_absent):
                    # Of several the same one, whichever is tried when the time is over.
                    first = next(iter(waiting))
                    raise UserError(
                        _unreachable(first, timeout, errors[first], may_be_absent)
                    ) from errors[first]
        if not waiting or enough:
            return frozenset(server.index for server in waiting)
        if not _enough(waiting, may_be_absent):
            time.sleep(0.05)


def _enough(waiting: Collection[Task], may_be_absent: int) -> bool:
    """Returns whether training may begin without those that are waited for."""
    return len(waiting) <= may_be_absent and all(server.role == WORKER for server in waiting)


def _unreachable(server: Task, timeout: float, error: OSError, may_be_absent: int) -> str:
    least = len(server.addresses.workers) - may_be_absent
    wanted = f", and cluster.min_workers={least} are needed" if may_be_absent else ""
    return (
        f"{server.name} at {server.address} cannot be reached within "
        f"cluster.connect_timeout={timeout:g} s ({error}){wanted}: start it, or correct its "
        "address in TF_CONFIG"
    )


def check_size(section: ClusterSection, task: Task) -> None:
    """Checks that TF_CONFIG has as many servers as the configuration.

    Raises:
        UserError: it has more or fewer.
    """
    for key, role, configured, listed in (
        ("workers", "worker", section.workers, task.addresses.workers),
        (
            "parameter_servers",
            "ps",
            section.parameter_servers,
            task.addresses.parameter_servers,
        ),
    ):
        if configured != len(listed):
            raise UserError(
                f"cluster.{key}={configured}, but TF_CONFIG lists {len(listed)} under "
                f"cluster.{role}: make them equal"
            )
