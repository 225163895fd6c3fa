"""Whether a plan may rest on what was measured."""

from __future__ import annotations

from dbsl_tf.common.errors import UserError
from dbsl_tf.profiling.profile_file import Profile, ResolutionTimes, WorkerTimes


def doubt_about(profile: Profile, workers: int, resolution: int | None = None) -> str | None:
    """Returns why the time models of a profile cannot be relied on, in words; None if they can.

    Both a and b have to be above 0 beyond their confidence intervals: B_S follows from their ratio,
    and a b that may be 0 may mean any B_S.

    Args:
        profile: what was measured.
        workers: of the run.
        resolution: one of the run's; None: the only one of the profile.

    Example:
        >>> doubt_about(profile, workers=2)
        'b is 3.5 ± 82 ms a batch, which cannot be told from 0'
    """
    try:
        fits = profile.fits_of(workers, resolution)
    except UserError as error:
        return str(error)
    return next((text for fit in fits if (text := _doubt(fit)) is not None), None)


def _doubt(fit: WorkerTimes | ResolutionTimes) -> str | None:
    who = f" of worker {fit.worker}" if isinstance(fit, WorkerTimes) else ""
    for name, value, interval, unit in (
        ("a", fit.a, fit.a_interval, "sample"),
        ("b", fit.b, fit.b_interval, "batch"),
    ):
        if interval is None:
            return f"two times alone do not tell how far {name}{who} is from 0"
        if interval[0] <= 0:
            reach = (interval[1] - interval[0]) / 2
            return (
                f"{name}{who} is {1000 * value:.3g} ± {1000 * reach:.2g} ms a {unit}, which cannot "
                "be told from 0"
            )
    return None
