"""What simulated workers share: links that divide their bandwidth, and locks."""

from __future__ import annotations

import math
from collections import deque

from simpy import Environment, Event

# Bytes by which a transfer may fall short for rounding, relative to its size.
_ROUNDING = 1e-9


class SharedLink:
    """Transfers of equal size that share a bandwidth evenly, as TCP streams do.

    Each of k transfers under way has the k-th part of the bandwidth, its receiver's at most. As
    all have the same size they end in the order in which they began, so the next end is that of
    the oldest: what it has had since the link began to work is all there is to know.

    Args:
        env: the simulation.
        size: bytes of a transfer.
        bandwidth: bytes a second of the link; infinite: no limit.
        receiver_bandwidth: bytes a second of one transfer; infinite: no limit.

    Attributes:
        busy_seconds: bytes of all transfers over the bandwidth.
    """

    def __init__(
        self, env: Environment, size: float, bandwidth: float, receiver_bandwidth: float
    ) -> None:
        self._env = env
        self._size = size
        self._bandwidth = bandwidth
        self._receiver = receiver_bandwidth
        self._under_way: deque[tuple[float, Event]] = deque()
        # Bytes that a transfer which is under way all the time would have had until `_at`.
        self._sent = 0.0
        self._at = 0.0
        self._armed = False
        self.busy_seconds = 0.0

    @property
    def free(self) -> bool:
        """Whether a transfer takes no time."""
        return self._size == 0 or math.isinf(min(self._bandwidth, self._receiver))

    def transfer(self) -> Event:
        """Begins a transfer; the event occurs when it is done. Not for a link that is `free`."""
        self._advance()
        done = self._env.event()
        self._under_way.append((self._sent + self._size, done))
        self.busy_seconds += self._size / self._bandwidth
        if not self._armed:
            self._arm()
        return done

    def _rate(self) -> float:
        return min(self._bandwidth / len(self._under_way), self._receiver)

    def _advance(self) -> None:
        now = self._env.now
        if self._under_way:
            self._sent += (now - self._at) * self._rate()
        else:
            self._sent = 0.0  # keeps rounding small
        self._at = now

    def _is_done(self, rest: float) -> bool:
        # What is left may be so little that the clock cannot count it.
        now = self._env.now
        return rest <= self._size * _ROUNDING or now + rest / self._rate() == now

    def _arm(self) -> None:
        """Schedules a wake-up for when the oldest would be done if nothing began meanwhile."""
        rest = max(0.0, self._under_way[0][0] - self._sent)
        self._armed = True
        self._env.timeout(rest / self._rate()).callbacks.append(self._wake)

    def _wake(self, _: Event) -> None:
        self._armed = False
        self._advance()
        while self._under_way and self._is_done(self._under_way[0][0] - self._sent):
            self._under_way.popleft()[1].succeed()
        if self._under_way:
            self._arm()


class Lock:
    """A lock that is granted in the order of requests.

    Attributes:
        busy_seconds: time in which it was held.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._free_at = 0.0
        self.busy_seconds = 0.0

    def hold(self, seconds: float) -> Event:
        """Waits for the lock and holds it for `seconds`; the event occurs when it is released."""
        now = self._env.now
        self._free_at = max(now, self._free_at) + seconds
        self.busy_seconds += seconds
        return self._env.timeout(self._free_at - now)
