"""Reads a configuration: a YAML file, then overrides, then every check."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import WRITTEN_BY_HAND, read_text
from dbsl_tf.config.finding import advice, find_config
from dbsl_tf.config.keys import sections
from dbsl_tf.config.moved_keys import with_moved_keys
from dbsl_tf.config.overrides import parse_override
from dbsl_tf.config.problems import Problem, problems_of
from dbsl_tf.config.schema import Config
from dbsl_tf.config.yaml_text import YamlProblem, read_yaml, written


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """Reads a configuration.

    Args:
        path: YAML file with the sections of `Config`, or the name of one that comes with the
            package, such as quickstart.yaml.
        overrides: `section.key=value`, see `parse_override`; the last one for a key wins.

    Raises:
        UserError: the file cannot be read, is not such YAML, or a key or value is not allowed.
            The message names the first problem and says how many more there are.
    """
    values = _read_sections(Path(path))
    overridden: set[str] = set()
    for override in overrides:
        key, value = parse_override(override)
        section, name = key.split(".")
        values[section][name] = value
        overridden.add(key)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problems = problems_of(error)
    source = path if overridden.isdisjoint(problems[0].keys) else "override"
    raise UserError(f"{source}: {_first_of(problems)}")


def config_of(sections: Mapping[str, Mapping[str, Any]]) -> Config:
    """Returns the configuration with these values, by section and key.

    Raises:
        UserError: a key or value is not allowed; as `load_config`, without a source.
    """
    try:
        return Config.model_validate(with_moved_keys(sections))
    except ValidationError as error:
        problems = problems_of(error)
    raise UserError(_first_of(problems))


def _first_of(problems: Sequence[Problem]) -> str:
    rest = len(problems) - 1
    more = f" (and {rest} more problem{'s' if rest > 1 else ''})" if rest else ""
    return problems[0].text + more


def _read_sections(path: Path) -> dict[str, Any]:
    """Returns the sections of a file; missing and empty ones are empty mappings."""
    try:
        values = read_yaml(_read_text(path))
    except YamlProblem as problem:
        line = "" if problem.line is None else f" line {problem.line}:"
        raise UserError(f"{path}:{line} not usable as YAML: {problem}") from None
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise UserError(
            f"{path}: contains {written(values)} instead of sections; write key: value lines "
            f"under {', '.join(sections())}"
        )
    try:
        values = with_moved_keys(values)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    for section, model in sections().items():
        content = values.get(section)
        if content is not None and not isinstance(content, dict):
            example = next(iter(model.model_fields))
            raise UserError(
                f"{path}: {section} is {written(content)}, but it is a section; "
                f"set its keys instead, such as {section}.{example}"
            )
        values[section] = dict(content or {})
    return values


def _read_text(path: Path) -> str:
    try:
        return read_text(find_config(path), WRITTEN_BY_HAND, encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration file; {advice(path)}") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder; give a YAML file; {advice(path)}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text; give a YAML file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read ({reason}); give a readable YAML file") from None
