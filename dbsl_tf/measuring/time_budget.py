"""The time that a measurement may take, and what is left of it."""

from __future__ import annotations

from dataclasses import dataclass

from dbsl_tf.common import awake


class TimeUp(Exception):
    """The time for a measurement is over; what has been measured so far counts."""


class TimeBudget:
    """Seconds to spend, from `begin` on. A process that is paused in the meantime spends none.

    Args:
        seconds: how many.

    Attributes:
        seconds: as given.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began: float | None = None

    def begin(self) -> None:
        """Starts the clock, once; later calls have no effect."""
        if self._began is None:
            self._began = awake.seconds()

    @property
    def spent(self) -> float:
        """Seconds since `begin`."""
        return 0.0 if self._began is None else awake.seconds() - self._began

    @property
    def left(self) -> float:
        """Seconds left, 0 at least."""
        return max(0.0, self.seconds - self.spent)

    def part(self, share: float) -> TimeBudget:
        """Returns a budget of a share of what is left, which begins now."""
        part = TimeBudget(share * self.left)
        part.begin()
        return part

    def check(self) -> None:
        """Raises `TimeUp` once all is spent. Call it repeatedly while something cannot be ended.

        Raises:
            TimeUp: the time is over.
        """
        if self.spent > self.seconds:
            raise TimeUp(f"{self.seconds:.0f} s are over")


@dataclass(frozen=True)
class Bounds:
    """What is measured, and how long that may take.

    Attributes:
        budget: for everything from the moment when the workers have loaded the network.
        times_only: whether memory, merges and an evaluation are left out.
    """

    budget: TimeBudget
    times_only: bool = False
