"""What a configuration leaves to the images of a folder: their size, the stem, what is tested."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from dbsl_tf.common.printing import tell
from dbsl_tf.config.catalogue import IMAGE_FOLDER, IMAGE_FOLDER_SIZE
from dbsl_tf.config.loading import config_of
from dbsl_tf.config.registries import MODELS
from dbsl_tf.data.configured import usual_image_size

if TYPE_CHECKING:
    from dbsl_tf.config import Config


def with_images(config: Config, before: Config | None = None) -> Config:
    """Returns the same configuration with the keys filled in that depend on the images.

    If the size follows the images, a line on standard error says which it is. Without images to
    look at, it is left open.

    Args:
        config: the configuration.
        before: that of the run that is to be resumed, whose values hold unless `config` has others;
            None: a new run.

    Raises:
        UserError: the images cannot be listed or checked, or are too small for the other keys.
    """
    if config.data.name != IMAGE_FOLDER:
        return config
    if before is not None and before.data.name == IMAGE_FOLDER:
        config = _filled(config, {key: _value(before, key) for key in _keys(config)})
    if "data.image_size" in _keys(config) and config.data.image_size is None:
        size = usual_image_size(config.data)
        if size is None:
            return config
        config = _filled(config, {"data.image_size": size})
        stem = f", with the {config.stem} stem" if "model.stem" in _keys(config) else ""
        _tell(
            f"images of {size} pixels (data.image_size), the median of their shorter sides, at "
            f"most {IMAGE_FOLDER_SIZE}{stem}"
        )
    return _filled(config, {"data.test_crop": config.data.tested_share, "model.stem": config.stem})


def filled_in(asked: Config, config: Config) -> list[str]:
    """Returns what `with_images` has filled in, as overrides."""
    return [
        f"{key}={_value(config, key)}"
        for key in _keys(config)
        if _value(asked, key) != _value(config, key)
    ]


def _keys(config: Config) -> list[str]:
    """Returns the keys that depend on the images; others have no effect, or are not allowed."""
    keys = ["data.test_crop"]
    if config.progressive.mode == "off":
        keys.append("data.image_size")
    if MODELS.is_builtin(config.model.name):
        keys.append("model.stem")
    return keys


def _value(config: Config, key: str) -> Any:
    section, name = key.split(".")
    return getattr(getattr(config, section), name)


def _filled(config: Config, values: Mapping[str, Any]) -> Config:
    """Returns the same configuration with values in the place of nulls.

    Raises:
        UserError: a value does not go with the other keys.
    """
    content = config.model_dump(mode="json")
    for key in _keys(config):
        section, name = key.split(".")
        if content[section][name] is None and values.get(key) is not None:
            content[section][name] = values[key]
    return config_of(content)


@cache
def _tell(line: str) -> None:
    tell(line)
