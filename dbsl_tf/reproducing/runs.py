"""The runs of a published grid: one for each row and seed, at a scale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import load_config
from dbsl_tf.reproducing.published import Chosen, published
from dbsl_tf.sweeping.grid import check_overrides
from dbsl_tf.sweeping.planned_run import PlannedRun, planned_runs

Scale = Literal["small", "full"]


def overrides_of(chosen: Chosen, scale: Scale) -> list[str]:
    """Returns the overrides that a scale makes to the grid's configuration.

    Raises:
        UserError: the grid has no such scale.
    """
    grid = chosen.grid
    if scale == "full":
        return list(grid.set)
    if grid.small is None:
        small = [name for name, other in published().grids.items() if other.small is not None]
        raise UserError(
            f"--scale: {chosen.name} has no small scale; give --scale full, or one of "
            f"{', '.join(small)}"
        )
    return [*grid.set, *grid.small]


def runs_of(
    chosen: Chosen, scale: Scale, overrides: Sequence[str], seeds: int, output: Path
) -> list[PlannedRun]:
    """Returns the runs, after checking all of them.

    Args:
        chosen: the grid.
        scale: small for two cores, full for the published setting.
        overrides: `key=value` for all runs; they win over those of the scale.
        seeds: for each row, counting up from run.seed.
        output: the folder for the runs.

    Raises:
        UserError: an override is of a key that the rows set, a run is not allowed or has no plan,
            or a folder holds another run.
    """
    check_overrides(overrides)
    for key in (override.partition("=")[0].strip() for override in overrides):
        if key in chosen.grid.keys:
            raise UserError(
                f"override: {key} is what the rows of {chosen.name} differ in; leave it out"
            )
    every = [*overrides_of(chosen, scale), *overrides]
    first = load_config(chosen.grid.config, every).run.seed
    numbers = range(first, first + seeds)
    return planned_runs(chosen.grid.config, every, chosen.grid.points, numbers, output)
