"""Faults of every kind, each of which a run has survived once all of its workers train again."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from random import Random

from tests.support.faults import FAULT_POINTS
from tests.test_faults import FaultCase

# Of a machine with fewer cores than the run has workers.
CROWDED = "the time model does not hold"


class SurvivedFaultsCase(FaultCase):
    """A run of the training command that is begun again whenever a fault has ended it.

    Attributes:
        process: its coordinator.
        coordinators: all that it has had.
    """

    def setUp(self):
        super().setUp()
        self.kinds = {
            "worker killed": self._kill_worker,
            "two workers killed": self._kill_two_workers,
            "worker stopped": self._stop_worker,
            "worker asked to end": self._ask_worker_to_end,
            "parameter server killed": lambda: self._end_parameter_server(signal.SIGKILL),
            "parameter server asked to end": lambda: self._end_parameter_server(signal.SIGTERM),
            "parameter server and worker killed": self._kill_parameter_server_and_worker,
            "coordinator killed": self._kill_coordinator,
            "coordinator killed while it saves": self._kill_coordinator_while_it_saves,
            "interrupted": self._interrupt,
        }

    def begin(self, chance: Random, workers: int, parameter_servers: int, *overrides: str) -> None:
        """Begin the run.

        Args:
            chance: what decides when and where a fault happens.
            workers: how many.
            parameter_servers: how many.
            overrides: of the configuration.
        """
        self.chance, self.workers, self.parameter_servers = chance, workers, parameter_servers
        self.coordinators = []
        self.go_on(*overrides)

    def go_on(self, *overrides: str) -> None:
        """Start the training command, which resumes what has begun.

        Args:
            overrides: of the configuration, if they are others from now on.
        """
        self.overrides = overrides or self.overrides
        self.process = self.start_injected(
            f"cluster.workers={self.workers}",
            f"cluster.parameter_servers={self.parameter_servers}",
            "cluster.max_restarts=1000",
            self.short_timeout,
            *self.overrides,
        )
        self.coordinators.append(self.process)

    def finish(self, process):
        """As of any run, without the warning of a machine with few cores."""
        status, output, errors = super().finish(process)
        lines = errors.splitlines(keepends=True)
        return status, output, "".join(line for line in lines if CROWDED not in line)

    def survive(self, kind: str) -> str:
        """Wait until all workers train, and have a fault happen; what it was, in words."""
        self.wait_for_all_workers()
        return self.kinds[kind]() or kind

    def wait_for_all_workers(self) -> None:
        """Wait until each worker has trained since now."""
        seen = len(self.events("commit"))
        self._wait_while_it_runs(
            lambda: (
                len({commit["worker"] for commit in self.events("commit")[seen:]}) == self.workers
            )
        )

    def _wait_while_it_runs(self, condition) -> None:
        self.wait_until(condition, self.process)

    def _kill_worker(self):
        point = self.chance.choice(FAULT_POINTS)
        self.kill_at(point, self._any_worker(), self.faults, self.process)
        return f"worker killed {point}"

    def _kill_two_workers(self):
        names = [f"worker-{worker}" for worker in self.chance.sample(range(self.workers), 2)]
        self._send_and_wait_for_others(names, signal.SIGKILL)

    def _stop_worker(self):
        worker, seen = self._any_worker(), len(self.events("fault"))

        def told(kind):
            return (kind, worker) in {
                (fault["kind"], fault["worker"]) for fault in self.events("fault")[seen:]
            }

        self.stop_in_the_loop(worker, self.faults, self.process)
        self._wait_while_it_runs(lambda: told("absent"))
        self.send(f"worker-{worker}", signal.SIGCONT)
        self._wait_while_it_runs(lambda: told("back"))

    def _ask_worker_to_end(self):
        self._send_and_wait_for_others([f"worker-{self._any_worker()}"], signal.SIGTERM)

    def _send_and_wait_for_others(self, names, number):
        """Send servers a signal at the same time, and wait until others have their places."""
        before = self.servers()
        for name in names:
            self.send(name, number)
        self._wait_while_it_runs(
            lambda: all(self.servers().get(name, before[name]) != before[name] for name in names)
        )

    def _end_parameter_server(self, number):
        self._resume_after(lambda: self.send(self._any_parameter_server(), number))

    def _kill_parameter_server_and_worker(self):
        def kill():
            servers = self.servers()
            for name in (self._any_parameter_server(), f"worker-{self._any_worker()}"):
                # The coordinator ends the others as soon as it notices the first.
                with suppress(ProcessLookupError):
                    os.kill(servers[name], signal.SIGKILL)

        self._resume_after(kill)

    def _kill_coordinator(self):
        self.process.kill()
        self._go_on_without_it()

    def _kill_coordinator_while_it_saves(self):
        (self.faults / "checkpoint").touch()
        self._go_on_without_it()

    def _go_on_without_it(self):
        status, _, _ = self.finish(self.process)
        self.assertEqual(status, -signal.SIGKILL)
        self.check_nothing_is_left()
        self._resume_after(self.go_on)

    def _interrupt(self):
        self.interrupt(self.process)
        self._resume_after(self.go_on)
        self.assertEqual(self.events("resume")[-1]["discarded"], 0)

    def _resume_after(self, happen) -> None:
        """Have something happen, and wait until the run resumes after it."""
        resumed = len(self.events("resume"))
        happen()
        self._wait_while_it_runs(lambda: len(self.events("resume")) > resumed)

    def _any_worker(self) -> int:
        return self.chance.randrange(self.workers)

    def _any_parameter_server(self) -> str:
        return f"ps-{self.chance.randrange(self.parameter_servers)}"
