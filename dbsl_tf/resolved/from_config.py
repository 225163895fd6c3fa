"""Derives a run from its configuration; nothing else derives anything from a configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from dbsl_tf.config.progressive_section import stage_ends
from dbsl_tf.config.registries import LEARNING_RATES
from dbsl_tf.data.configured import epoch_samples
from dbsl_tf.planning import TimeModel
from dbsl_tf.planning.cautious import CautiousStart
from dbsl_tf.resolved.images import with_images
from dbsl_tf.resolved.run import ResolvedRun
from dbsl_tf.resolved.settings import ModelSettings, RunSettings, TimeSource
from dbsl_tf.resolved.time_models import time_models_of
from dbsl_tf.schedules import (
    LearningRateFunction,
    LearningRates,
    LearningRateSchedule,
    ResolutionSettings,
    SubStage,
)
from dbsl_tf.schedules.calendar import Calendar
from dbsl_tf.schedules.merge_intervals import stretches
from dbsl_tf.schedules.synchronization import Synchronization

if TYPE_CHECKING:
    from dbsl_tf.config import Config


def resolve(
    config: Config,
    samples: int | None = None,
    kept: Mapping[int, Sequence[TimeModel]] | None = None,
    batches: Mapping[int, tuple[int, ...]] | None = None,
) -> ResolvedRun:
    """Returns the run that a configuration describes, with the plans of all its epochs.

    Args:
        config: the configuration.
        samples: in an epoch; None: those of its data, see `epoch_samples`.
        kept: time models from a checkpoint, used if they are for the run's resolutions; None: those
            of the configuration.
        batches: of each worker, from a checkpoint, for resolutions at which they are settled; used
            with `kept` only.

    Raises:
        UserError: the data cannot be counted, there are no time models, or no plan satisfies it.
    """
    settings = settings_of(config, samples)
    if kept is None or kept.keys() != settings.by_resolution.keys():
        kept, batches = time_models_of(settings), None
    settled = dict(batches or {})
    return ResolvedRun(settings, kept, settings.schedule(kept, settled), settled)


def resolve_cautiously(
    config: Config,
    samples: int | None = None,
    seconds_per_sample: Mapping[int, float] | None = None,
    kept: Mapping[int, Sequence[TimeModel]] | None = None,
    batches: Mapping[int, tuple[int, ...]] | None = None,
) -> ResolvedRun:
    """Returns the run that a configuration describes, where there is no time model to rely on.

    Args:
        config: the configuration.
        samples: in an epoch; None: those of its data, see `epoch_samples`.
        seconds_per_sample: about how long a sample takes at each resolution where that is known.
        kept, batches: those that the run has come to, from a checkpoint; used together, and if they
            are for the run's resolutions.

    Raises:
        UserError: the data cannot be counted, or there are fewer samples than workers.
    """
    settings = settings_of(config, samples)
    starts = {
        part.resolution: CautiousStart.of(
            settings.cluster.workers,
            settings.dual_batch.small_workers,
            part.large_batch,
            (seconds_per_sample or {}).get(part.resolution),
        )
        for part in settings.resolutions
    }
    models = {resolution: start.time_models for resolution, start in starts.items()}
    settled = {resolution: start.batches for resolution, start in starts.items()}
    if kept and batches and kept.keys() == batches.keys() == models.keys():
        models = {resolution: tuple(mine) for resolution, mine in kept.items()}
        settled = dict(batches)
    return ResolvedRun(
        settings, models, settings.schedule(models, settled), settled, provisional=True
    )


def settings_of(config: Config, samples: int | None = None) -> RunSettings:
    """Returns what a configuration describes, before anything is planned.

    Args:
        config: the configuration.
        samples: in an epoch; None: those of its data, see `epoch_samples`.

    Raises:
        UserError: the data cannot be counted, or their images cannot be checked.
    """
    config = with_images(config)
    resolutions = _resolutions(config)
    learning_rate = _learning_rate(config)
    calendar = _calendar(config, learning_rate)
    return RunSettings(
        data=config.data,
        model=ModelSettings(
            config.model.name,
            config.stem,
            config.run.seed,
            config.model.options,
            config.model.weights,
        ),
        compute=config.compute,
        training=config.training,
        optimizer=config.optimizer,
        cluster=config.cluster,
        dual_batch=config.dual_batch,
        merge=config.merge,
        evaluation=config.evaluation,
        profile=config.profile,
        time_source=TimeSource(config.time_model.profile, _given_times(config, resolutions)),
        samples=epoch_samples(config.data) if samples is None else samples,
        progressive=config.progressive.mode != "off",
        resolutions=resolutions,
        evaluated_resolutions=tuple(
            part.resolution
            for part in (resolutions if config.progressive.evaluate_current else resolutions[-1:])
        ),
        sub_stages=_sub_stages(config, resolutions, learning_rate, calendar),
        learning_rate=learning_rate,
        calendar=calendar,
        synchronization=Synchronization.of(config.sync.mode, config.sync.staleness),
        seed=config.run.seed,
        allows_bfloat16=config.allows_bfloat16,
    )


def _resolutions(config: Config) -> tuple[ResolutionSettings, ...]:
    """Returns them from low to high; without progressive learning, only that of the data."""
    progressive = config.progressive
    dropout, large_batch = config.model.dropout, config.dual_batch.large_batch
    if progressive.mode == "off":
        return (ResolutionSettings(config.data.resolution, dropout, large_batch),)
    parts = len(progressive.sizes)
    return tuple(
        map(
            ResolutionSettings,
            progressive.sizes,
            progressive.dropout or (dropout,) * parts,
            progressive.large_batch or (large_batch,) * parts,
        )
    )


def _given_times(config: Config, resolutions: Sequence[ResolutionSettings]) -> dict[int, TimeModel]:
    if config.progressive.mode == "off":
        section = config.time_model
        if section.a is None or section.b is None:
            return {}
        return {resolutions[0].resolution: TimeModel(section.a, section.b, section.overhead)}
    given = config.progressive
    if given.a is None or given.b is None:
        return {}
    models = map(TimeModel, given.a, given.b, given.overhead or (0.0,) * len(resolutions))
    return {part.resolution: model for part, model in zip(resolutions, models)}


def _learning_rate(config: Config) -> LearningRates:
    if config.schedule.learning_rate is not None:
        return LearningRateFunction(LEARNING_RATES.make(config.schedule.learning_rate))
    return LearningRateSchedule(
        base_learning_rate=config.optimizer.base_lr,
        milestones=config.schedule.milestones,
        gamma=config.schedule.gamma,
        warmup_epochs=config.schedule.warmup_epochs,
        commits_per_epoch=config.cluster.workers * config.schedule.mini_epochs_per_epoch,
        cosine_epochs=float(config.schedule.epochs) if config.schedule.decay == "cosine" else 0.0,
    )


def _calendar(config: Config, rates: LearningRates) -> Calendar:
    schedule = config.schedule
    return Calendar(
        workers=config.cluster.workers,
        epochs=schedule.epochs,
        eval_every=schedule.eval_every,
        checkpoint_every=config.checkpoint.every,
        stretches=stretches(
            schedule.epochs - schedule.final_local_epochs,
            schedule.mini_epochs_per_epoch,
            schedule.merge_interval,
            rates.decayed_rate,
        ),
        local_epochs=schedule.final_local_epochs,
    )


def _sub_stages(
    config: Config,
    resolutions: Sequence[ResolutionSettings],
    rates: LearningRates,
    calendar: Calendar,
) -> tuple[SubStage, ...]:
    parts = list(_resolutions_in_turn(config, resolutions))
    merges = {stretch.last_epoch for stretch in calendar.all_stretches}
    ends = {*(end for end, _ in parts), *config.schedule.stage_ends, *merges}
    # What workers train on their own is trained as it begins.
    ends -= set(range(calendar.epochs - calendar.local_epochs + 1, calendar.epochs))
    return tuple(
        SubStage(
            start + 1,
            end,
            rates.decayed_rate(start),
            rates.decayed_rate(start if calendar.mini_epochs(end) < 1 else end - 1),
            next(settings for last, settings in parts if end <= last),
            calendar.mini_epochs(end),
        )
        for start, end in pairwise((0, *sorted(ends)))
    )


def _resolutions_in_turn(
    config: Config, resolutions: Sequence[ResolutionSettings]
) -> Iterator[tuple[int, ResolutionSettings]]:
    """Returns the last epoch of each resolution in every stage, with its settings."""
    stages = stage_ends(config.progressive, config.schedule)
    ends = config.progressive.sub_stage_ends
    if config.progressive.mode == "off" or ends is None:
        ends = tuple(
            start + (end - start) * part // len(resolutions)
            for start, end in pairwise((0, *stages))
            for part in range(1, len(resolutions) + 1)
        )
    return zip(ends, tuple(resolutions) * len(stages))
