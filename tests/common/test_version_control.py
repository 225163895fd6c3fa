"""What is said of a configuration under version control."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from dbsl_tf.common import version_control
from dbsl_tf.common.version_control import git_state

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
_AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *_AUTHOR, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration that is in a commit, in a folder of a repository."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # as in a hook of Git's
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "repository" / "my configs"
    folder.mkdir(parents=True)
    (folder / "é.yaml").write_text("a: 1\n")
    _git(folder.parent, "init", "-q")
    _git(folder, "add", ".")
    _git(folder, "commit", "-qm", "first")
    return folder / "é.yaml"


def test_the_commit_and_whether_the_file_is_as_in_it(config: Path) -> None:
    commit = _git(config.parent, "rev-parse", "HEAD")
    found = git_state(config)
    assert found is not None
    assert (found.commit, found.file, found.differs) == (commit, "my configs/é.yaml", False)
    (config.parent / "other").write_text("is not the configuration")
    assert git_state(config) == found
    config.write_text("a: 2\n")
    assert git_state(config).differs
    _git(config.parent, "add", config.name)
    assert git_state(config).differs


def test_a_file_that_git_does_not_have(config: Path, tmp_path: Path) -> None:
    new = config.with_name("new.yaml")
    new.write_text("a: 1\n")
    assert git_state(new) is None
    outside = tmp_path / "outside.yaml"
    outside.write_text("a: 1\n")
    assert git_state(outside) is None
    assert git_state(tmp_path / "missing" / "a.yaml") is None


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", ".")
    assert git_state(tmp_path / "a.yaml") is None


def test_without_git(config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(config) is None


def test_git_that_does_not_answer(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "git"
    script.write_text("#!/bin/sh\nexec sleep 1000\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(version_control, "_SECONDS", 0.1)
    began = time.monotonic()
    assert git_state(config) is None
    assert time.monotonic() - began < 500
