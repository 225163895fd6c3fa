"""Overrides of keys that take text."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import load_config
from dbsl_tf.config.overrides import override

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart.yaml"


@pytest.mark.parametrize(
    "path",
    ["runs/a", "o #1/a", "[a]", "a: b", "12", "null", "it's", '"', '"a"', "{a", "x ", "-", "true"],
)
def test_a_path_comes_back(path: str) -> None:
    config = load_config(CONFIG, [override("run.dir", path)])
    assert config.run.dir == Path(path)


def test_what_is_plain_is_not_quoted() -> None:
    assert override("run.dir", "runs/a-1") == "run.dir=runs/a-1"


@pytest.mark.parametrize(
    "path", ["try #2", "#", "[a", "a: b", "007", "2026-01-31", "!a", "*", "%x", "&a", "'", "'a' b'"]
)
def test_a_path_is_taken_as_it_is_typed(path: str) -> None:
    for key in ("run.dir", "data.dir", "model.weights"):
        section, name = key.split(".")
        config = load_config(CONFIG, [f"{key}={path}"])
        assert getattr(getattr(config, section), name) == Path(path)


def test_a_tilde_is_the_home_folder() -> None:
    assert load_config(CONFIG, ["run.dir=~"]).run.dir == Path.home()


def test_null_and_quotation_marks_are_those_of_yaml() -> None:
    assert load_config(CONFIG, ["run.dir=a", "run.dir=null"]).run.dir is None
    assert load_config(CONFIG, ['run.dir="null"']).run.dir == Path("null")
    assert load_config(CONFIG, ["run.dir='it''s #1'"]).run.dir == Path("it's #1")
    assert load_config(CONFIG, [r'run.dir="a\tb"']).run.dir == Path("a\tb")


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(UserError, match=r"^override: run\.dir is empty; give a path, or null$"):
        load_config(CONFIG, ["run.dir="])


def test_names_are_text_too() -> None:
    with pytest.raises(UserError, match="optimizer.name is 'sgd #2'"):
        load_config(CONFIG, ["optimizer.name=sgd #2"])
