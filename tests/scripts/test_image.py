"""The Dockerfile: the linter has nothing to say, and what it copies is what a process needs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.support.launching import ROOT

DOCKERFILE = ROOT / "Dockerfile"
TEXT = DOCKERFILE.read_text(encoding="utf-8")


def copied() -> list[str]:
    """Files and folders of the project that are copied, from each COPY but its last word."""
    found = [shlex.split(words)[:-1] for words in re.findall(r"^COPY (.*)$", TEXT, re.MULTILINE)]
    return [name for names in found for name in names]


def test_hadolint_accepts_it():
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_all_versions_are_pinned():
    (base,) = re.findall(r"^FROM (\S+)$", TEXT, re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)
    for command in re.findall(r"^RUN pip install (.*)", TEXT, re.MULTILINE):
        assert "--constraint constraints.txt" in command or "--no-deps" in command


def test_the_ignored_files_are_all_others():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert sorted(line[1:] for line in lines if line.startswith("!")) == sorted(copied())


def test_a_process_finds_all_it_needs(tmp_path: Path):
    for name in copied():
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    for words in (
        ["scripts.tf_config", "--hosts-pattern", "a", "--config", "configs/quickstart.yaml"],
        ["dbsl_tf", "train", "--config", "quickstart.yaml", "--print-config"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
