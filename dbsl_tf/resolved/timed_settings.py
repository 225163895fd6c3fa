"""What the times of a profile depend on."""

from __future__ import annotations

import os
from typing import Any

from pydantic import BaseModel

from dbsl_tf.common.onednn import decide
from dbsl_tf.config.catalogue import IMAGE_FOLDER
from dbsl_tf.config.keys import sections, tagged
from dbsl_tf.config.tags import Timed
from dbsl_tf.resolved.settings import RunSettings


def timed_settings(settings: RunSettings) -> dict[str, Any]:
    """Returns the settings that change how long mini-epochs take, by the name in their `Timed` tag.

    Values are those that hold on this machine, ready for JSON.

    Example:
        >>> timed_settings(settings)["optimizer"]  # momentum, state
        [0.9, 'reset']
    """
    in_files = settings.data.name == IMAGE_FOLDER
    resolved = {
        "onednn": decide(settings.compute.onednn, os.environ).on,
        "winograd": settings.compute.winograd_on_cpus,
        "resolutions": list(settings.by_resolution),
        "files": str(settings.data.dir) if in_files else None,
    }
    found: dict[str, list[Any]] = {}
    for key, tag in tagged(Timed).items():
        if tag.name in resolved:
            continue
        value = _value(settings, key)
        if not tag.added or value != _default(key):
            found.setdefault(tag.name, []).append(value)
    plain = {name: values if len(values) > 1 else values[0] for name, values in found.items()}
    return {**plain, **resolved}


def _default(key: str) -> Any:
    section, name = key.split(".")
    return sections()[section].model_fields[name].default


def _value(settings: RunSettings, key: str) -> Any:
    section, name = key.split(".")
    values = getattr(settings, section)
    if isinstance(values, BaseModel):
        return values.model_dump(mode="json")[name]
    return getattr(values, name)
