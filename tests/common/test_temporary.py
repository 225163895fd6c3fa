"""Machines without a folder for temporary files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.temporary import temporary_folder


def test_a_folder_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert temporary_folder() == str(tmp_path)


def test_without_one_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/nowhere"])
    with pytest.raises(UserError, match=r"^no folder for temporary files .* set TMPDIR"):
        temporary_folder()
