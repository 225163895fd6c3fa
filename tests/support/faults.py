"""Where workers of `injected_train` wait to be killed."""

from __future__ import annotations

from pathlib import Path


def pipe_of(folder: Path, moment: str, worker: int | str) -> Path:
    """Where a worker waits at a moment."""
    return folder / f"{moment.replace(' ', '_')}-{worker}"


def mark_of(pipe: Path) -> Path:
    """What a worker leaves before it waits at a pipe."""
    return pipe.with_name(f"{pipe.name}.reached")
