"""The time models that a configuration gives: its a and b, or those of a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import TimeModel
from dbsl_tf.schedules import resolution_settings

if TYPE_CHECKING:
    from dbsl_tf.config import Config

TimeModels = tuple[TimeModel, ...]


def has_time_models(config: Config) -> bool:
    """Returns whether the configuration gives time models, or a profile to take them from."""
    given = config.time_model if config.progressive.mode == "off" else config.progressive
    return given.a is not None or config.time_model.profile is not None


def time_models_from_config(config: Config) -> TimeModels:
    """Returns the time model of each worker at the highest resolution of the run.

    Raises:
        UserError: as `time_models_by_resolution`.
    """
    models = time_models_by_resolution(config)
    return models[max(models)]


def time_models_by_resolution(config: Config) -> dict[int, TimeModels]:
    """Returns the time model of each worker, for each resolution of the run.

    They are from `time_model.profile`, or a, b and overhead: those of `progressive`, or of
    `time_model` when `progressive.mode` is off.

    Raises:
        UserError: the configuration has neither, or its profile cannot be used.
    """
    resolutions = [settings.resolution for settings in resolution_settings(config)]
    if config.time_model.profile is not None:
        return _from_profile(config, resolutions)
    if config.progressive.mode != "off":
        return _from_progressive(config, resolutions)
    section = config.time_model
    if section.a is None or section.b is None:
        raise UserError(
            "time_model has no a and b and no profile, which the plan needs; run python -m "
            "dbsl_tf.profile --config FILE --output profile.json and set "
            "time_model.profile=profile.json, or give time_model.a and time_model.b"
        )
    model = TimeModel(section.a, section.b, section.overhead)
    return {resolutions[0]: (model,) * config.cluster.workers}


def _from_profile(config: Config, resolutions: list[int]) -> dict[int, TimeModels]:
    # Imported here because it takes longer than the rest of the plan command.
    from dbsl_tf.profiling.profile_file import load_profile

    path = config.time_model.profile
    profile = load_profile(path)
    if len(resolutions) > 1:
        # A profile that does not know its resolution serves a run with one only.
        known = {fit.resolution for fit in profile.fits}
        missing = [str(resolution) for resolution in resolutions if resolution not in known]
        if missing:
            raise UserError(
                f"time_model.profile is {path}, which has no fit for resolution "
                f"{' and '.join(missing)}; profile every one of progressive.resolutions, or give "
                "progressive.a and progressive.b instead"
            )
    workers = config.cluster.workers
    return {resolution: profile.time_models(workers, resolution) for resolution in resolutions}


def _from_progressive(config: Config, resolutions: list[int]) -> dict[int, TimeModels]:
    section = config.progressive
    if section.a is None or section.b is None:
        raise UserError(
            "progressive.a and progressive.b are null, but the plan needs a time model for "
            f"resolution {' and '.join(map(str, resolutions))}; give both lists, or a profile of "
            "these resolutions as time_model.profile"
        )
    models = map(TimeModel, section.a, section.b, section.overhead or (0.0,) * len(resolutions))
    return {
        resolution: (model,) * config.cluster.workers
        for resolution, model in zip(resolutions, models)
    }
