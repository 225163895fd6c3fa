"""Which process trains a run, and whether it still does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# What can be seen of a process; unseen: it is on another host, or in another container.
Sight = Literal["alive", "paused", "gone", "unseen"]


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, told apart from all others that ever had its number.

    Attributes:
        system: the boot of the machine, and the namespace of its process numbers.
        number: its process number there.
        started: when it started, in clock ticks since the boot. Restarting a command within its
            process does not change it.
    """

    system: str
    number: int
    started: int

    @classmethod
    def own(cls) -> ProcessIdentity:
        """The identity of this process."""
        number = os.getpid()
        return cls(_system(), number, _stat(number)[1])

    def sight(self) -> Sight:
        """Returns what can be seen of the process from here, now."""
        if self.system != _system():
            return "unseen"
        try:
            state, started = _stat(self.number)
        except OSError:
            return self._hidden()
        if started != self.started or state in "ZX":
            return "gone"
        return "paused" if state in "Tt" else "alive"

    def _hidden(self) -> Sight:
        # Some systems hide the processes of other users (hidepid).
        try:
            os.kill(self.number, 0)
        except PermissionError:
            return "unseen"
        except OSError:
            return "gone"
        return "unseen"


def _system() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"


def _stat(number: int) -> tuple[str, int]:
    """Returns the state of a process and its start, from Linux's /proc."""
    text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    # The name before them may hold anything.
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])
