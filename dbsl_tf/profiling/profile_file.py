"""A profile: what was measured of the hardware and fitted to it, and its file profile.json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from dbsl_tf.common.checksums import KEY, ChecksumMismatch, verified, with_checksum
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import TABLE, read_bytes, write_whole_text
from dbsl_tf.common.program import typed
from dbsl_tf.config.ranges import LONGEST, MOST_BYTES, SHORTEST
from dbsl_tf.planning import TimeModel
from dbsl_tf.profiling.time_fit import Method, TimeFit

# Bytes are the largest numbers.
_LARGEST = float(MOST_BYTES)
Seconds = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Point:
    """Seconds of a batch of `batch` samples, as measured."""

    batch: Annotated[int, Field(ge=1)]
    seconds: Positive


@dataclass(frozen=True)
class WorkerTimes(TimeFit):
    """The fit of one worker.

    Attributes:
        worker: its index.
        host: its name in a batch-times file; None: it has none.
        overhead: seconds a mini-epoch takes beyond its steps (c), the median.
        points: what was measured; residuals are in this order.
    """

    worker: int
    host: str | None
    overhead: Seconds
    points: tuple[Point, ...]


@dataclass(frozen=True)
class ResolutionTimes(TimeFit):
    """The fit of all workers at one image resolution.

    Attributes:
        resolution: pixels a side; None: not known.
        overhead: seconds a mini-epoch takes beyond its steps (c), the mean of the workers.
        points: what was measured, means of the workers; residuals are in this order.
        workers: a fit for each worker, by index; empty if they cannot be distinguished.
    """

    resolution: int | None
    overhead: Seconds
    points: tuple[Point, ...]
    workers: tuple[WorkerTimes, ...]


@dataclass(frozen=True)
class Memory:
    """Peak memory of a worker: max(floor_bytes, bytes_per_sample B + fixed_bytes).

    Attributes:
        bytes_per_sample, fixed_bytes, floor_bytes, r2: see `memory_fit.MemoryFit`.
        budget: bytes that a worker may use in all; None: not known.
        largest_batch: the largest batch that fits the budget; None without one.
        points: the largest peak of any worker, for each batch size.
    """

    bytes_per_sample: Annotated[float, Field(ge=0)]
    fixed_bytes: float
    floor_bytes: float | None
    r2: float
    budget: int | None
    largest_batch: int | None
    points: tuple[MemoryPoint, ...]


@dataclass(frozen=True)
class MemoryPoint:
    """Peak memory of a worker that trained with batches of `batch` samples."""

    batch: int
    peak_bytes: int


def _no_resolution_twice(fits: tuple[ResolutionTimes, ...]) -> tuple[ResolutionTimes, ...]:
    resolutions = [fit.resolution for fit in fits]
    if len(set(resolutions)) < len(resolutions):
        raise ValueError("a resolution occurs twice")
    return fits


@dataclass(frozen=True)
class Profile:
    """Time and memory of training steps on some hardware.

    Attributes:
        fits: one for each resolution.
        method: of the fits, "robust" or "ols".
        memory: None: not measured.
        evaluation_seconds: an evaluation on the test set; None: not measured.
        merge_seconds: a merge into the global weights; None: not measured.
        machine: device, cores, threads_per_worker, workers.
        settings: what was trained: model, precision, resolution, augment and so on; for a
            batch-times file its name.
        versions: by package.
    """

    __pydantic_config__ = ConfigDict(allow_inf_nan=False)

    fits: Annotated[
        tuple[ResolutionTimes, ...],
        Field(min_length=1),
        AfterValidator(_no_resolution_twice),
    ]
    method: Method
    memory: Memory | None = None
    evaluation_seconds: Seconds | None = None
    merge_seconds: Seconds | None = None
    machine: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def resolution_times(self, resolution: int | None = None) -> ResolutionTimes:
        """Returns the fit for a resolution; None: the only one.

        A profile that does not know its resolution serves every one.

        Raises:
            UserError: there is none for it, or several and None was asked for.
        """
        for times in self.fits:
            if times.resolution == resolution:
                return times
        if len(self.fits) == 1 and None in (resolution, self.fits[0].resolution):
            return self.fits[0]
        known = ", ".join(str(times.resolution) for times in self.fits)
        wanted = "no single resolution" if resolution is None else f"not resolution {resolution}"
        raise UserError(
            f"the profile has resolution {known} and {wanted}; measure the one that is to be "
            f"trained with {typed('profile')}"
        )

    def fits_of(
        self, workers: int, resolution: int | None = None
    ) -> tuple[WorkerTimes, ...] | tuple[ResolutionTimes, ...]:
        """Returns the fit that counts for each worker, by index.

        Each has its own where the profile has as many workers and the lines of two of them differ
        by more than their confidence intervals at an end of `fitted_range`. Else they cannot be
        distinguished, and all have the mean, which more measurements support.

        Raises:
            UserError: no fit for the resolution (as `resolution_times`).
        """
        all_workers = self.resolution_times(resolution)
        own = all_workers.workers
        unlike = len(own) == workers and any(_unlike(*pair) for pair in combinations(own, 2))
        return own if unlike else (all_workers,) * workers

    def time_models(self, workers: int, resolution: int | None = None) -> tuple[TimeModel, ...]:
        """Returns the time model of each worker, by index; see `fits_of`.

        Raises:
            UserError: no fit for the resolution (as `resolution_times`), or one that no plan can
                be made from, as its a or b is not above 0.
        """
        return tuple(_time_model(times) for times in self.fits_of(workers, resolution))

    def as_dict(self) -> dict[str, Any]:
        """Returns the JSON values of profile.json; seconds, samples and bytes throughout."""
        values = asdict(self)
        values["fits"] = [_heading("resolution", fit) for fit in values["fits"]]
        for fit in values["fits"]:
            fit["workers"] = [_heading("worker", worker) for worker in fit["workers"]]
        return values

    def to_json(self) -> str:
        """Returns `as_dict` with a checksum as indented JSON."""
        return json.dumps(with_checksum(self.as_dict()), indent=2, allow_nan=False) + "\n"

    def save(self, path: Path) -> None:
        """Writes the whole file or nothing, replacing an existing one; creates its folder.

        Raises:
            UserError: it cannot be written.
        """
        write_whole_text(path, self.to_json())


def load_profile(path: Path | str) -> Profile:
    """Reads a file that `Profile.save` wrote.

    Raises:
        UserError: it cannot be read, is not JSON, is not what was written, or a value is missing
            or not allowed.
    """
    remedy = f"make one with {typed('profile')} --config FILE --output FILE"
    try:
        content = read_bytes(path, TABLE)
    except FileNotFoundError:
        raise UserError(f"{path}: no such profile; check the path, or {remedy}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read ({reason}); give a profile's JSON file") from None
    try:
        values = verified(json.loads(content))
        too_large = _holds_too_large(values)
    except ChecksumMismatch as error:
        raise UserError(
            f"{path}: {error}: it was damaged or edited since it was written; {remedy}, or remove "
            f"its {KEY} to use it as it is"
        ) from None
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not a profile: no JSON ({reason}); {remedy}") from None
    if too_large:
        raise UserError(f"{path}: not a profile: a number in it is far too large; {remedy}")
    try:
        # From text again: JSON has lists where a profile has tuples.
        return TypeAdapter(Profile).validate_json(json.dumps(values))
    except ValidationError as error:
        raise UserError(f"{path}: not a profile: {_first_problem(error)}; {remedy}") from None


def _holds_too_large(values: Any) -> bool:
    """Returns whether there is a number among JSON values that nothing measured can be."""
    if isinstance(values, dict):
        return any(map(_holds_too_large, values.values()))
    if isinstance(values, list):
        return any(map(_holds_too_large, values))
    return isinstance(values, int | float) and (values > _LARGEST or values < -_LARGEST)


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]
    ).lstrip(".")
    if not place:
        return first["msg"]
    found = "" if first["type"] == "missing" else f" is {first['input']!r:.40}"
    return f"{place}{found}: {first['msg']}"


def _heading(key: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: values[key], **values}


def _unlike(one: WorkerTimes, other: WorkerTimes) -> bool:
    """Returns whether two workers differ by more than the uncertainty of both."""
    for batch in {*one.fitted_range, *other.fitted_range}:
        mine, others = one.reach(batch), other.reach(batch)
        if mine is None or others is None:
            return True
        if abs(one.batch_seconds(batch) - other.batch_seconds(batch)) > math.hypot(mine, others):
            return True
    return False


def _time_model(times: WorkerTimes | ResolutionTimes) -> TimeModel:
    for name in ("a", "b"):
        value = getattr(times, name)
        if not SHORTEST <= value <= LONGEST:
            wrong = "not above 0" if value <= 0 else f"outside the range {SHORTEST} to {LONGEST}"
            who = f" of worker {times.worker}" if isinstance(times, WorkerTimes) else ""
            raise UserError(
                f"the profile's {name}{who} is {value:.3g}, {wrong}, so no plan "
                "can be made from it; profile again on an idle machine over a wider range of batch "
                "sizes, or give time_model.a and time_model.b"
            )
    return TimeModel(times.a, times.b, seconds_per_mini_epoch=times.overhead)
