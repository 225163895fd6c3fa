"""A cluster of server processes on this machine, for runs without TF_CONFIG."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from dbsl_tf.cluster.gpus import VISIBLE, gpu_of
from dbsl_tf.cluster.task import CHIEF, PARAMETER_SERVER, WORKER, ClusterAddresses, Task
from dbsl_tf.common.cores import available_cores, core_count
from dbsl_tf.common.errors import ClusterError, ParameterServerLost
from dbsl_tf.common.files import open_to_append
from dbsl_tf.common.patience import Standstill
from dbsl_tf.common.program import python_module, python_path

# Environment variable of a server: the cores it may use, such as "0,1"; empty for all.
CORES = "DBSL_TF_CORES"
# Likewise: how many threads a worker computes with; empty for one on each core.
THREADS = "DBSL_TF_THREADS"
# A server has nothing to save: one that does not react to a signal in this time is killed.
_STOP_SECONDS = 5.0


class LocalCluster:
    """Parameter servers and workers as child processes that end with this process.

    Each child holds the reading end of a pipe whose writing end only this process has: however this
    process ends, the operating system then closes the pipe, and the child exits.

    Args:
        workers: number of workers (n).
        parameter_servers: number of parameter servers.
        log_directory: where each server's output goes, as `<role>-<index>.log`.
        restarts: how many dead workers `check` restarts.

    Attributes:
        addresses: where this process and its servers listen.
        threads_per_worker: each worker's share of the cores.
    """

    def __init__(
        self, workers: int, parameter_servers: int, log_directory: Path, restarts: int = 0
    ) -> None:
        self._log_directory = log_directory
        self._restarts = self._restarts_left = restarts
        self._processes: dict[str, subprocess.Popen] = {}
        self._reported: set[str] = set()
        self._standstill: Standstill | None = None
        ports = free_ports(1 + parameter_servers + workers)
        hosts = [f"127.0.0.1:{port}" for port in ports]
        self.addresses = ClusterAddresses(
            hosts[0], tuple(hosts[1 + parameter_servers :]), tuple(hosts[1 : 1 + parameter_servers])
        )
        self.threads_per_worker = max(1, core_count() // workers)

    @property
    def task(self) -> Task:
        """The task of this process: the chief."""
        return Task(self.addresses, CHIEF, 0)

    @property
    def processes(self) -> dict[str, subprocess.Popen]:
        """The server processes by task name, such as `worker-0`."""
        return dict(self._processes)

    def __enter__(self) -> LocalCluster:
        self._log_directory.mkdir(parents=True, exist_ok=True)
        try:
            for task in self.addresses.servers():
                self._start(task)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def dead(self) -> dict[str, str]:
        """Returns how each server that has ended did so and where its log is, by name."""
        return {
            name: f"{name} {_exit_text(process.returncode)}, see {self._log(name)}"
            for name, process in self._processes.items()
            if process.poll() is not None
        }

    def standstill_seconds(self) -> float:
        """Returns for how many seconds its servers have done nothing; see `Standstill`."""
        processes = tuple(process.pid for process in self._processes.values())
        if self._standstill is None or self._standstill.processes != processes:
            self._standstill = Standstill(processes)
        return self._standstill.seconds

    def replace_killed(self, report: Callable[[str], None]) -> None:
        """Restarts servers that a signal ended during their start, as `check` restarts workers.

        So are those that were asked to end, with status 0. A server that ended by itself is not
        restarted: it cannot start on this machine.
        """
        dead = self.dead()
        for task in self.addresses.servers():
            if task.name in dead and self._processes[task.name].returncode <= 0:
                self._replace(task, dead[task.name], report)

    def check(self, report: Callable[[str], None]) -> None:
        """Restarts workers that have ended, as long as `restarts` allows; reports each end.

        Raises:
            ParameterServerLost: a parameter server has ended.
            ClusterError: all workers have ended.
        """
        dead = self.dead()
        lost = [dead[name] for name in dead if name.startswith(PARAMETER_SERVER)]
        if lost:
            raise ParameterServerLost(
                f"a parameter server was lost, and the weights with it: {'; '.join(lost)}"
            )
        for task in self.addresses.servers():
            if task.name in dead:
                self._replace(task, dead[task.name], report)
        still_dead = self.dead()
        if all(name in still_dead for name in self._processes if name.startswith(WORKER)):
            raise ClusterError(f"no worker is left: {'; '.join(still_dead.values())}")

    def _replace(self, task: Task, ending: str, report: Callable[[str], None]) -> None:
        if self._restarts_left:
            self._restarts_left -= 1
            used = self._restarts - self._restarts_left
            report(f"{ending}; restarted ({used} of {self._restarts} times)")
            _close_input(self._processes[task.name])
            self._start(task)
        elif task.name not in self._reported:
            self._reported.add(task.name)
            report(f"{ending}; not restarted: cluster.max_restarts is used up")

    def stop(self) -> None:
        """Ends every server and waits for it; at most a few seconds."""
        for process in self._processes.values():
            if process.poll() is None:
                # At once, and not in order as after SIGTERM.
                _close_input(process)
                # A stopped process notices only once it runs again.
                process.send_signal(signal.SIGCONT)
        for process in self._processes.values():
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _close_input(process)

    def _start(self, task: Task) -> None:
        environment = {
            **os.environ,
            "TF_CONFIG": task.to_json(),
            "PYTHONPATH": python_path(),
            CORES: ",".join(map(str, self._cores_of(task))),
            THREADS: str(self.threads_per_worker) if task.role == WORKER else "",
            VISIBLE: gpu_of(task) or "-1",
        }
        with ExitStack() as stack:
            log = stack.enter_context(open_to_append(self._log(task.name)))
            self._processes[task.name] = subprocess.Popen(
                python_module("dbsl_tf.cluster.server"),
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A Ctrl-C in the terminal is for the coordinator to handle.
                start_new_session=True,
            )

    def _cores_of(self, task: Task) -> list[int]:
        """Returns a worker's own cores, so that workers neither migrate nor disturb one another."""
        cores = available_cores()
        # Where the time of some cores is shared out, other containers would choose the same ones.
        shared = core_count() < len(cores) or len(self.addresses.workers) > len(cores)
        if task.role != WORKER or shared or not hasattr(os, "sched_setaffinity"):
            return []
        first = task.index * self.threads_per_worker
        return cores[first : first + self.threads_per_worker]

    def _log(self, name: str) -> Path:
        return self._log_directory / f"{name}.log"


def _close_input(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def free_ports(count: int) -> list[int]:
    """Returns ports that were free a moment ago, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [opened.getsockname()[1] for opened in sockets]


def _exit_text(code: int) -> str:
    if code == 0:
        return "has left as it was asked to, by SIGTERM"
    return f"ended with {signal.Signals(-code).name if code < 0 else f'status {code}'}"
