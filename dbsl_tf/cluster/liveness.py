"""Which servers of a cluster answer: a server that hangs does not, however slow the machine is."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from dbsl_tf.cluster.probing import probe
from dbsl_tf.cluster.task import Task
from dbsl_tf.common import awake
from dbsl_tf.common.errors import ParameterServerLost

# A server that has answered is not asked again for so many seconds.
_FRESH = 2.0
# Whoever wants to know asks more often than this; else what was in vain before is forgotten.
_FORGOTTEN = 15.0


@dataclass
class _Asked:
    """What is known of a server; times of the clock `awake`."""

    answered: float = float("-inf")
    in_vain_since: float | None = None
    wanted: float = float("-inf")
    underway: bool = False


class Liveness:
    """Asks servers whether they answer, for as long as somebody wants to know. Thread-safe.

    Args:
        timeout: seconds that an answer may take before the question is put again.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._asked: dict[str, _Asked] = {}

    def silence(self, address: str) -> float:
        """Returns for how many seconds `host:port` has been asked without an answer; asks again.

        It does not wait for the answer: call it repeatedly.
        """
        now = awake.seconds()
        with self._lock:
            asked = self._asked.setdefault(address, _Asked())
            if now - asked.wanted > _FORGOTTEN and not asked.underway:
                asked.in_vain_since = None
            asked.wanted = now
            if not asked.underway and now - asked.answered > _FRESH:
                asked.underway = True
                if asked.in_vain_since is None:
                    asked.in_vain_since = now
                threading.Thread(target=self._ask, args=(address, asked), daemon=True).start()
            return 0.0 if asked.in_vain_since is None else now - asked.in_vain_since

    def _ask(self, address: str, asked: _Asked) -> None:
        answers = False
        try:
            probe(address, self._timeout)
            answers = True
        except OSError:
            # Such as a refusal, which comes at once.
            time.sleep(0.1)
        finally:
            with self._lock:
                asked.underway = False
                if answers:
                    asked.answered, asked.in_vain_since = awake.seconds(), None


class SilenceWatch:
    """Ends the waiting for servers of which one hangs.

    Args:
        servers: those that are needed.
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
