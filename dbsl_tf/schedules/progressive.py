"""The run in sub-stages: which epochs at which learning rate, resolution, dropout and batch.

Cyclic progressive learning (arXiv 2509.26092, section 4) raises resolution and dropout inside
every stage of the learning rate; the same weights go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from dbsl_tf.config.progressive_section import stage_ends
from dbsl_tf.schedules.learning_rate import schedule_from_config

if TYPE_CHECKING:
    from dbsl_tf.config import Config


@dataclass(frozen=True)
class ResolutionSettings:
    """What goes with an image resolution.

    Attributes:
        resolution: height and width of the training images in pixels.
        dropout: dropout rate.
        large_batch: samples in a large batch, B_L.
    """

    resolution: int
    dropout: float
    large_batch: int


@dataclass(frozen=True)
class SubStage:
    """Epochs in a row that have all settings in common.

    Attributes:
        first_epoch: counted from 1.
        last_epoch: the last epoch that belongs to it.
        learning_rate: at the start of its first epoch, without warm-up and before it follows a
            worker's batch size.
        last_learning_rate: the same at the start of its last epoch; only a cosine changes it.
        settings: resolution and what goes with it.
    """

    first_epoch: int
    last_epoch: int
    learning_rate: float
    last_learning_rate: float
    settings: ResolutionSettings

    @property
    def epochs(self) -> int:
        """How many epochs it has, at least 1."""
        return self.last_epoch - self.first_epoch + 1

    @property
    def resolution(self) -> int:
        """Height and width of the training images in pixels."""
        return self.settings.resolution

    @property
    def dropout(self) -> float:
        """Dropout rate."""
        return self.settings.dropout

    @property
    def large_batch(self) -> int:
        """Samples in a large batch, B_L."""
        return self.settings.large_batch


def resolution_settings(config: Config) -> tuple[ResolutionSettings, ...]:
    """Returns the settings of every resolution of a run, from low to high.

    With `progressive.mode` off there is one: the resolution of the data, `model.dropout` and
    `dual_batch.large_batch`.
    """
    progressive = config.progressive
    dropout, large_batch = config.model.dropout, config.dual_batch.large_batch
    if progressive.mode == "off":
        return (ResolutionSettings(config.data.resolution, dropout, large_batch),)
    parts = len(progressive.resolutions)
    return tuple(
        map(
            ResolutionSettings,
            progressive.resolutions,
            progressive.dropout or (dropout,) * parts,
            progressive.large_batch or (large_batch,) * parts,
        )
    )


def settings_at(config: Config, resolution: int | None = None) -> ResolutionSettings:
    """Returns the settings of one of a run's resolutions; None: of the highest.

    Raises:
        ValueError: no part of the run has this resolution.
    """
    known = resolution_settings(config)
    if resolution is None:
        return known[-1]
    for settings in known:
        if settings.resolution == resolution:
            return settings
    raise ValueError(f"no part of the run has resolution {resolution}")


def sub_stages_from_config(config: Config) -> tuple[SubStage, ...]:
    """Returns the sub-stages of a run: together they are its epochs, in order.

    A new one begins wherever the resolution or the milestone rate changes.
    """
    rates = schedule_from_config(config)
    parts = list(_resolutions_in_turn(config))
    ends = sorted({*(end for end, _ in parts), *config.schedule.stage_ends})
    return tuple(
        SubStage(
            start + 1,
            end,
            rates.decayed_rate(start),
            rates.decayed_rate(end - 1),
            next(settings for last, settings in parts if end <= last),
        )
        for start, end in pairwise((0, *ends))
    )


def _resolutions_in_turn(config: Config) -> Iterator[tuple[int, ResolutionSettings]]:
    """Yields the last epoch of each resolution in every stage, and its settings."""
    settings = resolution_settings(config)
    stages = stage_ends(config.progressive, config.schedule)
    ends = config.progressive.sub_stage_ends
    if config.progressive.mode == "off" or ends is None:
        ends = [
            start + (end - start) * part // len(settings)
            for start, end in pairwise((0, *stages))
            for part in range(1, len(settings) + 1)
        ]
    return zip(ends, settings * len(stages))
