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

REQUEST, MARK = ".asked", ".reached"


def pipe_of(folder: Path, point: str, worker: int | str) -> Path:
    """Where a worker waits at a fault point."""
    return folder / f"{point.replace(' ', '_')}-{worker}"


def request_of(pipe: Path) -> Path:
    """What asks a worker to leave its mark at a fault point, and to go on."""
    return pipe.with_name(pipe.name + REQUEST)


def mark_of(pipe: Path) -> Path:
    """What a worker leaves before it waits at a pipe, or goes on."""
    return pipe.with_name(pipe.name + MARK)
