"""Synchronisation of workers: which of them may begin a mini-epoch (arXiv 2509.26092, section 2).

ASP lets everybody go on, BSP has everybody wait for all others after each mini-epoch, SSP lets
nobody get further ahead than a bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Synchronization:
    """How far a worker may be ahead of the slowest one.

    Attributes:
        bound: mini-epochs (s) that a worker may be ahead of the slowest present one and still
            begin another; infinite: ASP.
        in_rounds: BSP: mini-epochs, one of every worker, begin and are merged together, as one
            update.
    """

    bound: float = math.inf
    in_rounds: bool = False

    @classmethod
    def of(cls, mode: str, staleness: int | None) -> Synchronization:
        """Returns the rule of these settings; SSP with s = 0 is BSP, and with no bound ASP.

        Raises:
            ValueError: no such mode.
        """
        if mode not in ("asp", "bsp", "ssp"):
            raise ValueError(f"sync.mode must be asp, bsp or ssp, got {mode!r}")
        if mode == "bsp" or (mode == "ssp" and staleness == 0):
            return cls(in_rounds=True)
        if mode == "ssp" and staleness is not None:
            return cls(bound=staleness)
        return cls()

    def allows(self, clock: int, slowest: int) -> bool:
        """Returns whether a worker may begin.

        Args:
            clock: mini-epochs of the worker that are merged.
            slowest: likewise, the least of those of the present workers.
        """
        return clock - slowest <= self.bound
