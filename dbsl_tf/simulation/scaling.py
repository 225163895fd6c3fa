"""The same training on clusters of many sizes, and where their parameter servers saturate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.simulation.outcome import Outcome
from dbsl_tf.simulation.scenario import scenario_of, simulated_settings
from dbsl_tf.simulation.simulator import simulate

if TYPE_CHECKING:
    from dbsl_tf.config import Config

WORKERS = (4, 16, 64, 256, 1024)


@dataclass(frozen=True)
class ScalePoint:
    """One size of the cluster.

    Attributes:
        workers: number of workers (n).
        outcome: of the simulation; None where the data cannot be planned on so many.
        problem: why not.
    """

    workers: int
    outcome: Outcome | None
    problem: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns JSON values: those of the outcome, or the problem."""
        if self.outcome is None:
            return {"workers": self.workers, "problem": self.problem}
        return self.outcome.as_dict()


def scale(
    sizes: Sequence[int],
    config_of: Callable[[int], Config],
    report: Callable[[int, int], Callable[[int], None]],
) -> list[ScalePoint]:
    """Simulates clusters of several sizes.

    Args:
        sizes: numbers of workers, rising.
        config_of: the configuration of a cluster of so many workers.
        report: given a number of workers and of the commits of its simulation, returns what is
            called with the commits so far.

    Raises:
        UserError: no size can be simulated.
    """
    points = []
    for size in sizes:
        try:
            config = config_of(size)
            scenario, _ = scenario_of(simulated_settings(config), config.simulate)
        except UserError as problem:
            points.append(ScalePoint(size, None, str(problem)))
        else:
            told = report(size, scenario.calendar.total)
            points.append(ScalePoint(size, simulate(scenario, told)))
    if all(point.outcome is None for point in points):
        raise UserError(points[0].problem)
    return points


def saturation(points: Sequence[ScalePoint]) -> float | None:
    """Returns the number of workers whose commits are as many as the parameter servers can do.

    Between two sizes the load is taken for a power of the number of workers.

    Returns:
        None where all sizes are on one side of it.
    """
    loads = [
        (point.workers, point.outcome.scenario.offered_load)
        for point in points
        if point.outcome is not None and point.outcome.scenario.offered_load > 0
    ]
    for (fewer, lower), (more, higher) in pairwise(loads):
        if lower < 1 <= higher:
            part = math.log(1 / lower) / math.log(higher / lower)
            return fewer * (more / fewer) ** part
    return None


def scaled_small_workers(small_workers: int, workers: int, size: int) -> int:
    """Returns n_S of a cluster of `size` workers, in the proportion of `small_workers` to n."""
    return round(small_workers * size / workers)


def parse_sizes(text: str) -> tuple[int, ...]:
    """Returns the numbers of workers in a text such as 4,16,64, rising and each once.

    Raises:
        UserError: one of them is not a whole number above 0.
    """
    sizes = set()
    for part in text.split(","):
        try:
            size = int(part)
        except ValueError:
            size = 0
        if size < 1:
            raise UserError(
                f"--workers has {part.strip()!r}; give whole numbers above 0 with commas between "
                "them, such as 4,16,64,256"
            )
        sizes.add(size)
    return tuple(sorted(sizes))
