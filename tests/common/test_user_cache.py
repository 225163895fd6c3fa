"""The folder of what can be made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.user_cache import user_cache_folder


def test_the_environment_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert user_cache_folder() == Path("/somewhere/dbsl_tf")


@pytest.mark.parametrize("unusable", [None, "", "relative/folder"])
def test_else_it_lies_in_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, unusable: str | None
) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    if unusable is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
    assert user_cache_folder() == Path("/home/user/.cache/dbsl_tf")
