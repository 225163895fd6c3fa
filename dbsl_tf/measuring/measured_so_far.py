"""What a measurement has found so far, to be read at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dbsl_tf.common.processor import WorkerProcessor
from dbsl_tf.profiling.kept_measurements import together
from dbsl_tf.profiling.measurement import Measurement, OverheadSample, StepSample

_NOTHING = Measurement(())


class MeasuredSoFar:
    """Collects a measurement while it goes on; another thread may read it, and make do with it.

    Args:
        before: what earlier measurements of the same have found, for each resolution.

    Attributes:
        processors: the workers' processors.
    """

    def __init__(self, before: Mapping[int, Measurement]) -> None:
        self._before = dict(before)
        self._now: dict[int, Measurement] = {}
        self.processors: list[WorkerProcessor] = []

    @property
    def by_resolution(self) -> dict[int, Measurement]:
        """All measurements at each resolution, from low to high."""
        return {
            resolution: together(self.before(resolution), self._now.get(resolution, _NOTHING))
            for resolution in sorted({*self._before, *self._now})
        }

    def before(self, resolution: int) -> Measurement:
        """Returns what earlier measurements found at a resolution."""
        return self._before.get(resolution, _NOTHING)

    def add(
        self,
        resolution: int,
        steps: Sequence[StepSample] = (),
        overheads: Sequence[OverheadSample] = (),
        warm_up: Sequence[StepSample] = (),
    ) -> None:
        """Adds single times, as soon as they are there."""
        now = self._now.get(resolution, _NOTHING)
        self._now[resolution] = replace(
            now,
            steps=(*now.steps, *steps),
            overheads=(*now.overheads, *overheads),
            warm_up=(*now.warm_up, *warm_up),
        )

    def finish(self, resolution: int, measurement: Measurement) -> None:
        """Replaces all times of a resolution, earlier ones too, by its measurement as a whole."""
        so_far = self.by_resolution.get(resolution, _NOTHING)
        rest = replace(so_far, steps=(), operating=(), overheads=())
        self._now[resolution] = together(rest, measurement)
        self._before.pop(resolution, None)

    def add_costs(self, resolution: int, costs: Measurement) -> None:
        """Adds what is measured once, such as `merge_seconds`."""
        self._now[resolution] = together(self._now.get(resolution, _NOTHING), costs)
