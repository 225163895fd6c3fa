"""Where workers of `injected_train` wait to be killed."""

from __future__ import annotations

from pathlib import Path

BEFORE_PULL = "before pull"
DURING_PULL = "during pull"
IN_THE_LOOP = "in the loop"
DURING_PUSH = "during push"
AFTER_PUSH = "after push"
DURING_EVALUATION = "during evaluation"
FAULT_POINTS = (
    BEFORE_PULL,
    DURING_PULL,
    IN_THE_LOOP,
    DURING_PUSH,
    AFTER_PUSH,
    DURING_EVALUATION,
)


def pipe_of(folder: Path, point: str, worker: int | str) -> Path:
    """Where a worker waits at a fault point."""
    return folder / f"{point.replace(' ', '_')}-{worker}"


def mark_of(pipe: Path) -> Path:
    """What a worker leaves before it waits at a pipe."""
    return pipe.with_name(f"{pipe.name}.reached")
