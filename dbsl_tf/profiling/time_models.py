"""The time models that a configuration gives: its a and b, or those of a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbsl_tf.errors import UserError
from dbsl_tf.planning import TimeModel

if TYPE_CHECKING:
    from dbsl_tf.config import Config


def time_models_from_config(config: Config) -> tuple[TimeModel, ...]:
    """Returns the time model of each worker: from `time_model.profile`, or a, b and overhead.

    Raises:
        UserError: the configuration has neither, or its profile cannot be used.
    """
    section = config.time_model
    workers = config.cluster.workers
    if section.profile is not None:
        # Imported here because it takes longer than the rest of the plan command.
        from dbsl_tf.profiling.profile_file import load_profile

        return load_profile(section.profile).time_models(workers, config.data.resolution)
    if section.a is None or section.b is None:
        raise UserError(
            "time_model has no a and b and no profile, which the plan needs; run python -m "
            "dbsl_tf.profile --config FILE --output profile.json and set "
            "time_model.profile=profile.json, or give time_model.a and time_model.b"
        )
    return (TimeModel(section.a, section.b, section.overhead),) * workers
