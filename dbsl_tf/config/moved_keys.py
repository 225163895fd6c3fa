"""Keys that have moved to another section since configurations were written that have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.names import MERGE_RULE_ALIASES
from dbsl_tf.config.yaml_text import written

MOVED = {"dual_batch.merge": "merge.rule"}


def present_key(key: str) -> str:
    """Returns where a dotted key is now."""
    return MOVED.get(key, key)


def with_moved_keys(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a configuration by section and key, with every key where it is now.

    Args:
        sections: as they were written; those that are no mappings are left alone.

    Raises:
        UserError: a key is given at both places, with different values.

    Example:
        >>> with_moved_keys({"dual_batch": {"merge": "average"}})
        {'dual_batch': {}, 'merge': {'rule': 'average'}}
    """
    moved = dict(sections)
    for old, new in MOVED.items():
        (old_section, old_name), (section, name) = old.split("."), new.split(".")
        before, now = moved.get(old_section), moved.get(section)
        if not isinstance(before, Mapping) or old_name not in before:
            continue
        value = before[old_name]
        moved[old_section] = {key: v for key, v in before.items() if key != old_name}
        if now is not None and not isinstance(now, Mapping):
            continue
        present = dict(now or {})
        if name in present and _meant(present[name]) != _meant(value):
            raise UserError(
                f"{new} is {written(present[name])} and {old}, its older name, "
                f"{written(value)}; leave out {old}"
            )
        moved[section] = {name: value, **present}
    return moved


def with_moved_dotted_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """Does the same for values by dotted key, of a run; the present key has precedence."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        present = present_key(key)
        if present == key or present not in values:
            found[present] = value
    return found


def _meant(value: Any) -> Any:
    return MERGE_RULE_ALIASES.get(value, value) if isinstance(value, str) else value
