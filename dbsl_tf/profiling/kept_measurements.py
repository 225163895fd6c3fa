"""Measurements that no profile could be made from yet: the next ones go on from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from dbsl_tf.common.checksums import verified, with_checksum
from dbsl_tf.common.files import TABLE, read_text, write_whole_text
from dbsl_tf.profiling.measurement import Measurement, StepSample


@dataclass(frozen=True)
class KeptMeasurements:
    """What was measured of a run's steps, by one process or by several after another.

    Attributes:
        by_resolution: the measurements at each resolution.
        seconds: how long all of it took.
        doubt: why no plan may rest on it, in words.
    """

    by_resolution: Mapping[int, Measurement] = field(default_factory=dict)
    seconds: float = 0.0
    doubt: str = ""

    def save(self, path: Path) -> None:
        """Writes the whole file or nothing, replacing an existing one; creates its folder.

        Raises:
            UserError: it cannot be written.
        """
        write_whole_text(path, json.dumps(with_checksum(asdict(self)), allow_nan=False) + "\n")

    def seconds_per_sample(self, resolution: int) -> float | None:
        """Returns about how long a worker takes for a sample; None: nothing was measured.

        It is that of the largest batch that was timed, by the slowest worker in it.
        """
        measured = self.by_resolution.get(resolution, Measurement(()))
        samples = (
            *measured.steps,
            *(step for samples in measured.operating for step in samples),
            *measured.warm_up,
        )
        usable = [step for step in samples if step.seconds_per_batch > 0]
        if not usable:
            return None
        largest = max(step.batch for step in usable)
        return max(s.seconds_per_batch / largest for s in usable if s.batch == largest)


def load_measurements(path: Path) -> KeptMeasurements:
    """Reads a file that `save` wrote; one that is missing or damaged holds nothing."""
    try:
        values = verified(json.loads(read_text(path, TABLE)))
        # From text again: JSON has lists where there are tuples.
        return TypeAdapter(KeptMeasurements).validate_json(json.dumps(values))
    except (OSError, ValueError, ValidationError, RecursionError):
        return KeptMeasurements()


def together(before: Measurement, now: Measurement) -> Measurement:
    """Returns two measurements at one resolution as one.

    Rounds of the sizes that workers are going to use count as such only with others of the same
    sizes; those before, if they were of others, are a part of the scan.
    """
    sizes = _sizes(now.operating[-1] if now.operating else ())
    operating: list[tuple[StepSample, ...]] = []
    loose: list[StepSample] = []
    for samples in before.operating:
        if not sizes or _sizes(samples) == sizes:
            operating.append(samples)
        else:
            loose += samples
    return Measurement(
        steps=(*before.steps, *loose, *now.steps),
        operating=(*operating, *now.operating),
        overheads=before.overheads + now.overheads,
        memory=now.memory or before.memory,
        free_bytes=now.free_bytes if now.free_bytes is not None else before.free_bytes,
        evaluation_seconds=now.evaluation_seconds or before.evaluation_seconds,
        merge_seconds=now.merge_seconds or before.merge_seconds,
        warm_up=now.warm_up or before.warm_up,
    )


def _sizes(samples: tuple[StepSample, ...]) -> set[tuple[int, int]]:
    return {(sample.worker, sample.batch) for sample in samples}
