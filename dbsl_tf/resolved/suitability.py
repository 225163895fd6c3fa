"""Whether a profile that the configuration names was measured as the run computes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from dbsl_tf.common.onednn import decide
from dbsl_tf.common.program import typed
from dbsl_tf.resolved.settings import RunSettings

# What the steps are called in a profile's settings, by key; each changes how long they take.
_SETTINGS = {
    "model": "model.name",
    "stem": "model.stem",
    "precision": "compute.precision",
    "xla": "compute.xla",
    "onednn": "compute.onednn",
}


def warn_of_unsuitable_profile(settings: RunSettings) -> None:
    """Warns on standard error of a `time_model.profile` whose times are those of other steps.

    Raises:
        UserError: it cannot be read.
    """
    path = settings.time_source.profile
    if path is None:
        return
    # Imported here because it takes longer than the rest of the plan command.
    from dbsl_tf.profiling.profile_file import load_profile

    remark = unsuitable(load_profile(path).settings, settings)
    if remark is not None:
        print(f"warning: time_model.profile={path} {remark}", file=sys.stderr, flush=True)


def unsuitable(measured: Mapping[str, Any], settings: RunSettings) -> str | None:
    """Returns what is wrong with a profile of these settings for a run; None: nothing known.

    Args:
        measured: `Profile.settings`; from a batch-times file none of them counts.
        settings: of the run, on this machine.
    """
    compute = settings.compute
    expected = {
        "model": settings.model.name,
        "stem": settings.model.stem,
        "precision": None if compute.precision == "auto" else compute.precision,
        "xla": compute.xla,
        "onednn": decide(compute.onednn, os.environ).on,
    }
    others = [
        f"{_SETTINGS[name]}={_text(name, measured[name])} instead of {_text(name, value)}"
        for name, value in expected.items()
        if measured.get(name) is not None and value is not None and measured[name] != value
    ]
    remedy = f"measure again with {typed('profile')}"
    if others:
        return f"has {', '.join(others)}: its times are not those of this run; {remedy}"
    if "precision" in measured and "onednn" not in measured and expected["onednn"]:
        return (
            "does not say whether it was measured with oneDNN, which this run computes with: "
            f"without, its times are not those of this run; {remedy}"
        )
    return None


def _text(name: str, value: Any) -> str:
    if name == "onednn":
        return "on" if value else "off"
    return str(value).lower() if isinstance(value, bool) else str(value)
