"""Overrides of single keys, `section.key=value`, as they are typed and as they are written."""

from __future__ import annotations

import json
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.keys import allowed_values, describe_keys, is_text, sections
from dbsl_tf.config.moved_keys import present_key
from dbsl_tf.config.problems import unknown_key
from dbsl_tf.config.yaml_text import YamlProblem, read_yaml, written


def parse_override(override: str) -> tuple[str, Any]:
    """Returns the key and the value of an override.

    Where the key takes text, that is the value, whatever YAML would make of it: the only exceptions
    are null and text in quotation marks. Other values are YAML.

    Raises:
        UserError: there is no such key, or the value is not YAML.

    Example:
        >>> parse_override("run.dir=runs/try #2")
        ('run.dir', 'runs/try #2')
    """
    key, equals, text = override.partition("=")
    key = present_key(key.strip())
    if not equals:
        raise UserError(f"override: {written(override)} has no '='; write it as section.key=value")
    if key in sections():
        example = next(iter(sections()[key].model_fields))
        raise UserError(
            f"override: {key} is a section; override one of its keys, such as {key}.{example}"
        )
    if key not in {description.key for description in describe_keys()}:
        raise UserError(f"override: {unknown_key(key)}")
    section, name = key.split(".")
    field = sections()[section].model_fields[name]
    if is_text(field):
        if not text:
            raise UserError(f"override: {key} is empty; give {allowed_values(field)}")
        return key, _text_of(text)
    try:
        return key, read_yaml(text)
    except YamlProblem as problem:
        raise UserError(
            f"override: {key} has a value that is not usable as YAML: {problem}"
        ) from None


def override(key: str, value: str) -> str:
    """Returns the override that sets a key that takes text, quoted only if that is necessary.

    Example:
        >>> override("run.dir", "runs/a"), override("run.dir", "null")
        ('run.dir=runs/a', 'run.dir="null"')
    """
    return f"{key}={value if value and _text_of(value) == value else json.dumps(value)}"


def _text_of(typed: str) -> str | None:
    if typed == "null":
        return None
    if len(typed) > 1 and typed[0] == typed[-1] and typed[0] in "'\"":
        try:
            value = read_yaml(typed)
        except YamlProblem:
            return typed
        return value if isinstance(value, str) else typed
    return typed
