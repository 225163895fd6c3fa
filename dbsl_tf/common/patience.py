"""How long to wait for something before giving up on it.

What takes seconds on one machine takes minutes on another, or on the same one under load. So
nothing is given up on while it visibly makes progress; and where progress cannot be seen, the
limits are multiples of the time that loading TensorFlow took in this process.
"""

from __future__ import annotations

import math
import subprocess
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import TypeAlias

import psutil

from dbsl_tf.common import awake

_SAMPLE_SECONDS = 1.0
# A process that only waits still computes a little: less than this share of a core is ignored.
_LEAST_SHARE = 0.02
_LEAST_SECONDS = 0.05
_MEBIBYTE = 2**20
# A worker becomes suspect when a call takes this many times as long as usual.
_SUSPECT = 10
# A suspect worker that still answers is given this many times as long again.
_HOPELESS = 10
_REMEMBERED = 5  # calls of each worker


@dataclass(frozen=True)
class Limits:
    """How many seconds to wait on this machine.

    Args:
        loading: seconds that loading TensorFlow took here; 0: not known.
    """

    loading: float = 0.0

    @property
    def call(self) -> float:
        """What a call to a server may take, unless more is usual, before the server is probed."""
        return max(20.0, 4 * self.loading)

    @property
    def answer(self) -> float:
        """How long a server that is probed may take to answer before it counts as hung."""
        return max(10.0, 2 * self.loading)

    @property
    def restart(self) -> float:
        """The same for a server that may be starting."""
        return max(60.0, 12 * self.loading)

    @property
    def standstill(self) -> float:
        """How long to wait without any progress, even though every server answers."""
        return max(600.0, 120 * self.loading)

    @property
    def patience(self) -> Patience:
        """The patience with a call about which nothing else is known."""
        return Patience(self.call, self.standstill)

    def patience_with(self, worker: int) -> Patience:
        """Returns the same for any worker."""
        return self.patience


@dataclass(frozen=True)
class Patience:
    """How long a worker may take for a call before it counts as hung.

    Attributes:
        seconds: after this time it is probed, and counts as hung if it does not answer.
        most: after this time it counts as hung even if it answers.
    """

    seconds: float
    most: float


# The patience with a worker of this index.
PatienceWith: TypeAlias = Callable[[int], Patience]


class UsualTimes:
    """How long calls of one kind usually take here; thread-safe.

    Each worker is judged by its own calls. What is expected of a call counts only until one has
    been observed: it may be wrong for this machine. A worker that answers is therefore never given
    up for its first call, and later ones have 10 times as long as is usual for it.

    Args:
        limits: the limits of this machine.
        fixed: seconds of `cluster.worker_timeout`, the least a worker has for a call; None: calls
            are judged by the usual time alone.
        ratio: observed over expected time of a call, assumed until one has been observed.
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
        """Records a call by `worker` that took `seconds`; `expected` may be in any unit."""
        with self._lock:
            self._recent[worker].append(seconds / expected)

    def patience(self, expected: Sequence[float]) -> PatienceWith:
        """Returns the patience with each worker that may run a call.

        Args:
            expected: duration of the call on each worker, in the unit of `observe`, [workers].
        """
        return lambda worker: self._patience(worker, expected[worker])

    def _patience(self, worker: int, expected: float) -> Patience:
        with self._lock:
            # The lower one of two: the first call includes one-time costs.
            ratios = {index: median_low(recent) for index, recent in self._recent.items()}
        observed = worker in ratios
        ratio = ratios[worker] if observed else max(ratios.values(), default=self._ratio)
        usual = _SUSPECT * ratio * expected
        if self._fixed is not None and observed:
            return Patience(self._fixed, max(self._fixed, usual))
        seconds = max(self._limits.call, usual) if self._fixed is None else self._fixed
        return Patience(seconds, max(self._limits.standstill, seconds, _HOPELESS * usual))


class Idle:
    """For how long something has made no progress, judged by the processor time it has used."""

    def __init__(self) -> None:
        self._noted = 0.0
        self._since = awake.seconds()

    @property
    def seconds(self) -> float:
        """For how long at least."""
        return awake.seconds() - self._since

    def done(self, seconds: float) -> None:
        """Records the processor time so far; it may fall when one of several processes ends."""
        if abs(seconds - self._noted) >= max(_LEAST_SECONDS, _LEAST_SHARE * self.seconds):
            self._noted, self._since = seconds, awake.seconds()


class Standstill:
    """For how long processes have done nothing: not computed, and not read or written anything.

    Their children count too. A mebibyte counts as much as a second of processor time.

    Args:
        processes: process IDs.

    Attributes:
        processes: as given.
    """

    def __init__(self, processes: Iterable[int]) -> None:
        self.processes = tuple(processes)
        self._idle = Idle()
        self._looked = -math.inf

    @property
    def seconds(self) -> float:
        """For how long at least; only activity between reads is noticed, so read it repeatedly."""
        now = awake.seconds()
        if now - self._looked >= _SAMPLE_SECONDS:
            self._looked = now
            self._idle.done(sum(map(_work_of, self.processes)))
        return self._idle.seconds


def communicate(process: subprocess.Popen, limits: Limits) -> tuple[str, str]:
    """Returns what `Popen.communicate` does, and waits as long as the process makes progress.

    Raises:
        TimeoutExpired: it has done nothing for `limits.standstill` seconds; it is still running.
    """
    standstill = Standstill([process.pid])
    while True:
        try:
            return process.communicate(timeout=_SAMPLE_SECONDS)
        except subprocess.TimeoutExpired:
            if standstill.seconds > limits.standstill:
                raise subprocess.TimeoutExpired(process.args, limits.standstill) from None


def _work_of(process: int) -> float:
    """Returns processor seconds plus mebibytes read or written, of a process and its children."""
    done = 0.0
    try:
        root = psutil.Process(process)
        for part in (root, *root.children(recursive=True)):
            times = part.cpu_times()
            done += times.user + times.system
            traffic = part.io_counters()
            done += (traffic.read_chars + traffic.write_chars) / _MEBIBYTE
    except (psutil.Error, OSError):
        # It has ended, or does not report everything.
        pass
    return done
