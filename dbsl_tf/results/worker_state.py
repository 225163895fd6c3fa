"""What a worker is doing while a run goes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerState:
    """One worker at a moment of a run.

    Attributes:
        worker: its index.
        absent: why it is left out; None: it takes part.
        task_seconds: for how long it has been at its present task, such as a mini-epoch; None: not
            known, as with tasks of less than a second.
    """

    worker: int
    absent: str | None = None
    task_seconds: float | None = None
