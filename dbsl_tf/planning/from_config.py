"""The plan that a configuration asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dbsl_tf.planning.demand import Demand
from dbsl_tf.planning.dual_batch import DualBatchPlan
from dbsl_tf.planning.solving import plan_dual_batch
from dbsl_tf.planning.time_model import TimeModel
from dbsl_tf.schedules.progressive import settings_at

if TYPE_CHECKING:
    from dbsl_tf.config import Config


def plan_from_config(
    config: Config,
    samples: int,
    time_models: Sequence[TimeModel],
    resolution: int | None = None,
) -> DualBatchPlan:
    """Returns the plan of a configuration for epochs of `samples` samples.

    Args:
        config: the configuration.
        samples: samples in an epoch, d.
        time_models: one a worker, at this resolution.
        resolution: one of the run's; None: the highest.

    Raises:
        UserError: as `plan_dual_batch`.
    """
    return plan_dual_batch(
        demand_from_config(config, samples, time_models, resolution),
        extra_time_ratio=config.dual_batch.extra_time_ratio,
        update_factor=config.dual_batch.update_factor,
    )


def demand_from_config(
    config: Config,
    samples: int,
    time_models: Sequence[TimeModel],
    resolution: int | None = None,
) -> Demand:
    """Returns what a configuration asks of the plan. Arguments and errors: `plan_from_config`."""
    settings = settings_at(config, resolution)
    return Demand(
        time_model=tuple(time_models),
        samples=samples,
        workers=config.cluster.workers,
        small_workers=config.dual_batch.small_workers,
        large_batch=settings.large_batch,
        rounding=config.dual_batch.rounding,
        resolution=None if config.progressive.mode == "off" else settings.resolution,
    )
