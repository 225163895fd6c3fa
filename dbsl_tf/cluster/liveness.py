"""Probes which servers of a cluster answer; one that hangs does not, even on a fast machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from dbsl_tf.cluster.probing import probe
from dbsl_tf.cluster.task import Task
from dbsl_tf.common import awake
from dbsl_tf.common.errors import ParameterServerLost

# A server that has answered is not probed again for so many seconds.
_FRESH = 2.0
# A server not asked about for so long is no longer watched: earlier failures are forgotten.
_FORGOTTEN = 15.0


@dataclass
class _Probes:
    """The probes of one server; times by the clock `awake`."""

    answered: float = float("-inf")
    failing_since: float | None = None
    wanted: float = float("-inf")
    underway: bool = False


class Liveness:
    """Probes servers for as long as somebody asks about them. Thread-safe.

    Args:
        timeout: seconds after which a probe without an answer is repeated.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._servers: dict[str, _Probes] = {}

    def silence(self, address: str) -> float:
        """Returns for how many seconds `host:port` has not answered; probes it again.

        It does not wait for the answer: call it repeatedly.
        """
        now = awake.seconds()
        with self._lock:
            probes = self._servers.setdefault(address, _Probes())
            if now - probes.wanted > _FORGOTTEN and not probes.underway:
                probes.failing_since = None
            probes.wanted = now
            if not probes.underway and now - probes.answered > _FRESH:
                probes.underway = True
                if probes.failing_since is None:
                    probes.failing_since = now
                threading.Thread(target=self._probe, args=(address, probes), daemon=True).start()
            return 0.0 if probes.failing_since is None else now - probes.failing_since

    def _probe(self, address: str, probes: _Probes) -> None:
        answers = False
        try:
            probe(address, self._timeout)
            answers = True
        except OSError:
            # It may come at once, such as a refused connection.
            time.sleep(0.1)
        finally:
            with self._lock:
                probes.underway = False
                if answers:
                    probes.answered, probes.failing_since = awake.seconds(), None


class SilenceWatch:
    """Raises an error when a server hangs, so that nobody waits for it.

    Args:
        servers: those that have to answer.
        seconds: for which one may be silent.
    """

    def __init__(self, servers: Sequence[Task], seconds: float) -> None:
        self._servers = servers
        self._seconds = seconds
        self._liveness = Liveness(seconds)

    def check(self) -> None:
        """Checks whether all answer; to be called repeatedly.

        Raises:
            ParameterServerLost: one has not answered for too long.
        """
        for server in self._servers:
            silence = self._liveness.silence(server.address)
            if silence > self._seconds:
                raise ParameterServerLost(
                    f"{server.name} at {server.address} hangs: it has not answered for "
                    f"{silence:.0f} s"
                )
