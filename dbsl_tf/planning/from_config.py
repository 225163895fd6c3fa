"""The plan that a configuration asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dbsl_tf.data.catalogue import dataset_spec
from dbsl_tf.errors import UserError
from dbsl_tf.planning.demand import Demand
from dbsl_tf.planning.dual_batch import DualBatchPlan
from dbsl_tf.planning.solving import plan_dual_batch
from dbsl_tf.planning.time_model import TimeModel

if TYPE_CHECKING:
    from dbsl_tf.config import Config


def plan_from_config(
    config: Config, samples: int, time_models: Sequence[TimeModel] | None = None
) -> DualBatchPlan:
    """Returns the plan of a configuration for epochs of `samples` samples.

    Args:
        config: the configuration.
        samples: samples in an epoch, d.
        time_models: one a worker; None: those of `time_models_from_config`.

    Raises:
        UserError: as `plan_dual_batch` and `time_models_from_config`.
    """
    return plan_dual_batch(
        demand_from_config(config, samples, time_models),
        extra_time_ratio=config.dual_batch.extra_time_ratio,
        update_factor=config.dual_batch.update_factor,
    )


def demand_from_config(
    config: Config, samples: int, time_models: Sequence[TimeModel] | None = None
) -> Demand:
    """Returns what a configuration asks of the plan. Arguments and errors: `plan_from_config`."""
    if time_models is None:
        time_models = time_models_from_config(config)
    return Demand(
        time_model=tuple(time_models),
        samples=samples,
        workers=config.cluster.workers,
        small_workers=config.dual_batch.small_workers,
        large_batch=config.dual_batch.large_batch,
        rounding=config.dual_batch.rounding,
    )


def time_models_from_config(config: Config) -> tuple[TimeModel, ...]:
    """Returns the time model of each worker: from `time_model.profile`, or a, b and overhead.

    Raises:
        UserError: the configuration has neither, or its profile cannot be used.
    """
    section = config.time_model
    workers = config.cluster.workers
    if section.profile is not None:
        from dbsl_tf.profiling.profile_file import load_profile

        resolution = dataset_spec(config.data.name).image_size
        return load_profile(section.profile).time_models(workers, resolution)
    if section.a is None or section.b is None:
        raise UserError(
            "time_model has no a and b and no profile, which the plan needs; run python -m "
            "dbsl_tf.profile --config FILE --output profile.json and set "
            "time_model.profile=profile.json, or give time_model.a and time_model.b"
        )
    return (TimeModel(section.a, section.b, section.overhead),) * workers
