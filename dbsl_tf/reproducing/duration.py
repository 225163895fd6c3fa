"""How long the runs of a grid will take."""

from __future__ import annotations

from collections.abc import Sequence

from dbsl_tf.common.cores import core_count
from dbsl_tf.planning import TrainingSchedule
from dbsl_tf.reproducing.published import SmallSpeed
from dbsl_tf.resolved import settings_of, time_models_of
from dbsl_tf.sweeping.planned_run import PlannedRun


def expected_seconds(schedule: TrainingSchedule, speed: SmallSpeed | None, cores: int) -> float:
    """Returns how long a run is expected to take, in seconds; evaluations are not counted.

    Args:
        schedule: its plan; its time model counts only without `speed`.
        speed: of a core, if all workers share this machine's.
        cores: of this machine.
    """
    if speed is None:
        return schedule.predicted_seconds
    seconds = speed.seconds_per_run
    for part in schedule.sub_stages:
        workers = part.plan.workers
        shrunk = (part.sub_stage.resolution / speed.pixels) ** 2
        of_a_core = sum(
            worker.samples * speed.seconds_per_sample * shrunk
            + worker.steps * speed.seconds_per_batch
            for worker in workers
        )
        seconds += part.sub_stage.epochs * of_a_core / min(cores, len(workers))
    return seconds


class Progress:
    """How long the unfinished ones of some runs will take, corrected by what finished ones took.

    Args:
        runs: all runs.
        speed: see `expected_seconds`.
    """

    def __init__(self, runs: Sequence[PlannedRun], speed: SmallSpeed | None) -> None:
        cores = core_count()
        self._runs = runs
        self._speed = speed
        self._expected: list[tuple[PlannedRun, float]] = []
        self._known = True
        for run in runs:
            settings = settings_of(run.config)
            self._known &= settings.time_source.is_known
            if self._known:
                schedule = settings.schedule(time_models_of(settings))
                self._expected.append((run, expected_seconds(schedule, speed, cores)))

    def seconds(self) -> float | None:
        """Returns the expected time of all runs that are not finished, in seconds.

        None if the first run will measure the time model.
        """
        if not self._known:
            return None
        expected = taken = left = 0.0
        for run, seconds in self._expected:
            summary = run.summary()
            if summary is None:
                left += seconds
            elif summary.get("wall_seconds"):
                expected += seconds
                taken += summary["wall_seconds"]
        return left * (taken / expected if expected else 1.0)

    def outlook(self) -> str:
        """Returns what to say before anything is trained."""
        finished = sum(run.summary() is not None for run in self._runs)
        text = f"{len(self._runs)} runs, {finished} finished"
        seconds = self.seconds()
        if finished == len(self._runs):
            return text
        if seconds is None:
            return f"{text}; how long the others take is known when the time model is measured"
        basis = "as the time model predicts, evaluations not counted"
        if self._speed is not None:
            basis = "on cores like those of an AMD EPYC (Zen 5), if nothing else uses them"
        if finished:
            basis = "after what the finished ones took"
        return f"{text}; the others take about {in_words(seconds)}, {basis}"

    def remark(self) -> str:
        """Returns what to say before a run."""
        seconds = self.seconds()
        return "" if seconds is None else f" (about {in_words(seconds)} left)"


def in_words(seconds: float) -> str:
    """Returns a time span as roughly as it is known.

    Example:
        >>> in_words(40), in_words(400), in_words(10_000), in_words(400_000)
        ('1 min', '7 min', '2 h 45 min', '4 days 15 h')
    """
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(5 * round(minutes / 5), 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} days {hours} h" if hours else f"{days} days"
