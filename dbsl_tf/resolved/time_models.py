"""The time models of a run: its a and b, or those of a profile."""

from __future__ import annotations

from pathlib import Path

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.program import typed
from dbsl_tf.planning import TimeModel
from dbsl_tf.resolved.settings import RunSettings

TimeModels = tuple[TimeModel, ...]


def time_models_of(settings: RunSettings) -> dict[int, TimeModels]:
    """Returns the time model of each worker, for each resolution of the run.

    Raises:
        UserError: the run has none, or its profile cannot be used.
    """
    if settings.time_source.profile is not None:
        return _from_profile(settings, settings.time_source.profile)
    given = settings.time_source.given
    if given:
        return {
            resolution: (model,) * settings.cluster.workers for resolution, model in given.items()
        }
    if settings.progressive:
        raise UserError(
            "progressive.a and progressive.b are null, but the plan needs a time model for "
            f"resolution {' and '.join(map(str, settings.by_resolution))}; give both lists, or a "
            "profile of these resolutions as time_model.profile"
        )
    raise UserError(
        "time_model has no a and b and no profile, which the plan needs; run "
        f"{typed('profile')} --config FILE --output profile.json and set "
        "time_model.profile=profile.json, or give time_model.a and time_model.b"
    )


def _from_profile(settings: RunSettings, path: Path) -> dict[int, TimeModels]:
    # Imported here because it takes longer than the rest of the plan command.
    from dbsl_tf.profiling.profile_file import load_profile

    resolutions = list(settings.by_resolution)
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
    workers = settings.cluster.workers
    return {resolution: profile.time_models(workers, resolution) for resolution in resolutions}
