"""How long to wait for something before it is given up.

What takes seconds on one machine takes minutes on another, or on the same one under load. So what
is seen to go on is never given up; and where nothing is seen, the limits are multiples of the time
that loading TensorFlow took in this very process.
"""

from __future__ import annotations

import math
import subprocess
import threading
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

import psutil

from dbsl_tf.common import awake

_SAMPLE_SECONDS = 1.0
# Whoever only waits computes too, now and then: less than this share of a core is nothing.
_LEAST_SHARE = 0.02
_LEAST_SECONDS = 0.05
_MEBIBYTE = 2**20
# A call that takes so many times as long as usual makes its worker suspect.
_SUSPECT = 10
# And if its worker still answers, so many times as long as that.
_HOPELESS = 10
_REMEMBERED = 5  # calls of each worker


@dataclass(frozen=True)
class Limits:
    """Seconds to wait on this machine.

    Args:
        loading: seconds that loading TensorFlow took here; 0: not known.
    """

    loading: float = 0.0

    @property
    def call(self) -> float:
        """What a call of a server may take, unless more is usual, before it is asked for an
        answer."""
        return max(20.0, 4 * self.loading)

    @property
    def answer(self) -> float:
        """A server that is asked whether it answers, and does not, hangs after so long."""
        return max(10.0, 2 * self.loading)

    @property
    def restart(self) -> float:
        """The same where it may be about to start."""
        return max(60.0, 12 * self.loading)

    @property
    def standstill(self) -> float:
        """What is not seen to go on is given up after so long, though every server answers."""
        return max(600.0, 120 * self.loading)

    @property
    def patience(self) -> Patience:
        """With a call of which nothing more is known."""
        return Patience(self.call, self.standstill)


@dataclass(frozen=True)
class Patience:
    """How long a worker may take for a call before it counts as hung.

    Attributes:
        seconds: after so long it does if it does not answer when it is asked.
        most: after so long it does in any case.
    """

    seconds: float
    most: float


class UsualTimes:
    """How long calls of one kind take here; thread-safe.

    What counts is the slowest worker: where all are slow alike, none of them hangs.

    Args:
        limits: of this machine.
        fixed: what `cluster.worker_timeout` says; None: calls are judged by what is usual.
        ratio: seconds of a call to what is expected of it, before any was observed.
    """

    def __init__(self, limits: Limits, fixed: float | None = None, ratio: float = 0.0) -> None:
        self._limits = limits
        self._fixed = fixed
        self._ratio = ratio
        self._lock = threading.Lock()
        self._recent: defaultdict[int, deque[float]] = defaultdict(
            lambda: deque(maxlen=_REMEMBERED)
        )

    def observe(self, worker: int, seconds: float, expected: float) -> None:
        """Take note of a call of `worker` that was `expected` to take so long, in any unit."""
        with self._lock:
            self._recent[worker].append(seconds / expected)

    def patience(self, expected: float) -> Patience:
        """With a call that is `expected` to take so long, in the unit of `observe`."""
        if self._fixed is not None:
            return Patience(self._fixed, self._fixed)
        with self._lock:
            ratio = max(map(median, self._recent.values()), default=self._ratio)
        seconds = max(self._limits.call, _SUSPECT * ratio * expected)
        return Patience(seconds, max(self._limits.standstill, _HOPELESS * seconds))


class Idle:
    """For how long something has not gone on, by the processor time that it has used."""

    def __init__(self) -> None:
        self._noted = 0.0
        self._since = awake.seconds()

    @property
    def seconds(self) -> float:
        """For how long at least."""
        return awake.seconds() - self._since

    def done(self, seconds: float) -> None:
        """Take note of the processor time so far; it is less where a part of it has ended."""
        if abs(seconds - self._noted) >= max(_LEAST_SECONDS, _LEAST_SHARE * self.seconds):
            self._noted, self._since = seconds, awake.seconds()


class Standstill:
    """For how long processes have done nothing: neither computed nor read or written anything.

    Their children count too. A mebibyte is worth a second of processor time.

    Args:
        processes: their numbers.

    Attributes:
        processes: as given.
    """

    def __init__(self, processes: Iterable[int]) -> None:
        self.processes = tuple(processes)
        self._idle = Idle()
        self._looked = -math.inf

    @property
    def seconds(self) -> float:
        """For how long at least, as far as it was looked at; ask for it again and again."""
        now = awake.seconds()
        if now - self._looked >= _SAMPLE_SECONDS:
            self._looked = now
            self._idle.done(sum(map(_work_of, self.processes)))
        return self._idle.seconds


def communicate(process: subprocess.Popen, limits: Limits) -> tuple[str, str]:
    """What `Popen.communicate` returns, for as long as the process goes on.

    Raises:
        TimeoutExpired: it has done nothing for `limits.standstill` seconds; it is still there.
    """
    standstill = Standstill([process.pid])
    while True:
        try:
            return process.communicate(timeout=_SAMPLE_SECONDS)
        except subprocess.TimeoutExpired:
            if standstill.seconds > limits.standstill:
                raise subprocess.TimeoutExpired(process.args, limits.standstill) from None


def _work_of(process: int) -> float:
    """Seconds of processor time plus mebibytes read or written, of a process and its children."""
    done = 0.0
    try:
        root = psutil.Process(process)
        for part in (root, *root.children(recursive=True)):
            times = part.cpu_times()
            done += times.user + times.system
            traffic = part.io_counters()
            done += (traffic.read_chars + traffic.write_chars) / _MEBIBYTE
    except (psutil.Error, OSError):
        # It ended meanwhile, or tells only part of it.
        pass
    return done
