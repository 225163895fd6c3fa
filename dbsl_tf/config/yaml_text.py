"""Reads and writes YAML 1.2 as the configuration uses it: plain values, no repeated keys.

In YAML 1.2 `1e-3` is a number and `yes` is text. Tags such as `!!python/object` are refused.
"""

from __future__ import annotations

import unicodedata
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import Node, ScalarNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.representer import SafeRepresenter

from dbsl_tf.common.errors import reason_of

# A configuration has some 150 values.
_MOST_VALUES = 20_000
_MOST_BITS = 256


class _Composer(Composer):
    """Counts values, each as often as an alias repeats it, before anything is made of them."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self._values = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event, before = self.parser.peek_event(), self._values
        node = super().compose_node(parent, index)
        if isinstance(event, AliasEvent):
            # Without a size it is not complete: it contains itself, and would never end.
            self._values += self._sizes.get(id(node), _MOST_VALUES + 1)
        else:
            self._values += 1
            self._sizes[id(node)] = self._values - before
        if self._values > _MOST_VALUES:
            problem = f"it has more than {_MOST_VALUES:,} values, with what its aliases repeat"
            raise ComposerError(None, None, problem, event.start_mark)
        return node


class _Constructor(SafeConstructor):
    """Reads dates as text, so that a run directory may be called 2026-01-31."""

    def construct_yaml_int(self, node: Node) -> int:
        value: int = super().construct_yaml_int(node)
        if value.bit_length() > _MOST_BITS:
            raise YamlProblem("a whole number is far too large", node.start_mark.line + 1)
        return value


_Constructor.add_constructor("tag:yaml.org,2002:int", _Constructor.construct_yaml_int)
_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


class _Representer(SafeRepresenter):
    """Writes every unprintable character as an escape; not all survive in single quotes."""

    def represent_text(self, text: str) -> ScalarNode:
        style = None if text.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Representer.add_representer(str, _Representer.represent_text)


class YamlProblem(Exception):
    """Text that is not YAML, or not the YAML a configuration may hold.

    Attributes:
        line: line number, counted from 1; None if unknown.
    """

    def __init__(self, message: str, line: int | None = None):
        super().__init__(message)
        self.line = line


def read_yaml(text: str) -> Any:
    """Returns the value of `text`: None, bool, int, float, str, list or dict.

    Raises:
        YamlProblem: the text is not YAML, a mapping holds a key twice, a tag is unknown, or there
            is far more than a configuration can need.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Composer
    yaml.Constructor = _Constructor
    try:
        return yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join((error.problem or error.context or "unreadable").split())
        line = None if mark is None else mark.line + 1
        raise YamlProblem(problem + _blank_that_is_none(text, line), line) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlProblem(f"the character {error.character!r} is not allowed", line) from None
    except RecursionError:
        raise YamlProblem("it is nested too deeply") from None
    except (YAMLError, ValueError, KeyError, TypeError) as error:
        raise YamlProblem(reason_of(error)) from None


def _blank_that_is_none(text: str, line: int | None) -> str:
    """Returns a remark on a character before the end of a line that only looks like a blank."""
    for number, content in reversed(list(enumerate(text.split("\n")[:line], 1))):
        for character in content:
            if character.isspace() and character not in " \t\r":
                name = unicodedata.name(character, "a control character")
                code = f"U+{ord(character):04X}"
                return f" (line {number} has {code}, {name}: type an ordinary space instead)"
    return ""


def write_yaml(value: Any) -> str:
    """Returns block-style YAML that `read_yaml` turns back into an equal value."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment] # None: not set
    yaml.allow_unicode = True
    yaml.width = 96
    stream = StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()


def written(value: Any) -> str:
    """Returns `value` roughly as in YAML, on one line and cut to 60 characters."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(list(value)) if isinstance(value, tuple) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
