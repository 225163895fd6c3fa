"""The folder of what can be made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
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


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    # One whom the system does not know, as in a container that was started with another's id.
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 7)
    with pytest.raises(UserError, match="^the user has no home folder.*set XDG_CACHE_HOME") as told:
        user_cache_folder()
    assert "\n" not in str(told.value)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert user_cache_folder() == Path("/somewhere/dbsl_tf")
