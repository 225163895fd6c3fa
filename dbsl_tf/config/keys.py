"""Describes the configuration keys for people: allowed values, default, meaning."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic.fields import FieldInfo

from dbsl_tf.config.augment import AUGMENTATIONS
from dbsl_tf.config.schema import Config
from dbsl_tf.config.section import Section
from dbsl_tf.config.tags import Effect
from dbsl_tf.config.yaml_text import written

Tag = TypeVar("Tag")
_TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}


@dataclass(frozen=True)
class KeyDescription:
    """One key of the configuration.

    Attributes:
        key: dotted name, as in an override.
        allowed: its type and range, or the values to choose from.
        default: the default as written in YAML; None if the key must be given.
        meaning: what it sets, with its unit.
    """

    key: str
    allowed: str
    default: str | None
    meaning: str


def sections() -> dict[str, type[Section]]:
    """Returns the sections of the configuration by name, in order."""
    found = {}
    for name, field in Config.model_fields.items():
        assert isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        found[name] = field.annotation
    return found


def tagged(kind: type[Tag]) -> dict[str, Tag]:
    """Returns the keys with a tag of a kind, by dotted name in the order of the configuration.

    Args:
        kind: one of `dbsl_tf.config.tags`.

    Example:
        >>> tagged(Fixed)["cluster.workers"].reason
        'an epoch has commits of every worker'
    """
    found: dict[str, Tag] = {}
    for section, model in sections().items():
        of_all = _tags(Config.model_fields[section], kind)
        for name, field in model.model_fields.items():
            for tag in _tags(field, kind) or of_all:
                found[f"{section}.{name}"] = tag
    return found


@cache
def effect_of(key: str) -> Effect:
    """Returns what a dotted key affects.

    One that is not known, of another version, is like its section where that has an effect, and
    else is taken to change the result.
    """
    known = tagged(Effect).get(key)
    if known is not None:
        return known
    section = Config.model_fields.get(key.partition(".")[0])
    of_all = _tags(section, Effect) if section is not None else []
    return of_all[0] if of_all else Effect.RESULT


def _tags(field: FieldInfo, kind: type[Tag]) -> list[Tag]:
    return [tag for tag in field.metadata if isinstance(tag, kind)]


def describe_keys() -> tuple[KeyDescription, ...]:
    """Returns every dotted key of the configuration, in order."""
    return tuple(_descriptions("", sections()))


def describe_augmentations() -> tuple[KeyDescription, ...]:
    """Returns every parameter of every augmentation, `key` being `name.parameter`."""
    return tuple(_descriptions("", AUGMENTATIONS))


def _descriptions(prefix: str, models: dict[str, type[Section]]) -> Iterator[KeyDescription]:
    for section, model in models.items():
        for name, field in model.model_fields.items():
            if field.description is not None:
                default = None if field.is_required() else field.get_default()
                if not (field.is_required() or isinstance(default, str)):
                    default = written(default)
                key = f"{prefix}{section}.{name}"
                yield KeyDescription(key, allowed_values(field), default, field.description)


def allowed_values(field: FieldInfo) -> str:
    """Returns the values allowed for `field`, as in "a whole number of at least 1, or null"."""
    if isinstance(field.json_schema_extra, dict) and "allowed" in field.json_schema_extra:
        return str(field.json_schema_extra["allowed"])
    choices = _members(field.annotation)
    text = " or ".join(_type_text(choice) for choice in choices if choice is not types.NoneType)
    constraints = [*field.metadata]
    for choice in choices:
        constraints += getattr(choice, "__metadata__", ())
    text += _range_text(constraints)
    return text + (", or null" if types.NoneType in choices else "")


def is_text(field: FieldInfo) -> bool:
    """Returns whether the values of a field are text: names, choices and paths."""
    choices = {_kind(choice) for choice in _members(field.annotation)} - {types.NoneType}
    return choices <= {str, Path, Literal}


def _range_text(constraints: list[Any]) -> str:
    bounds = {
        name: getattr(constraint, name)
        for constraint in constraints
        for name in ("ge", "gt", "le", "lt")
        if getattr(constraint, name, None) is not None
    }
    upper = f" to {bounds['le']}" if "le" in bounds else ""
    upper = f" to below {bounds['lt']}" if "lt" in bounds else upper
    if "gt" in bounds:
        return f" above {bounds['gt']}{upper}"
    if "ge" in bounds:
        return f" from {bounds['ge']}{upper}" if upper else f" of at least {bounds['ge']}"
    return upper


def _members(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _kind(annotation: Any) -> Any:
    """Returns a type without its parameters and annotations."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return typing.get_origin(annotation) or annotation


def _type_text(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) is Literal:
        return "one of " + ", ".join(typing.get_args(annotation))
    return _TYPE_NAMES[annotation]
