"""Whether a profile that the configuration names was measured as the run computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbsl_tf.common.printing import tell
from dbsl_tf.common.program import typed
from dbsl_tf.config.keys import tagged
from dbsl_tf.config.tags import Timed
from dbsl_tf.resolved.settings import RunSettings
from dbsl_tf.resolved.timed_settings import timed_settings

# What makes steps faster and older profiles do not mention.
_YOUNGER = {"onednn": "oneDNN", "winograd": "Winograd's filtering"}


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
        tell(f"warning: time_model.profile={path} {remark}")


def unsuitable(measured: Mapping[str, Any], settings: RunSettings) -> str | None:
    """Returns what is wrong with a profile of these settings for a run; None: nothing known.

    Args:
        measured: `Profile.settings`; from a batch-times file none of them counts.
        settings: of the run, on this machine.
    """
    keys = {tag.name: key for key, tag in tagged(Timed).items() if tag.of_steps}
    expected = {name: value for name, value in timed_settings(settings).items() if name in keys}
    if expected["precision"] == "auto":
        expected["precision"] = expected["winograd"] = None
    others = {
        name: f"{key}={_text(name, measured[name])} instead of {_text(name, expected[name])}"
        for name, key in keys.items()
        if None not in (measured.get(name), expected[name]) and measured[name] != expected[name]
    }
    if len(others) > 1:
        # Its effect follows from theirs.
        others.pop("winograd", None)
    remedy = f"measure again with {typed('profile')}"
    if others:
        return f"has {', '.join(others.values())}: its times are not those of this run; {remedy}"
    for name, what in _YOUNGER.items():
        if "precision" in measured and name not in measured and expected[name]:
            return (
                f"does not say whether it was measured with {what}, which this run computes with: "
                f"without, its times are not those of this run; {remedy}"
            )
    return None


def _text(name: str, value: Any) -> str:
    if name == "onednn":
        return "on" if value else "off"
    return str(value).lower() if isinstance(value, bool) else str(value)
