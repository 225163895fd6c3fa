"""Derives speeds and costs from what a peer did over time; medians over repeats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

# Every worker's first mini-epoch warms up caches and fills the input pipeline.
WARM_UP = 1


@dataclass(frozen=True)
class Sample:
    """Totals of all processes of a peer at one moment.

    Attributes:
        time: Unix time, seconds.
        cpu_seconds: user and system time since their start.
        sent_bytes: sent over their network since its start.
        machine_seconds: CPU seconds of everything on the machine, including a hypervisor's.
    """

    time: float
    cpu_seconds: float
    sent_bytes: float
    machine_seconds: float = 0.0


@dataclass(frozen=True)
class MiniEpochs:
    """The mini-epochs of one worker in order.

    Attributes:
        started: when each began, Unix time in seconds.
        samples: samples of each.
    """

    started: Sequence[float]
    samples: Sequence[int]

    @property
    def seconds(self) -> float:
        """Mean time from the start of one to the start of the next, after the warm-up."""
        return (self.started[-1] - self.started[WARM_UP]) / (len(self.started) - 1 - WARM_UP)

    @property
    def images_per_second(self) -> float:
        """Speed from the first start after the warm-up to the last start."""
        return sum(self.samples[WARM_UP:-1]) / (self.started[-1] - self.started[WARM_UP])

    @property
    def window(self) -> tuple[float, float]:
        """The middle of the first measured mini-epoch and of the last, Unix time in seconds.

        Nothing is sent at these moments, so whole pulls and pushes lie between them.
        """
        half = 0.5 * self.seconds
        return self.started[WARM_UP] + half, self.started[-1] + half


def by_worker(records: Iterable[Mapping[str, Any]]) -> dict[int, MiniEpochs]:
    """Returns the mini-epochs of each worker, from records of `worker`, `started` and `samples`.

    Raises:
        ValueError: a worker has too few to measure.
    """
    sorted_records: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record["started"]):
        sorted_records[record["worker"]].append(record)
    for worker, own in sorted_records.items():
        if len(own) < WARM_UP + 2:
            raise ValueError(
                f"worker {worker} trained {len(own)} mini-epoch(s), {WARM_UP + 2} are needed"
            )
    return {
        worker: MiniEpochs([r["started"] for r in own], [r["samples"] for r in own])
        for worker, own in sorted(sorted_records.items())
    }


def measure(
    printed: Mapping[str, Any], samples: Sequence[Sample], began: float
) -> dict[str, float]:
    """Returns the figures of one run.

    Args:
        printed: the peer's output, see `processes.print_result`.
        samples: samples over its whole run.
        began: when it was started, Unix time in seconds.
    """
    workers = by_worker(printed["mini_epochs"])
    speed = sum(worker.images_per_second for worker in workers.values())
    begin, end = (mean(bound) for bound in zip(*(w.window for w in workers.values())))
    images = speed * (end - begin)
    first, last = at(samples, begin), at(samples, end)
    cpu_seconds = last.cpu_seconds - first.cpu_seconds
    sent = last.sent_bytes - first.sent_bytes
    others = last.machine_seconds - first.machine_seconds - cpu_seconds
    mini_epochs = sum((end - begin) / worker.seconds for worker in workers.values())
    return {
        "images_per_second": speed,
        "cpu_seconds_per_1000_images": 1000 * cpu_seconds / images,
        "bytes_per_1000_images": 1000 * sent / images,
        "model_copies_per_mini_epoch": sent / mini_epochs / printed["model_bytes"],
        "startup_seconds": printed["first_step"] - began,
        "cores_used_by_others": others / (end - begin),
        **_parts(printed["mini_epochs"], workers),
    }


def _parts(
    records: Iterable[Mapping[str, Any]], workers: Mapping[int, MiniEpochs]
) -> dict[str, float]:
    """Returns how the time of a mini-epoch is divided, as shares, if the peer reports it."""
    measured = [
        record
        for record in records
        if "loop_seconds" in record
        and record["started"] in workers[record["worker"]].started[WARM_UP:-1]
    ]
    if not measured:
        return {}
    whole = sum(workers[record["worker"]].seconds for record in measured)
    steps = sum(record["loop_seconds"] for record in measured) / whole
    busy = sum(record["seconds"] for record in measured) / whole
    return {
        "share_in_steps": steps,
        "share_pulling_and_pushing": busy - steps,
        "share_between_mini_epochs": 1 - busy,
    }


def at(samples: Sequence[Sample], moment: float) -> Sample:
    """Returns the totals at a moment, interpolated between two samples."""
    before = max((s for s in samples if s.time <= moment), key=lambda s: s.time, default=samples[0])
    after = min((s for s in samples if s.time >= moment), key=lambda s: s.time, default=samples[-1])
    if after.time == before.time:
        return before
    share = (moment - before.time) / (after.time - before.time)
    return Sample(
        moment,
        before.cpu_seconds + share * (after.cpu_seconds - before.cpu_seconds),
        before.sent_bytes + share * (after.sent_bytes - before.sent_bytes),
        before.machine_seconds + share * (after.machine_seconds - before.machine_seconds),
    )


def medians(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the median of every figure over runs, including those in nested mappings."""
    first = runs[0]
    return {
        key: medians([run.get(key, {}) for run in runs if key in run])
        if isinstance(first[key], Mapping)
        else median(run[key] for run in runs if key in run)
        for key in first
    }


def ratio_to_ceiling(
    speeds: Mapping[int, float], ceiling_speeds: Mapping[int, float]
) -> float | None:
    """Returns the median over repeats of a peer's speed over the ceiling's in the same repeat.

    Args:
        speeds: the peer's images/s, by repeat number.
        ceiling_speeds: the ceiling's, likewise.

    Returns:
        The median; None if no repeat has both.
    """
    both = [
        speeds[repeat] / ceiling_speeds[repeat] for repeat in speeds if repeat in ceiling_speeds
    ]
    return median(both) if both else None
