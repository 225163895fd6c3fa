from __future__ import annotations

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbsl_tf.config.yaml_text import YamlProblem, read_yaml, write_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.5e+3", 1500.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("50_000", 50000),
        ("010", 10),
        ("1:30", "1:30"),
        ("yes", "yes"),
        ("off", "off"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("~", None),
        ("", None),
        ("'1e-3'", "1e-3"),
        ("[1, a]", [1, "a"]),
        ("{x: &n {a: 1}, y: {<<: *n, b: 2}}", {"x": {"a": 1}, "y": {"a": 1, "b": 2}}),
    ],
)
def test_plain_text_means_what_it_looks_like(text: str, value: object) -> None:
    read = read_yaml(text)
    assert read == value
    assert type(read) is type(value)


def doubled(first: str, later: str, times: int = 30) -> str:
    """A mapping in which each value holds the one before it twice."""
    lines = [later.format(new=number, old=number - 1) for number in range(1, times)]
    return "\n".join([f"a0: &a0 {first}", *lines])


@pytest.mark.parametrize(
    "text",
    [
        doubled("[x, x]", "a{new}: &a{new} [*a{old}, *a{old}]"),
        doubled("{k: x}", "a{new}: &a{new} {{x: *a{old}, y: *a{old}}}"),
        doubled("{k: x}", "a{new}: &a{new} {{<<: [*a{old}, *a{old}]}}"),
        doubled("{k: x}", "a{new}: &a{new} {{k{new}: x, <<: [*a{old}, *a{old}]}}"),
    ],
)
def test_aliases_are_counted_before_they_are_expanded(text: str) -> None:
    with pytest.raises(YamlProblem, match="more than 20,000 values"):
        read_yaml(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", 3),
        ("a: b: c", 1),
        ("\na: [1\n", 3),
        ("!!python/name:os.system x", 1),
        ("!!int x", None),
        ("!!bool x", None),
        ("a\n---\nb", 2),
        ("a: 1\nb: \x00", 2),
        ("9" * 5000, None),
        ("[" * 2000, None),
        ("a: 1\nb: 0x" + "f" * 10_000, 2),
        ("a: 1\nb: 0o" + "7" * 10_000, 2),
        ("a: 1\nb: &a [*a]", 2),
        ("a: &a {<<: *a}", 1),
        ("a: [" + "1, " * 30_000 + "1]", 1),
    ],
)
def test_a_problem_names_its_line(text: str, line: int | None) -> None:
    with pytest.raises(YamlProblem) as caught:
        read_yaml(text)
    assert caught.value.line == line
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "remark"),
    [
        ("data:\n\u00a0\u00a0name: digits\n  a: 1\n", 3, "line 2 has U+00A0, NO-BREAK SPACE"),
        ("a: [1,\u3000{]", 1, "line 1 has U+3000, IDEOGRAPHIC SPACE"),
    ],
)
def test_a_blank_that_is_none_is_named(text: str, line: int, remark: str) -> None:
    with pytest.raises(
        YamlProblem, match=re.escape(f"({remark}: type an ordinary space instead)")
    ) as caught:
        read_yaml(text)
    assert caught.value.line == line


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _text
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=8,
)


@example("a\x85ö")  # a next-line control character
@given(_values)
def test_what_is_written_reads_back_equal(value: object) -> None:
    read = read_yaml(write_yaml(value))
    assert read == value
    assert type(read) is type(value)
