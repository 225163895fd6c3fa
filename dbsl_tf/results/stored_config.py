"""The configuration that a run was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbsl_tf.config import Config, config_of, load_config
from dbsl_tf.config.catalogue import IMAGE_FOLDER
from dbsl_tf.config.flat import flat
from dbsl_tf.config.registries import MODELS
from dbsl_tf.results.run_directory import RunDirectory


def stored_config(directory: RunDirectory) -> Config:
    """Returns the configuration of a run, with what it left to the images filled in.

    Raises:
        UserError: it cannot be read.
    """
    config = load_config(directory.configuration)
    content = config.model_dump(mode="json")
    left_open = unrecorded(flat(content))
    if not left_open:
        return config
    for key, value in left_open.items():
        section, name = key.split(".")
        content[section][name] = value
    return config_of(content)


def unrecorded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a run on a folder of images did where its configuration does not say it.

    Earlier versions left these keys open.

    Args:
        values: its configuration by dotted key.
    """
    if values.get("data.name") != IMAGE_FOLDER:
        return {}
    meant: dict[str, Any] = {"data.test_crop": 0.875}
    if values.get("progressive.mode", "off") == "off":
        meant["data.image_size"] = 224
    if MODELS.is_builtin(str(values.get("model.name"))):
        meant["model.stem"] = "imagenet"
    return {key: value for key, value in meant.items() if values.get(key) is None}
